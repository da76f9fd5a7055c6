"""The lease protocol: both sides, what they remember, and what they write to each other."""
