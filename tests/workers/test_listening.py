"""The sockets of all workers."""

from __future__ import annotations

import os
import socket
import stat
import sys
from typing import TYPE_CHECKING

import pytest
from support.processes import free_port

from wscore.workers.listening import Listening, Where

if TYPE_CHECKING:
    from pathlib import Path

if sys.platform == "win32":
    pytest.skip("SO_REUSEPORT and unix sockets are for POSIX", allow_module_level=True)


def ports(sockets: list[socket.socket]) -> list[int]:
    return [sock.getsockname()[1] for sock in sockets]


def test_each_worker_has_a_socket_on_one_port() -> None:
    listening = Listening(Where(), 3)
    all_of = [listening.of(number) for number in (1, 2, 3)]
    assert len({sock.fileno() for sockets in all_of for sock in sockets}) == 3
    [port] = {port for sockets in all_of for port in ports(sockets)}
    assert listening.names == [f"127.0.0.1:{port}"]
    assert listening.of(2) == all_of[1], "they are kept"
    listening.close()
    assert all(sock.fileno() == -1 for sockets in all_of for sock in sockets)
    listening.close()


def test_none_listens_before_its_worker_does() -> None:
    listening = Listening(Where(), 2)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports(listening.of(1))[0]))
    listening.close()


def test_what_is_given_up_is_opened_again_on_the_same_port() -> None:
    listening = Listening(Where(), 2)
    for sock in [*listening.of(1), *listening.of(2)]:
        sock.listen()
    [before] = ports(listening.of(1))
    listening.give_up(1)
    # Nobody is sent to the closed one.
    for _ in range(20):
        socket.create_connection(("127.0.0.1", before)).close()
    assert ports(listening.of(1)) == [before]
    listening.close()


def test_one_worker_shares_with_nobody() -> None:
    listening = Listening(Where(), 1)
    [sock] = listening.of(1)
    sock.listen()
    listening.give_up(1)
    assert listening.of(1) == [sock]
    with pytest.raises(OSError, match="in use"):
        Listening(Where(port=ports([sock])[0]), 2)
    listening.close()


def test_all_addresses_of_a_name_have_one_port() -> None:
    listening = Listening(Where(host="localhost"), 2)
    found = {info[4][0] for info in socket.getaddrinfo("localhost", 1, type=socket.SOCK_STREAM)}
    there = listening.of(2)
    assert len(set(ports(there))) == 1
    assert {sock.getsockname()[0] for sock in there} <= found
    listening.close()


def test_ports_of_workers() -> None:
    base = free_port()
    listening = Listening(Where(worker_port=base), 1)
    assert ports(listening.of(1))[1:] == [base]
    assert listening.names == [f"127.0.0.1:{ports(listening.of(1))[0]}"]
    listening.close()


def test_a_port_of_a_worker_in_use_closes_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        Listening(Where(worker_port=taken.getsockname()[1]), 2)


@pytest.mark.parametrize("host", ["nowhere.invalid", "256.1.1.1", "192.0.2.1"])
def test_hosts_that_are_not_here(host: str) -> None:
    with pytest.raises(OSError, match=r"\[Errno"):
        Listening(Where(host=host), 2)


# Unix sockets ------------------------------------------------------------------------------------


def test_a_unix_socket_is_one_for_all(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    listening = Listening(Where(path=path), 3)
    assert listening.of(1) == listening.of(3)
    assert listening.names == [path]
    listening.close()
    assert not os.path.exists(path)


def test_an_abandoned_socket_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    listening = Listening(Where(path=path), 1)
    listening.of(1)[0].listen()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    listening.close()


def test_a_socket_that_is_served_is_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen()
        with pytest.raises(OSError, match="in use"):
            Listening(Where(path=path), 1)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)


def test_a_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("precious")
    with pytest.raises(OSError, match="in use"):
        Listening(Where(path=str(tmp_path / "s")), 1)
    assert (tmp_path / "s").read_text() == "precious"


def test_a_socket_that_another_server_has_put_there_stays(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    listening = Listening(Where(path=path), 1)
    os.rename(path, f"{path}-kept")  # so that its inode is not given again
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        listening.close()
        assert stat.S_ISSOCK(os.stat(path).st_mode)
