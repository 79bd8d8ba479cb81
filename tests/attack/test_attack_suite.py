"""The suite itself: it is large, its cases are told apart, and its verdicts can be bad."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from .cases import ALL, THEMES
from .comparison import Result, compared
from .floods import FLOODS
from .live import attack
from .report import tables
from .seen import Seen
from .target import Target
from .verdict import breach, complaint
from .vocabulary import CUTS, Case, Role, answer, breaks, encoded, farewell, head, refuses, survives

OWN = [case for theme, case in ALL if theme != "corpus"]
RIGHT = {
    "breaks": Seen(True, 101, close=1002, ended=True),
    "survives": Seen(True, 101, messages=["a", "still here"], close=1000, ended=True),
    "refuses": Seen(False, 400, ended=True),
}
CASES = {
    "breaks": breaks("", "", 1002, b""),
    "survives": survives("", "", ("a",), b""),
    "refuses": refuses("", "", 400, b""),
}


def test_there_are_many() -> None:
    assert len([case for case in OWN if case.role is Role.SERVER]) >= 400
    assert len([case for case in OWN if case.role is Role.CLIENT]) >= 200
    assert len(FLOODS) >= 15


def test_names_tell_cases_apart() -> None:
    for theme, cases in THEMES.items():
        names = [case.name for case in cases]
        assert len(set(names)) == len(names), theme


def test_each_has_a_rule() -> None:
    assert all(case.rule and (case.data or case.opening or case.eof) for case in OWN)


@pytest.mark.parametrize("cut", CUTS)
def test_cuts_lose_nothing(cut: str) -> None:
    for case in OWN:
        assert b"".join(CUTS[cut](case.data)) == case.data


@pytest.mark.parametrize("kind", CASES)
def test_right_is_right(kind: str) -> None:
    assert complaint(CASES[kind], RIGHT[kind]) is None
    assert breach(CASES[kind], RIGHT[kind]) is None


WRONG: dict[str, dict[str, object]] = {
    "breaks": {"close": 1000, "ended": False, "messages": ["x"], "wrong": "x", "opened": False},
    "survives": {"close": 1002, "ended": False, "messages": ["a"], "wrong": "x", "opened": False},
    "refuses": {"status": 403, "ended": False, "wrong": "x", "opened": True},
}


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, fields in WRONG.items() for name in fields]
)
def test_wrong_is_wrong(kind: str, name: str) -> None:
    seen = replace(RIGHT[kind], **{name: WRONG[kind][name]})
    assert complaint(CASES[kind], seen) is not None


def breaches() -> Iterator[tuple[Case, Seen]]:
    yield CASES["breaks"], Seen(True, 101, ended=False)
    yield CASES["breaks"], Seen(True, 101, messages=["x"], close=1002, ended=True)
    yield CASES["breaks"], Seen(True, 101, close=1006, ended=True)
    yield CASES["survives"], Seen(True, 101, messages=["a"], close=1000, ended=True)
    yield CASES["survives"], Seen(False, 400, ended=True)
    yield CASES["refuses"], Seen(True, 101)
    owed = refuses("", "", 426, b"", headers={"sec-websocket-version": "13"})
    yield owed, Seen(False, 426, {"sec-websocket-version": "8"})


@pytest.mark.parametrize(("case", "seen"), list(breaches()))
def test_breaches(case: Case, seen: Seen) -> None:
    assert breach(case, seen) is not None


def test_what_the_standards_leave_open_is_no_breach() -> None:
    assert breach(CASES["breaks"], Seen(True, 101, close=1008)) is None
    assert breach(CASES["breaks"], Seen(True, 101, ended=True)) is None
    assert breach(CASES["refuses"], Seen(False, 404)) is None
    assert breach(CASES["refuses"], Seen(False, None, ended=True)) is None
    listed = refuses("", "", 426, b"", headers={"sec-websocket-version": "13"})
    assert breach(listed, Seen(False, 426, {"sec-websocket-version": "13, 8"})) is None


def test_a_server_that_takes_everything_fails() -> None:
    """One that answers 101 to whatever comes, and never says more."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer())
        await reader.read()
        writer.close()

    async def main() -> list[str | None]:
        problems = []
        async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
            target = Target(server.sockets[0].getsockname()[1])
            for case in (CASES["breaks"], replace(CASES["refuses"], data=head())):
                seen = await asyncio.to_thread(attack, target, case, CUTS["whole"], strict=False)
                problems.append(breach(case, seen))
        return problems

    loop = asyncio.new_event_loop()
    try:
        assert None not in loop.run_until_complete(main())
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def test_tables_tell_what_fails() -> None:
    result = Result("some", {"some": "1.0"}, growth={flood.name: 3 << 20 for flood in FLOODS})
    result.cases = {theme: len(cases) for theme, cases in compared()}
    text = tables([result], "here")
    assert "some 1.0" in text
    assert "| 3.0 |" in text
    assert "### some: 0" in text
    assert f"| framing ({result.cases['framing']}) | {result.cases['framing']} |" in text


def test_a_farewell_is_a_close() -> None:
    assert encoded(Role.CLIENT, farewell(Role.CLIENT)) == b"\x88\x02\x03\xe8"
