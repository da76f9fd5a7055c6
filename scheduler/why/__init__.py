"""Why this machine and not that one, and what would have to change."""
