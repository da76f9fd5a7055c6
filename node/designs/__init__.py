"""Designs: read from a folder, published, fetched, searched, carried in a file."""
