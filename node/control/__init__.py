"""The local socket: what the command line can ask of a running node, and what it is told."""
