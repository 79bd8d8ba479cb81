"""The figures of results as tables in Markdown: medians, and the range over the rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from ..report import duration
from ..samples import Document, samples
from .titles import title

__all__ = ["figures", "idle", "kernels", "markdown"]

KIB, MIB = 1 << 10, 1 << 20
BUSY = 0.9  # of a core: a server that used less was waiting for something
Measures = Mapping[str, Sequence[float]]


class Column(NamedTuple):
    """How figures of a measure are told; *most_is_best* puts the largest first."""

    head: str
    told: Callable[[float], str]
    most_is_best: bool = False


def _count(figure: float) -> str:
    return f"{figure:,.0f}"


# The first of these that a case has is what its contenders are sorted by, and shown with its range.
COLUMNS = {
    "seconds": Column("a second", lambda seconds: f"{1 / seconds:,.0f}"),
    "rate": Column("MiB a second", lambda rate: f"{rate / MIB:,.1f}", most_is_best=True),
    "bytes": Column("memory for each", lambda size: f"{size / KIB:,.1f} KiB"),
    "wire": Column("on the wire", lambda size: f"{size:,.0f} B"),
    "open": Column("open at a time", _count, most_is_best=True),
    "cpu": Column("CPU time for each", duration),
    "p50": Column("p50", duration),
    "p99": Column("p99", duration),
    "load": Column("core of the load in use", lambda share: f"{share:.0%}"),
    "cpu node": Column("CPU time of the node", duration),
    "cpu redis": Column("of Redis", duration),
    "cpu publisher": Column("of the publisher", duration),
    "cpu bridge": Column("CPU time of the bridge, a MiB or round trip", duration),
    "cpu load": Column("of the load", duration),
    "lost": Column("lost", _count),
    "twice": Column("twice", _count),
}
# Cases in which less memory is the point, although handshakes were timed as well.
SIZED = ("-idle", "deflate-connections-20B-compressed", "deflate-connections-4KiB")
# In these, "seconds" are those until something happens, not those of one of many.
WAITED = ("compare-recovery", "compare-browser-recovery")
_WAIT = Column("goes on after", duration)


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table. Without rows, nothing."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if len(lines) > 2 else ""


def figures(document: Document) -> Iterator[tuple[str, str]]:
    """The title of each case, and the table of its contenders, the best first."""
    told = {each["case"]["name"]: each["case"] for each in document.get("results", ())}
    for name, contenders in samples(document).items():
        yield title(told.get(name, name)), _table(name, contenders)


def _table(case: str, contenders: Mapping[str, Measures]) -> str:
    columns = _columns(case, contenders)
    main, *others = columns
    with_share = {"seconds", "cpu"} <= columns.keys() and case not in WAITED
    heads = ["", columns[main].head, "lowest to highest"]
    heads += [columns[measure].head for measure in others]
    heads += ["core in use"] if with_share else []
    rows = []
    for name in _ranked(contenders, main, columns[main]):
        taken = contenders[name]
        row = [f"**{name}**" if _is_ours(name) else name]
        row += _with_range(taken.get(main), columns[main].told)
        row += [_median(taken.get(measure), columns[measure].told) for measure in others]
        row += [f"{_share(taken):.0%}"] if with_share else []
        rows.append(row)
    return markdown(heads, rows)


def _columns(case: str, contenders: Mapping[str, Measures]) -> dict[str, Column]:
    """Those that *case* has, its main one first."""
    found = {measure for taken in contenders.values() for measure in taken}
    columns = {name: column for name, column in COLUMNS.items() if name in found}
    if case in WAITED:
        columns["seconds"] = _WAIT
    if case.endswith(SIZED) and "bytes" in columns:
        columns = {"bytes": columns["bytes"], **columns}
    return columns


def _ranked(contenders: Mapping[str, Measures], main: str, column: Column) -> list[str]:
    """All names, the best first; those without the figure last."""
    with_figure = [name for name, taken in contenders.items() if main in taken]
    ranked = sorted(
        with_figure, key=lambda name: median(contenders[name][main]), reverse=column.most_is_best
    )
    return ranked + [name for name in contenders if name not in with_figure]


def _is_ours(name: str) -> bool:
    return name.startswith(("wscore", "WebSocket"))


def _with_range(taken: Sequence[float] | None, told: Callable[[float], str]) -> list[str]:
    if not taken:
        return ["-", "-"]
    ends = [told(min(taken)), told(max(taken))]
    if len(taken) == 1:
        return [ends[0], "one round"]
    return [told(median(taken)), " to ".join(_ascending(ends, taken, told))]


def _ascending(
    ends: list[str], taken: Sequence[float], told: Callable[[float], str]
) -> Iterable[str]:
    """A second is the inverse of seconds: its lowest is that of the most seconds."""
    return reversed(ends) if told is COLUMNS["seconds"].told else ends


def _median(taken: Sequence[float] | None, told: Callable[[float], str]) -> str:
    return told(median(taken)) if taken else "-"


def _share(taken: Measures) -> float:
    """The part of its core that a server used."""
    return median(taken["cpu"]) / median(taken["seconds"])


def idle(document: Document, judged: Iterable[tuple[str, str]]) -> str:
    """Which of *judged*, pairs of a case and a contender, did not use their whole core."""
    found: dict[str, list[str]] = {}
    taken = samples(document)
    for case, name in dict.fromkeys(judged):
        measures = taken.get(case, {}).get(name, {})
        if {"seconds", "cpu"} <= measures.keys() and _share(measures) < BUSY:
            found.setdefault(title(case), []).append(f"{name} {_share(measures):.0%}")
    return "; ".join(f"{work}: {', '.join(names)}" for work, names in found.items())


# Kernels: a row for each comparison, because there are hundreds of figures


def kernels(document: Document) -> Iterator[tuple[str, str]]:
    """The title of each suite, and a table with a row for each case and goal."""
    heads = ("case", "subject", "its time", "lowest to highest", "fastest rival", "its time",
             "lowest to highest", "times as fast")  # fmt: skip
    suites: dict[str, list[list[str]]] = {}
    for result in document["results"]:
        rows = suites.setdefault(result["suite"], [])
        rows += [_verdict_row(result, verdict) for verdict in result["goals"] if verdict["rival"]]
    for suite, rows in suites.items():
        yield suite, markdown(heads, rows)


def _verdict_row(result: Mapping[str, Any], verdict: Mapping[str, Any]) -> list[str]:
    subject, rival, ratio = result["subject"], verdict["rival"], verdict["reached"]
    return [
        result["case"],
        f"**{subject}**" if _is_ours(subject) else subject,
        *_with_range(result["seconds"][subject]["rounds"], duration),
        rival.replace("_", "-"),
        *_with_range(result["seconds"][rival]["rounds"], duration),
        f"{ratio['median']:.2f}x ({ratio['low']:.2f}x to {ratio['high']:.2f}x)",
    ]
