"""What stays on the disk: pins, collection, the scrub, replicas."""
