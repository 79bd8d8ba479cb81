"""What tests share: oracles, peers, ways to feed bytes. See each file."""
