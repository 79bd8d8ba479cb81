"""The examples of docs/asgi.md, started as it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.asgi_servers import launched
from support.examples import EXAMPLES
from support.processes import free_port, wait_until_listening
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

if TYPE_CHECKING:
    from support.asgi_servers import AsgiServer

PAGE = Path(__file__).parents[2] / "docs" / "asgi.md"
COMMANDS = re.findall(r"^\$ (\w+ app:app .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
# The examples that are applications, by words that no other has.
WORDS = ["exclude=ws", "Depends(user_of)", "publish_threadsafe", "connection.ping"]


def example(word: str) -> str:
    """The only one on this page that has *word* in it."""
    [found] = [one.code for one in EXAMPLES if one.page.name == PAGE.name and word in one.code]
    return found


def test_there_are_commands() -> None:
    assert {command.split()[0] for command in COMMANDS} == {"uvicorn", "gunicorn"}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("app", WORDS)
def test_the_examples_run(tmp_path: Path, command: str, app: str) -> None:
    (tmp_path / "app.py").write_text(example(app))
    (tmp_path / "worker.py").write_text(example("UvicornWorker"))
    program, *words = command.split()
    port = free_port()
    if program == "uvicorn":
        where = ["--app-dir", str(tmp_path), "--port", str(port)]
    else:
        # Members of a room have to be in one process.
        where = ["--chdir", str(tmp_path), "--bind", f"127.0.0.1:{port}", "--workers", "1"]
        where.append("--no-control-socket")
    talk = dict(zip(WORDS, (_chat, _admission, _publishing, _latency), strict=True))[app]
    with launched(["-m", program, *words, *where], tmp_path, port) as server:
        wait_until_listening(server.process, port)
        talk(server)
    assert "Traceback" not in server.log


def _chat(server: AsgiServer) -> None:
    with server.connect("/rooms/a") as one, server.connect("/rooms/a") as other:
        with server.connect("/rooms/b") as elsewhere:
            for room, said in ((elsewhere, "b"), (one, "to the other")):
                room.send(said)
            assert other.recv() == "to the other"
        other.send("back")
        assert one.recv() == "back"


def _latency(server: AsgiServer) -> None:
    with server.connect("/latency") as ws:
        assert re.fullmatch(r"\d+\.\d ms", str(ws.recv()))


def _admission(server: AsgiServer) -> None:
    cookie, origin = {"Cookie": "session=0b5f"}, Origin("https://example.com")
    with server.connect("/me", additional_headers=cookie, origin=origin) as ws:
        assert ws.recv() == "Hello, Ada"
    for options in (
        {"origin": origin},
        {"additional_headers": cookie},
        {"additional_headers": cookie, "origin": Origin("https://example.org")},
    ):
        with pytest.raises(InvalidStatus) as refused, server.connect("/me", **options):
            pass
        assert refused.value.response.status_code == 403


def _publishing(server: AsgiServer) -> None:
    """The hub has started, so a thread may publish before anybody has joined."""
    for path in ("/rooms/a", "/rooms/a/threads"):
        assert server.post(f"{path}?text=hello") == (200, "0")
