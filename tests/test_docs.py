"""The examples of the documentation run as they stand."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.isolated import start
from support.processes import free_port, running, wait_until_listening
from websockets.sync.client import connect

import wscore
from wscore.aio.options import ConnectionOptions

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
EXAMPLES = [
    pytest.param(code, id=f"{page.stem}-{number}")
    for page in [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
    for number, code in enumerate(
        re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.S | re.M), 1
    )
]


# Such an example runs until it is stopped.
SERVES = "serve_forever()"


def _size(nbytes: int | None) -> str:
    """As documents write it: 64 KiB, 1 MiB."""
    assert nbytes is not None
    mib, rest = divmod(nbytes, 1 << 20)
    return f"{nbytes >> 10} KiB" if rest else f"{mib} MiB"


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize("code", [case for case in EXAMPLES if SERVES not in case.values[0]])
def test_example(code: str) -> None:
    # In a process of its own: what it leaves behind, and what it warns of, is seen.
    done = start(f"import warnings\nwarnings.simplefilter('error')\n{code}")
    assert (done.returncode, done.stderr) == (0, "")


DEFAULTS = ConnectionOptions()


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("heartbeat", f"every `ping_interval` seconds ({DEFAULTS.ping_interval})"),
        ("heartbeat", f"within `ping_timeout` seconds ({DEFAULTS.ping_timeout})"),
        ("asyncio", f"| {DEFAULTS.ping_interval} s and {DEFAULTS.ping_timeout} s; any byte"),
        ("asyncio", f"| `max_fragments` | none | {DEFAULTS.max_fragments} |"),
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
                                  wscore.Listener, wscore.Backoff, wscore.connect])  # fmt: skip
def test_every_public_name_is_documented(kind: type) -> None:
    pages = " ".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    words = set(re.findall(r"\w+", pages))
    assert not [name for name in dir(kind) if name[0] != "_" and name not in words]


def test_an_example_that_serves() -> None:
    [code] = [case.values[0] for case in EXAMPLES if SERVES in case.values[0]]
    port = free_port()
    script = code.replace("8765", str(port))
    assert script != code
    with running(
        subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE)
    ) as server:
        wait_until_listening(server, port)
        with connect(f"ws://127.0.0.1:{port}/echo") as ws:
            ws.send("hello")
            assert ws.recv() == "hello"
        server.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in server.communicate(timeout=20)[1]


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
