"""What a running node answers, as typed values."""
