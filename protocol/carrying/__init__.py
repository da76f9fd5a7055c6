"""What travels by stick: who lacks what, who wishes what, and sealing."""
