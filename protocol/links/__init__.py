"""Words with peers and relays of libp2p: reachability, circuits, the DHT."""
