"""Links to other nodes: the port, libp2p behind it, and its twin in memory."""
