"""Blocks to and from peers, by Bitswap."""
