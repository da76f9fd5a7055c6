"""Where a workshop's power comes from, and what its operator says of it."""
