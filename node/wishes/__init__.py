"""Which of others' designs this node keeps, as its owner wished."""
