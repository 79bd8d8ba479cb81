"""The client: how it connects, through what, and when again."""
