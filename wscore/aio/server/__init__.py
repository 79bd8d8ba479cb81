"""The server: listening, admission, opening handshakes and shutdown."""
