"""Kubo beside this node, and pinning services."""
