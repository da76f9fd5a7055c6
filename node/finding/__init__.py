"""Who has the files of a design: peers, the DHT, routing servers."""
