"""The server: where it listens, whom it lets in, what it answers, and its end."""
