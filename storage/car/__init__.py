"""CAR files: bundles written, read, taken in, sealed."""
