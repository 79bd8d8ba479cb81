"""What SECURITY.md says of limits is so: their defaults, and where they are tested."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import wscore
import wscore.bridge
from wscore.aio.options import ConnectionOptions
from wscore.aio.server.admission import _MAX_LINGERING
from wscore.protocol.redirects import MAX_REDIRECTS
from wscore.protocol.server import _MAX_TRAILING_DATA

pytestmark = pytest.mark.any_backend

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of the rows below the heads of tables."""
    lines = [
        line for line in text.splitlines() if line.startswith("| ") and "tested in" not in line
    ]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


LIMITS = {cells[0].strip("`"): cells[1:] for cells in rows(section("Limits"))}


def default_of(call: Any, keyword: str) -> Any:
    return inspect.signature(call).parameters[keyword].default


DEFAULTS: dict[str, Any] = {
    **{item.name: item.default for item in fields(ConnectionOptions) if item.init},
    **{
        name: default_of(wscore.serve, name)
        for name in ("max_connections", "max_connections_per_ip")
    },
    "connect(max_body_size=)": default_of(wscore.connect, "max_body_size"),
    "Room(history=)": wscore.Room().history,
    "Room(history_bytes=)": wscore.Room().history_bytes,
    "Room(max_unsent=)": wscore.Room().max_unsent,
    "Hub(max_waiting=)": default_of(wscore.Hub, "max_waiting"),
    "bridge.serve(connect_timeout=)": default_of(wscore.bridge.serve, "connect_timeout"),
    "bytes behind a request that is not answered yet": _MAX_TRAILING_DATA,
    "connections that are being refused": _MAX_LINGERING,
    "redirections that `connect` follows": MAX_REDIRECTS,
}
UNITS = {"": 1, " s": 1, " KiB": 1 << 10, " MiB": 1 << 20}


def value_of(cell: str) -> int | None:
    if cell == "None":
        return None
    number, unit = re.fullmatch(r"(\d+)(.*)", cell).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


@pytest.mark.parametrize("limit", LIMITS)
def test_a_default_is_that_of_the_code(limit: str) -> None:
    assert value_of(LIMITS[limit][0]) == DEFAULTS[limit]


def test_no_limit_of_connections_is_left_out() -> None:
    """Options that are numbers are limits."""
    numbers = {name for name, value in DEFAULTS.items() if type(value) in (int, float)}
    assert numbers <= set(LIMITS)
    assert {"max_connections", "max_connections_per_ip"} <= set(LIMITS)


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_is_named_where_it_is_tested(limit: str) -> None:
    keyword = (re.search(r"(\w+)=\)$", limit) or re.search(r"^(\w+)$", limit) or [None, ""])[1]
    for path in re.findall(r"`([^`]+)`", LIMITS[limit][2]):
        assert keyword in (ROOT / path).read_text(encoding="utf-8")


def test_what_is_protected_is_tested() -> None:
    """By files, folders and targets of make that are there."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    places = [
        place for cells in rows(section("Threat model")) for place in cells[2].split("`")[1::2]
    ]
    assert len(places) > 15
    for place in places:
        if place.startswith("make "):
            for target in place.split()[1:]:
                assert re.search(rf"^{target}:", makefile, re.MULTILINE), place
        else:
            assert (ROOT / place).exists(), place


def test_the_most_that_a_connection_holds() -> None:
    """A message that is being read, those that wait for the application, and those for the peer."""
    options = ConnectionOptions()
    parts = [options.max_size, options.max_queue_bytes, options.max_unsent]
    sizes = [f"{part >> 20} MiB" for part in parts if isinstance(part, int)]
    said = " ".join(section("Limits").split())
    assert f"about {sum(int(size.split()[0]) for size in sizes)} MiB" in said
    assert ": {} of a message that is being read, {} that".format(*sizes) in said
    assert f"and {sizes[2]} that the peer does not accept" in said
