"""Sample data: sentences in four scripts, written for this project, and random bytes."""

from __future__ import annotations

from functools import cache

from .oracle import keys

__all__ = ["SCRIPTS", "SIZES", "binary", "size_name", "text"]

SCRIPTS = {
    "ASCII": (
        "A browser opens a connection, the server answers, and from then on both may speak "
        "whenever they have something to say. Most messages are short; a few are not. "
    ),
    "Latin": (
        "Ein Gerät schickt jede Minute, was es gemessen hat: Wärme, Feuchte, Lärm. "
        "Le serveur répète à chaque abonné ce qu'il a reçu, même très tôt le matin. "
        "Każda wiadomość dociera do właściwych odbiorców, choćby łącze było słabe. "
    ),
    "CJK": (
        "接続が開くと、両側はいつでも話すことができる。短い知らせが多く、長いものは少ない。"
        "服务器把每一条消息转给所有订阅的人。距离并不重要。"
        "연결이 끊어지면 잠시 기다렸다가 다시 시도한다. "
    ),
    "emoji": "🚀📡🛰️🌍💬👩‍💻🔔🎉😀🤝🧵📈🕰️🐙🦊🌈🧊🔥🍀🎻🥁🚲🛟🪁🧭🔭🧪🔬🗺️",
}

KIB, MIB = 1 << 10, 1 << 20
SIZES = (16, 64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, MIB, 16 * MIB)


@cache
def text(script: str, size: int) -> bytes:
    """Return exactly *size* bytes of UTF-8 in *script*, padded with full stops if necessary."""
    sample = SCRIPTS[script].encode()
    cut = (sample * (size // len(sample) + 1))[:size]
    return cut.decode(errors="ignore").encode().ljust(size, b".")


@cache
def binary(size: int) -> bytes:
    """Return reproducible random bytes."""
    return keys(size).randbytes(size)


def size_name(size: int) -> str:
    """Format *size*, in bytes, like ``64 KiB``."""
    for unit, name in ((MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size} B"
