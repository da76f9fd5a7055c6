"""A Kubo daemon as block store."""
