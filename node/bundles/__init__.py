"""Bundles: made for anybody or for one peer, opened, labelled."""
