"""How nodes come to know each other: codes, invitations, a book of addresses, introductions."""
