"""Applications of ASGI frameworks on wscore; README.md says how each is started."""
