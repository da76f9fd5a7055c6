"""One name for each process and material, and the names that others give them."""
