"""Gossip: records along a tree, within areas, as often as they are news."""
