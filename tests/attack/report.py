"""The tables of docs/attacks.md, written from results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from .comparison import HARMFUL, Result
from .floods import FLOODS, MIB

__all__ = ["tables"]


def tables(results: Sequence[Result], about: str) -> str:
    """Markdown: what each server holds, the memory that floods took, what each fails."""
    parts = [_versions(results, about), _held(results), _memory(results), _failures(results)]
    return "\n\n".join("\n".join(part) for part in parts)


def _versions(results: Sequence[Result], about: str) -> Iterator[str]:
    yield f"{about}: {', '.join(_version(result) for result in results)}."


def _version(result: Result) -> str:
    facts = [value if name == result.name else f"{name} {value}"
             for name, value in result.facts.items()]  # fmt: skip
    return " ".join([result.name, *facts[:1], *(f"({fact})" for fact in facts[1:])])


def _table(first: str, names: Iterable[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    names = list(names)
    yield f"| {first} | {' | '.join(names)} |"
    yield "|---|" + "---|" * len(names)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _held(results: Sequence[Result]) -> Iterator[str]:
    themes = results[0].cases
    rows = [
        [f"{theme} ({count})", *(str(result.held(theme)) for result in results)]
        for theme, count in themes.items()
    ]
    totals = [str(sum(result.held(theme) for theme in themes)) for result in results]
    rows.append([f"**all ({sum(themes.values())})**", *(f"**{total}**" for total in totals)])
    return _table("cases held", (result.name for result in results), rows)


def _memory(results: Sequence[Result]) -> Iterator[str]:
    yield "Resident memory at the peak over that at the start, in MiB:"
    yield ""
    rows = [
        [flood.name, *(_mib(result.growth[flood.name]) for result in results)] for flood in FLOODS
    ]
    yield from _table("flood", (result.name for result in results), rows)


def _mib(growth: int | None) -> str:
    return "?" if growth is None else f"{max(growth, 0) / MIB:.1f}"


def _failures(results: Sequence[Result]) -> Iterator[str]:
    yield f"What each fails, and what it did; harm is memory of over {HARMFUL // MIB} MiB, an end"
    yield "of the process, or other connections that are not served."
    for result in results:
        yield ""
        yield f"### {result.name}: {len(result.failures)}"
        yield ""
        yield from _by_theme(result) if result.failures else ["None."]


def _by_theme(result: Result) -> Iterator[str]:
    found: dict[str, list[str]] = defaultdict(list)
    for failure in result.failures:
        # Every case here is one against a server.
        name = failure.case.removesuffix(", at the server")
        found[failure.theme].append(f"  - {name} ({failure.rule}): {_code(failure.what)}")
    for theme, failures in found.items():
        yield f"- {theme}"
        yield from failures


def _code(what: str) -> str:
    """As it stands: what servers answer may look like markup."""
    return f"`{what[:160].replace('`', chr(39))}`"
