"""Manifests: what a folder of files says of a design, read, repaired, checked and written."""
