"""Machines near each other, in place and price, kept together: most are then never looked at."""
