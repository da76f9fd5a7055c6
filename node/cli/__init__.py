"""The `commonfab` command, a file for what belongs together."""
