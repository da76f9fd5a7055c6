"""What a node keeps: blocks under their CIDs, and signed records under their ids."""
