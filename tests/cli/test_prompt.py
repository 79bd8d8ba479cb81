"""The prompt, in a real terminal: what is typed stays whole whatever comes in."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if sys.platform == "win32":
    pytest.skip("Windows has terminals of another kind", allow_module_level=True)

import termios

from support.echoing import echo, serving
from support.loops import CHOOSE_UVLOOP
from support.terminal import Terminal, in_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from websockets.sync.server import ServerConnection


pytestmark = pytest.mark.any_backend
PRELUDES = {"asyncio": "", "uvloop": CHOOSE_UVLOOP}
LOOP = {"prelude": ""}


@pytest.fixture(autouse=True, params=PRELUDES)
def _loop(request: pytest.FixtureRequest) -> None:
    """Run the client on each loop."""
    LOOP["prelude"] = PRELUDES[request.param]


@contextmanager
def talking(
    handler: Callable[[ServerConnection], None], *options: str, columns: int = 80
) -> Iterator[Terminal]:
    """A client at its prompt, connected to a server that runs *handler*."""
    with (
        serving(handler) as uri,
        in_terminal("wscore", uri, *options, columns=columns, **LOOP) as terminal,
    ):
        terminal.wait_for(lambda rows: rows[-1] == "> ")
        assert rows_of(terminal) == [f"connected to {uri}"]
        yield terminal


def rows_of(terminal: Terminal) -> list[str]:
    """Without the prompt."""
    return terminal.screen.rows[:-1]


@pytest.fixture
def terminal(_loop: None) -> Iterator[Terminal]:
    """At the prompt, with a server that echoes."""
    with talking(echo) as terminal:
        yield terminal


def test_messages_go_out_and_come_in(terminal: Terminal) -> None:
    terminal.type("Grüße, 世界\r")
    terminal.wait_for(lambda rows: len(rows) == 4)
    assert rows_of(terminal)[1:] == ["> Grüße, 世界", "< Grüße, 世界"]


def test_a_message_leaves_what_is_being_typed() -> None:
    typed = threading.Event()

    def interrupting(ws: ServerConnection) -> None:
        assert typed.wait(20)
        for message in ("one", "two\nin two lines", bytes(2)):
            ws.send(message)
        echo(ws)

    with talking(interrupting) as terminal:
        terminal.type("half a thought\x1b[D\x1b[D")
        terminal.wait_for(lambda rows: rows[-1] == "> half a thought")
        typed.set()
        terminal.wait_for(lambda rows: len(rows) == 6 and rows[-1] == "> half a thought")
        assert rows_of(terminal)[1:] == ["< one", "< two", "in two lines", "< (binary) 0000"]
        assert terminal.screen.column == len("> half a thoug")
        terminal.type("X\r")
        terminal.wait_for(lambda rows: rows[-2:] == ["< half a thougXht", "> "])


@pytest.mark.parametrize(
    ("keys", "status"),
    [("\x04", 0), ("abc\x04\x15\x04", 0), ("\x03", 128 + signal.SIGINT)],
    ids=["end", "not on a line with text", "interrupt"],
)
def test_control_d_and_control_c_close(terminal: Terminal, keys: str, status: int) -> None:
    before = terminal.modes()[3]
    assert not before & (termios.ICANON | termios.ECHO)
    terminal.type(keys)
    assert terminal.end() == status
    assert "Traceback" not in "".join(terminal.screen.rows)
    assert terminal.modes()[3] & termios.ICANON
    assert terminal.modes()[3] & termios.ECHO


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_terminal_as_it_was(terminal: Terminal, signum: int) -> None:
    terminal.type("half a thought")
    terminal.wait_for(lambda rows: rows[-1] == "> half a thought")
    terminal.process.send_signal(signum)
    assert terminal.end() == 128 + signum
    assert terminal.modes()[3] & termios.ICANON
    assert terminal.screen.rows[-1] == ""


def test_the_end_of_the_connection_is_told() -> None:
    def closing(ws: ServerConnection) -> None:
        ws.recv()
        ws.close(1000, "enough")

    with talking(closing) as terminal:
        terminal.type("x\rhalf a thought")
        assert terminal.end() == 0
        assert terminal.screen.rows[-2] == (
            "closed: received 1000 (normal closure) enough; then sent 1000 (normal closure) enough"
        )


def test_a_long_line_scrolls_sideways_and_goes_out_whole() -> None:
    line = "".join(chr(ord("a") + i % 26) for i in range(50))
    with talking(echo, columns=20) as terminal:
        terminal.type(line)
        terminal.wait_for(lambda rows: rows[-1] == f"> {line[-17:]}")
        terminal.type("\x01")
        terminal.wait_for(lambda rows: rows[-1] == f"> {line[:17]}")
        terminal.type("\r")
        terminal.wait_for(lambda rows: rows[-2:] == [f"< {line}", "> "])


def test_after_a_stop_and_a_new_size_the_prompt_is_there_again(terminal: Terminal) -> None:
    terminal.type("half")
    terminal.wait_for(lambda rows: rows[-1] == "> half")
    modes = terminal.modes()
    modes[3] |= termios.ICANON | termios.ECHO  # as a shell does meanwhile
    terminal.set_modes(modes)
    terminal.process.send_signal(signal.SIGCONT)
    terminal.resize(40)
    terminal.type(" and half\r")
    terminal.wait_for(lambda rows: rows[-2:] == ["< half and half", "> "])


def test_commands() -> None:
    with talking(echo, "--slash") as terminal:
        terminal.type("/ping abc\r")
        terminal.wait_for(lambda rows: any(row.startswith("pong after ") for row in rows))
        terminal.type(f"/ping {'x' * 126}\r/nonsense\r/close x\r")
        terminal.wait_for(lambda rows: rows[-2] == "/close: a close code is a number")
        assert "no such command: /nonsense (there are /ping, /pong and /close)" in rows_of(terminal)
        assert any(row.startswith("/ping: ") for row in rows_of(terminal))
        terminal.type("/close 4000 that was all\r")
        assert terminal.end() == 1
    assert "4000 (private use) that was all" in terminal.screen.rows[-2]


def test_without_slash_commands_are_messages(terminal: Terminal) -> None:
    terminal.type("/close\r")
    terminal.wait_for(lambda rows: rows[-2:] == ["< /close", "> "])


def test_a_peer_does_not_command_the_terminal() -> None:
    def attacking(ws: ServerConnection) -> None:
        ws.send("\x1b[2Jred\x9b\u202e")
        echo(ws)

    with serving(attacking) as uri, in_terminal("wscore", uri, **LOOP) as terminal:
        # Before the prompt is there, or after.
        terminal.wait_for(lambda rows: rows[-1] == "> " and "red" in "".join(rows))
        assert "\\x1b[2Jred\\x9b\\u202e" in "".join(rows_of(terminal))


def test_a_terminal_without_escapes_has_no_prompt() -> None:
    with serving(echo) as uri, in_terminal("wscore", uri, TERM="dumb", **LOOP) as terminal:
        terminal.wait_for(lambda rows: len(rows) == 2)
        terminal.type("hello\n")
        terminal.wait_for(lambda rows: rows.count("hello") == 2)  # the terminal's echo, and ours
        terminal.type("\x04")
        assert terminal.end() == 0
    assert not any(row.startswith(">") for row in terminal.screen.rows)


def test_who_types_may_leave_a_server_that_does_not_read() -> None:
    leave = threading.Event()

    def deaf(_: ServerConnection) -> None:
        leave.wait(30)

    with talking(deaf) as terminal:
        terminal.type("hello\r")
        terminal.wait_for(lambda rows: rows[-2:] == ["> hello", "> "])
        terminal.type("\x03")
        assert terminal.end() == 128 + signal.SIGINT
        leave.set()


def test_a_terminal_that_is_taken_away(terminal: Terminal) -> None:
    assert terminal.hang_up() == -signal.SIGHUP


def test_a_terminal_that_is_taken_away_from_who_ignores_that() -> None:
    LOOP["prelude"] += "\nimport signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    with talking(echo) as terminal:
        assert terminal.hang_up() == 0
