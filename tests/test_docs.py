"""The examples of the documentation run as they stand, and what it says is so."""

from __future__ import annotations

import argparse
import inspect
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.examples import ALONE, CLIENTS, EXAMPLES, PAGES, PORT, SERVERS, Example
from support.isolated import start
from support.links import anchors, links
from support.processes import free_port, running, wait_until_listening

import wscore
import wscore.bridge
import wscore.hub
from wscore.aio.options import ConnectionOptions
from wscore.cli.bridge import _bridge as bridge_command
from wscore.cli.main import _parser

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def _size(nbytes: int | None) -> str:
    """As documents write it: 64 KiB, 1 MiB."""
    assert nbytes is not None
    mib, rest = divmod(nbytes, 1 << 20)
    return f"{nbytes >> 10} KiB" if rest else f"{mib} MiB"


def test_there_are_examples() -> None:
    assert len(ALONE) >= 15
    assert SERVERS
    assert CLIENTS


# A block in Python, however it is written; a whole program, and a file of a tutorial or a guide.
IN_PYTHON = re.compile(r"^[> \t]*(?:`{3,}|~{3,})[ {.]*py(?:thon)?3?\b.*$", re.MULTILINE | re.I)
PROGRAM, FILE = re.compile(r"```python"), re.compile(r'```python title="\S+"( hl_lines="[\d -]+")?')
FOLLOWED = {DOCS / "tutorials", DOCS / "guides"}
WITHOUT_EXAMPLES = [ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"]


@pytest.mark.parametrize(
    "page", [*PAGES, *WITHOUT_EXAMPLES], ids=lambda page: str(page.relative_to(ROOT))
)
def test_no_block_in_python_is_left_out(page: Path) -> None:
    """What runs examples, or follows a page, does not see one with a blank before it."""
    kinds = [] if page in WITHOUT_EXAMPLES else [PROGRAM]
    kinds += [FILE] if page.parent in FOLLOWED else []
    found = IN_PYTHON.findall(page.read_text(encoding="utf-8"))
    assert not [line for line in found if not any(kind.fullmatch(line) for kind in kinds)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_is_a_whole_program(example: Example) -> None:
    """It can be copied from its page: it begins with what it imports."""
    assert example.code.startswith(("import ", "from "))
    compile(example.code, example.name, "exec")


@pytest.mark.parametrize("example", ALONE, ids=lambda example: example.name)
def test_example(example: Example) -> None:
    # In a process of its own: what it leaves behind, and what it warns of, is seen.
    done = start(f"import warnings\nwarnings.simplefilter('error')\n{example.code}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("server", SERVERS, ids=lambda example: example.name)
def test_an_example_that_serves(server: Example) -> None:
    """It says where, serves every client of the documentation, and ends by Control-C."""
    port = str(free_port())
    script = server.code.replace(PORT, port)
    with running(
        subprocess.Popen(
            [sys.executable, "-u", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    ) as process:
        assert process.stdout.readline().decode() == f"listening on ws://127.0.0.1:{port}/\n"
        for client in CLIENTS:
            done = start(client.code.replace(PORT, port))
            assert (done.returncode, done.stdout, done.stderr) == (0, "Hello\n", "")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == (b"stopped\n", b"")
        assert process.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are for a POSIX shell")
def test_the_commands_run_as_printed() -> None:
    """Those of the command line's own page: one starts the server that the others talk to."""
    text = (DOCS / "command-line.md").read_text(encoding="utf-8")
    port = str(free_port())
    blocks = re.findall(r"^```sh\n(.*?)^```$", text.replace(PORT, port), re.DOTALL | re.MULTILINE)
    [serving] = [block for block in blocks if "serve" in block]
    scripts = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    common: dict[str, Any] = {"env": {**os.environ, "PATH": scripts}, "stdin": subprocess.DEVNULL}
    command = ["sh", "-e", "-c"]
    with running(
        subprocess.Popen([*command, f"exec {serving}"], stdout=subprocess.DEVNULL, **common)
    ) as server:
        wait_until_listening(server, port=int(port))
        for block in blocks:
            if block != serving:
                done = subprocess.run(
                    [*command, block], capture_output=True, text=True, timeout=60, **common
                )
                assert done.returncode == 0, done.stderr
                assert done.stdout == "one\ntwo\n" * block.count("two")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in links(page):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), path + anchor


def test_the_readme_lists_every_page() -> None:
    listed = {path for path, _ in links(ROOT / "README.md")}
    assert not {f"docs/{page.name}" for page in DOCS.glob("*.md")} - listed


def test_the_targets_of_make_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for page in PAGES:
        for words in re.findall(r"\bmake ((?:[a-z-]+ ?)+)`", page.read_text(encoding="utf-8")):
            assert set(words.split()) <= targets, page


def options_of(parser: argparse.ArgumentParser) -> dict[str, set[str]]:
    """The options of each subcommand."""
    [commands] = [action for action in parser._actions if isinstance(action.choices, dict)]
    return {
        name: {option for action in command._actions for option in action.option_strings}
        for name, command in commands.choices.items()
    }


@pytest.mark.parametrize(
    ("command", "page", "heading"),
    [
        ("connect", "command-line", "Options of `connect`"),
        ("serve", "command-line", "A server"),
        ("bridge", "bridge", "Options"),
        ("nginx", "command-line", "A configuration of nginx"),
    ],
)
def test_every_option_of_the_command_line_is_documented(
    command: str, page: str, heading: str
) -> None:
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = "".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))
    documented = set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", rows))
    assert documented == options_of(_parser())[command] - {"-h", "--help"}


@pytest.mark.parametrize("page", ["bridge", "subprotocols"])
def test_the_commands_of_bridges_are_understood(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = tmp_path / "users"
    users.write_text("ann:s3cret")
    monkeypatch.setenv("BRIDGE_USER", "ann:s3cret")
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    commands = "".join(blocks).replace("\\\n", "").replace("/etc/bridge.users", str(users))
    assert commands
    for command in commands.splitlines():
        program, *words = shlex.split(command)
        assert program == "wscore"
        assert _parser().parse_args(words).run.func is bridge_command


DEFAULTS = ConnectionOptions()
ROOM = wscore.Room()
BRIDGED = inspect.signature(wscore.bridge.serve).parameters


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("heartbeat", f"every `ping_interval` seconds ({DEFAULTS.ping_interval})"),
        ("heartbeat", f"within `ping_timeout` seconds ({DEFAULTS.ping_timeout})"),
        ("asyncio", f"every {DEFAULTS.ping_interval} s and not every 20 s"),
        ("asyncio", f"`write_limit` is {_size(DEFAULTS.write_limit)} and not 32"),
        ("asyncio", f"| `max_fragments`, {DEFAULTS.max_fragments} by default |"),
        ("compat", f"| `ping_interval` | {DEFAULTS.ping_interval} s | 20 s |"),
        ("compat", f"| `write_limit` | {_size(DEFAULTS.write_limit)} | 32 KiB |"),
        ("handshakes", f"| `max_line_size` | {DEFAULTS.max_line_size >> 10} KiB"),
        ("handshakes", f"| `max_headers` | {DEFAULTS.max_headers} lines"),
        ("handshakes", f"| `max_head_size` | {DEFAULTS.max_head_size >> 10} KiB"),
        ("hub", f"| `history` | {ROOM.history} |"),
        ("hub", f"| `history_bytes` | {_size(ROOM.history_bytes)} |"),
        ("hub", f"| `ttl` | {ROOM.ttl:g} s |"),
        ("hub", f"| `max_unsent` | {_size(ROOM.max_unsent)} |"),
        ("hub", f'| `overflow` | `"{ROOM.overflow}"` |'),
        ("bridge", f"`read_size` bytes ({_size(BRIDGED['read_size'].default)})"),
        ("bridge", f"{_size(BRIDGED['write_limit'].default)} (`write_limit`)"),
        ("bridge", f"`--connect-timeout` ({BRIDGED['connect_timeout'].default} s)"),
        ("bridge", f"`close_timeout` ({BRIDGED['close_timeout'].default} s)"),
        ("bridge", f"{_size(BRIDGED['max_size'].default)} unless you say otherwise"),
        ("server", f"| `open_timeout` | {DEFAULTS.open_timeout} s"),
        ("server", f"| `close_timeout` | {DEFAULTS.close_timeout} s"),
        ("server", f"| {_size(DEFAULTS.max_size)}, {DEFAULTS.max_fragments} frames in a message |"),
        ("server", f"| `max_queue` | {DEFAULTS.max_queue} messages"),
        ("server", f"| `write_limit` | {_size(DEFAULTS.write_limit)} written"),
        ("server", f"| `max_unsent` | {_size(DEFAULTS.max_unsent)} unsent"),
    ],
)
def test_documented_defaults_are_those_of_the_options(page: str, text: str) -> None:
    assert text in " ".join((DOCS / f"{page}.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("kind", [wscore.Server, wscore.ServerConnection, wscore.ClientConnection,
                                  wscore.Listener, wscore.Backoff, wscore.connect, wscore.Hub,
                                  wscore.Room, wscore.hub.HubStats, wscore.bridge.Bridge,
                                  wscore.bridge.BridgeStats, wscore.bridge.Target])  # fmt: skip
def test_every_public_name_is_documented(kind: type) -> None:
    pages = " ".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    words = set(re.findall(r"\w+", pages))
    assert not [name for name in dir(kind) if name[0] != "_" and name not in words]


# The package index has a project of somebody else under the name `wscore`.
SOMEBODY_ELSES = re.compile(
    r"pip3? install (?:-\S+ )*['\"]?wscore(?!-engine)|\bwscore\\?\[[a-z-]"
    r"|\b(?:distribution|metadata|requires|version)\(['\"]wscore['\"]\)"
)
WRITTEN = {".md", ".py", ".pyi", ".pyx", ".pxi", ".sh", ".toml", ".yml", ".html", ""}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("pip install wscore", True),
        ("pip install --upgrade 'wscore[socks]'", True),
        ("pip install wscore-engine", False),
        ("pip install 'wscore-engine[isal,socks]'", False),
        ("pip install .", False),
        ("wscore[isal,socks]", True),
        (r"match=wscore\[isal\]", True),
        ("versions[name] of wscore", False),
        ("requires('wscore')", True),
        ("requires('wscore-engine')", False),
    ],
)
def test_a_wrong_name_is_seen(text: str, wrong: bool) -> None:
    assert (SOMEBODY_ELSES.search(text) is not None) is wrong


def test_the_distribution_is_called_by_its_own_name() -> None:
    """It is `wscore-engine`; what it installs is imported as `wscore`."""
    files = [path for path in ROOT.glob("*") if path.is_file()]
    for folder in ("wscore", "docs", "scripts", "bench", "tests", ".ci"):
        files += [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    wrong = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in files
        if path.suffix in WRITTEN and path != Path(__file__)
        for found in SOMEBODY_ELSES.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert not wrong
