"""Sync: two nodes find what they do not share, by ranges of time and id."""
