"""What the command line can ask of a running node, a file for each subject."""
