"""Mesh files: checked, measured and drawn in a child process."""
