"""Blocks by Bitswap: who wants what, from whom, and whom to serve."""
