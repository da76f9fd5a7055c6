"""Power and its climate cost: when it is clean, and when there is enough of it."""
