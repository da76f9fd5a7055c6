"""Meeting: pairing, invitations, and peers told by peers."""
