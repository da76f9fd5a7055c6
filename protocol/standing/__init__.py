"""Who is believed: vouches, proofs, offences, deny-lists."""
