"""What a node decides: which machine can make a job, what it costs, who is asked. Pure."""
