"""Licences: read as SPDX expressions, what they ask of whom, and what a design owes to others."""
