"""Telling others what is new: records passed on from peer to peer."""
