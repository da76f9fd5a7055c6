"""The folder that is a node: its key, its settings, its health."""
