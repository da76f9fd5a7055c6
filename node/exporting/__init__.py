"""Exporting: designs and workshops in the words of others."""
