"""The client: connecting, proxies and reconnecting."""
