"""Who is believed: standing and offences, vouches, deny-lists, and a home that was restored."""
