"""Keys, masking and the names of sockets."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

import wscore
from wscore.compat.websockets import speedups
from wscore.compat.websockets.utils import accept_key, apply_mask, generate_key, get_socket_name


def test_keys() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert generate_key() != generate_key()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_masking(kind: type[bytes]) -> None:
    assert apply_mask(kind(b"hello"), b"1234") == wscore.apply_mask(b"hello", b"1234")
    assert speedups.apply_mask is apply_mask


def test_masking_what_has_gaps() -> None:
    assert apply_mask(memoryview(b"olleh")[::-1], bytes(4)) == b"hello"


def test_what_cannot_be_masked() -> None:
    with pytest.raises(ValueError, match="4 bytes"):
        apply_mask(b"x", b"123")
    with pytest.raises(TypeError):
        apply_mask("x", b"1234")  # type: ignore[arg-type]


def test_names_of_sockets(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert get_socket_name(server) == f"127.0.0.1:{server.getsockname()[1]}"
    if hasattr(socket, "AF_UNIX"):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / "s"))
            assert get_socket_name(server) == str(tmp_path / "s")


class _Strange:
    family = -1

    def getsockname(self) -> None:
        return None


def test_a_socket_of_another_family() -> None:
    with pytest.raises(ValueError, match="-1"):
        get_socket_name(_Strange())  # type: ignore[arg-type]
