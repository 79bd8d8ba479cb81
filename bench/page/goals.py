"""Every target in the results, whether it was reached or not.

Each benchmark judges its own targets; this brings what they say into one form. Targets that the
benchmarks have today and a file lacks, because it is older or its run was cut short, are not
measured: none is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from .. import asgi, bridge, crowd, memberships, nodes, suites, tls
from ..compare.parts import PARTS, names
from ..compare.report import faults
from ..end_to_end import goal_state, limit_state, shown
from ..interleave import Ratio, compare, reaches
from ..load.asgi_cases import ASGI_CASES
from ..load.cases import FANNING, Case, Goal, Limit, select
from ..load.measure import Result
from ..report import Line, duration, lines
from ..samples import Document, samples
from .titles import title

__all__ = ["JUDGES", "MISSED", "OK", "UNMEASURED", "Target"]

OK, MISSED, UNMEASURED = "ok", "MISSED", "not measured"
LACKING = "not in this file"
STATES = {"ok": OK, "SHORT": MISSED, "missing": UNMEASURED, "refused": UNMEASURED}


@dataclass(frozen=True)
class Target:
    """*work* done beside *beside* is to be as *wanted*; *reached* is what was measured.

    It is *steady* if it was reached in each round, and not just by the medians. *by_cpu* is what
    was reached by the CPU time of the servers, where that is not what is judged.
    """

    work: str
    beside: str
    wanted: str
    reached: str
    state: str
    steady: bool = True
    by_cpu: str = ""


def _times(ratio: float) -> str:
    return f"{ratio:.2f}x" if ratio < 100 else f"{ratio:,.0f}x"


def _least(ratio: float, is_size: bool = False) -> str:
    """As the benchmark states it: sizes as a part of the other's."""
    return f"at most {1 / ratio:.2g}x" if is_size else f"at least {ratio:.3g}x"


def _ratio(ratio: Ratio, is_size: bool = False) -> str:
    """The ratio of the medians, and its range over the rounds."""
    low, median, high = ratio.low, ratio.median, ratio.high
    if is_size:
        low, median, high = 1 / high, 1 / median, 1 / low
    return f"{_times(median)} ({_times(low)} to {_times(high)})"


def _by_cpu(figures: Document, subject: str, rival: str, cpu: str = "cpu") -> str:
    if not {subject, rival} <= figures.keys():
        return ""
    return _ratio(compare(figures[subject][cpu], figures[rival][cpu]))


def _state(is_reached: bool) -> str:
    return OK if is_reached else MISSED


# By form of file


def _kernels(document: Document) -> Iterator[Target]:
    for line in lines(document):
        short = [
            f"{case} {_ratio(Ratio(**verdict['reached']))}"
            for case, verdict in line.verdicts.items()
            if verdict["state"] == "SHORT"
        ]
        reached = f"{line.reached}; short: {', '.join(short)}" if short else line.reached
        if line.absent:
            reached += f"; without {', '.join(line.absent)}"
        ratios = [each["reached"] for each in line.verdicts.values() if each["reached"]]
        yield Target(
            line.label, line.beside, _least(line.ratio), reached, STATES[line.state],
            all(reaches(ratio["low"], line.ratio) for ratio in ratios),
        )  # fmt: skip
    have = {(line.label, line.rivals) for line in lines(document)}
    for case in (case for name in suites.SUITES for case in suites.cases(name)):
        for goal in case.goals:
            if goal.ratio is not None and (goal.label, goal.rivals) not in have:
                have.add((goal.label, goal.rivals))
                beside = Line(goal.label, goal.rivals, goal.ratio).beside
                yield Target(goal.label, beside, _least(goal.ratio), LACKING, UNMEASURED)


def restored(result: Document) -> Result:
    """A result as it was when it was written, as far as targets need it."""
    told = result["case"]
    case = Case(
        told["name"],
        tuple(told["contenders"]),
        tuple(Goal(**goal) for goal in told["goals"]),
        tuple(Limit(**limit) for limit in told["limits"]),
    )
    absent = {kind: result[kind] for kind in ("missing", "refused")}
    return Result(case, result["figures"], result["facts"], **absent)


def _cases(document: Document, known: Iterable[Case]) -> Iterator[Target]:
    for each in document["results"]:
        result, work = restored(each), title(each["case"])
        for goal in result.case.goals:
            if goal.ratio is not None:
                ratio, is_size = result.ratio(goal), goal.measure == "bytes"
                by = "" if goal.measure == "seconds" else f", {_MEASURES[goal.measure]}"
                yield Target(
                    f"{work}: {goal.subject}{by}",
                    goal.rival,
                    _least(goal.ratio, is_size),
                    _ratio(ratio, is_size) if ratio else "",
                    STATES[goal_state(result, goal)],
                    ratio is None or reaches(ratio.low, goal.ratio),
                    _by_cpu(result.figures, goal.subject, goal.rival) if not by else "",
                )
        for limit in result.case.limits:
            yield _limited(result, limit, work)
    yield from _lacking(document, known)


def _lacking(document: Document, known: Iterable[Case]) -> Iterator[Target]:
    """The targets of *known* cases that *document* has not even tried."""
    have = {
        (result["case"]["name"], told["subject"], told.get("rival", ""), told["measure"])
        for result in document["results"]
        for told in (*result["case"]["goals"], *result["case"]["limits"])
    }
    for case in known:
        work = title(asdict(case))
        for goal in case.goals:
            key = case.name, goal.subject, goal.rival, goal.measure
            if goal.ratio is not None and key not in have:
                least = _least(goal.ratio, goal.measure == "bytes")
                yield Target(f"{work}: {goal.subject}", goal.rival, least, LACKING, UNMEASURED)
        for limit in case.limits:
            if (case.name, limit.subject, "", limit.measure) not in have:
                most = f"at most {shown(limit.most, limit.measure)}"
                yield Target(f"{work}: {limit.subject}", "", most, LACKING, UNMEASURED)


_MEASURES = {"bytes": "memory", "p50": "p50", "p99": "p99"}


def _limited(result: Result, limit: Limit, work: str) -> Target:
    state, measure, reached, steady = limit_state(result, limit), limit.measure, "", True
    if limit.subject in result.figures:
        taken = result.figures[limit.subject][measure]
        low, high = shown(min(taken), measure), shown(max(taken), measure)
        reached = f"{shown(result.median(limit.subject, measure), measure)} ({low} to {high})"
        steady = max(taken) <= limit.most
    return Target(
        f"{work}: {limit.subject}, {_MEASURES[measure]}",
        "",
        f"at most {shown(limit.most, measure)}",
        reached,
        STATES[state],
        steady,
    )


def _asgi(document: Document) -> Iterator[Target]:
    judged = set()
    for result, goal, best, ratio in asgi.compared(document):
        judged.add((result["case"]["name"], goal["subject"]))
        if goal["ratio"] is None:
            continue
        is_size, figures = goal["measure"] == "bytes", result["figures"]
        found = compare(*(figures[name][goal["measure"]] for name in (goal["subject"], best)))
        yield Target(
            f"{title(result['case'])}: {goal['subject']}",
            f"the best of uvicorn's own: {best}",
            _least(goal["ratio"], is_size),
            _ratio(found, is_size) + _without(result, goal["subject"]),
            _state(reaches(ratio, goal["ratio"])),
            reaches(found.low, goal["ratio"]),
            "" if is_size else _by_cpu(figures, goal["subject"], best),
        )
    for result in document["results"]:
        name = result["case"]["name"]
        for goal in result["case"]["goals"]:
            if goal["ratio"] is not None and (name, goal["subject"]) not in judged:
                judged.add((name, goal["subject"]))
                yield Target(title(result["case"]), goal["rival"], _least(goal["ratio"]), "",
                             UNMEASURED)  # fmt: skip
    have = {result["case"]["name"] for result in document["results"]}
    for case in ASGI_CASES:
        if case.name not in have and case.goals[0].ratio is not None:
            least = _least(case.goals[0].ratio, case.goals[0].measure == "bytes")
            yield Target(title(case.name), "the best of uvicorn's own", least, LACKING, UNMEASURED)


def _without(result: Document, subject: str) -> str:
    rivals = [goal["rival"] for goal in result["case"]["goals"] if goal["subject"] == subject]
    absent = [rival for rival in rivals if rival not in result["medians"]]
    return f"; without {', '.join(absent)}" if absent else ""


def _rooms(document: Document) -> Iterator[Target]:
    """Of broadcasts: the cases, and then what has no other library beside it."""
    yield from _cases(document, FANNING)
    for key, work in ROOMS.items():
        if key not in document:
            yield Target(work, "", "as the benchmark says", LACKING, UNMEASURED)
    goals = document.get("goals", {**memberships.GOALS, **crowd.GOALS})
    for row in document.get("memory", ()):
        most, found = goals["membership"], row["traced"]
        work = f"memory of a membership: {row['memberships']:,}, {row['name']}"
        yield Target(work, "", f"at most {most} B", f"{found:.0f} B", _state(found <= most))
    for name in ("join", "leave", "publish") if "times" in document else ():
        taken, most = [row[name] for row in document["times"]], goals["flat"]
        slow = max(taken) / min(taken)
        sizes = [f"{document['times'][place]['members']:,}" for place in (0, -1)]
        yield Target(
            f"{name}, in rooms of {sizes[0]} to {sizes[1]} members",
            "the fastest of these rooms",
            f"at most {most:g}x the time",
            _times(slow),
            _state(slow <= most),
        )
    if "beside" in document:
        yield from _large(document["beside"], goals)
    for row in document.get("slow", ()):
        lost = row["published"] - row["dropped"] - row["received"]
        yield Target(
            f"one member never reads, `{row['policy']}`: messages unaccounted for",
            "",
            "none",
            f"{lost:,} of {row['published']:,}",
            _state(lost == 0),
        )


ROOMS = {
    "memory": "memory of memberships",
    "times": "join, leave and publish in large rooms",
    "beside": "publishing to a large room",
    "slow": "members who do not read",
}


def _large(found: Document, goals: Document) -> Iterator[Target]:
    members, turn, echo = (goals[name] for name in ("members", "turn", "echo"))
    all_members = f"{found['members']:,}"
    yield Target(
        "members of a large room", "", f"{members:,}", all_members,
        _state(found["members"] >= members),
    )  # fmt: skip
    for work, most, key in (
        ("longest turn of the event loop, CPU time", turn, "turn_cpu"),
        ("echo beside it, p99", echo, "p99"),
    ):
        yield Target(
            f"publishing to {all_members} members: {work}",
            "",
            f"at most {duration(most)}",
            duration(found[key]),
            _state(found[key] <= most),
        )


def _nodes(document: Document) -> Iterator[Target]:
    figures, seen = samples(document), set()
    for name, goal, ours, theirs in nodes.reached(document):
        seen.add((name, goal))
        taken = figures[f"nodes-{name}"]
        found = compare(*(taken[one][goal.measure] for one in (goal.subject, goal.rival)))
        by = "" if goal.measure == "seconds" else f", {goal.measure}"
        yield Target(
            f"{title(f'nodes-{name}')}: {goal.subject}{by}",
            goal.rival,
            _least(goal.ratio),
            _ratio(found),
            _state(reaches(theirs / ours, goal.ratio)),
            reaches(found.low, goal.ratio),
            "" if by else _by_cpu(taken, goal.subject, goal.rival, "cpu node"),
        )
    for name in nodes.ROWS:
        for goal in nodes.goals(document, name):
            if (name, goal) not in seen:
                work = f"{title(f'nodes-{name}')}: {goal.subject}"
                why = _why(document, name)
                yield Target(work, goal.rival, _least(goal.ratio), why, UNMEASURED)


def _bridge(document: Document) -> Iterator[Target]:
    figures, seen = samples(document), set()
    for name, measure, goal, ratio in bridge.reached(document):
        seen.add(name)
        taken = figures[f"bridge-{name}"]
        ours, theirs = taken[bridge.US][measure], taken[bridge.RIVAL][measure]
        # Of rates, more is better.
        found = compare(*((theirs, ours) if measure == "rate" else (ours, theirs)))
        by = "" if measure == "rate" else f", {measure}"
        yield Target(
            f"{title(f'bridge-{name}')}{by}",
            bridge.RIVAL,
            _least(goal),
            _ratio(found),
            _state(reaches(ratio, goal)),
            reaches(found.low, goal),
            "" if by else _by_cpu(taken, bridge.US, bridge.RIVAL, "cpu bridge"),
        )
    for name in bridge.ROWS:
        least = bridge.goal(document, name)
        if least is not None and name not in seen:
            why = _why(document, name)
            yield Target(title(f"bridge-{name}"), bridge.RIVAL, _least(least), why, UNMEASURED)


def _why(document: Document, row: str) -> str:
    """Why a target of *row* is not measured: the section tells it of a missing contender."""
    return "" if row in document["rows"] else LACKING


def _tls(document: Document) -> Iterator[Target]:
    for name, loop, found, ratio, goal in tls.reached(document):
        by = "memory" if name == "memory" else "CPU time"
        rounds = compare(*(found[each] for each in tls.TRANSPORTS))
        yield Target(
            f"{title(f'tls-{name}')}: wscore's TLS, {by}",
            f"that of {loop}",
            _least(goal, is_size=name == "memory"),
            _ratio(rounds, is_size=name == "memory"),
            _state(reaches(ratio, goal)),
            reaches(rounds.low, goal),
        )
    for name, row in tls.ROWS.items():
        for loop, least in row.goal.items() if name not in document["rows"] else ():
            yield Target(title(f"tls-{name}"), f"that of {loop}", _least(least), LACKING,
                         UNMEASURED)  # fmt: skip


# The cases of `make bench-end-to-end`, by how they begin.
SERVERS_AND_CLIENTS = ("echo", "client", "connections", "heartbeat")


def _transports(document: Document) -> Iterator[Target]:
    """Nothing is compared with a target but that no message may be lost."""
    found = faults(document)
    yield Target(
        "messages lost, or delivered twice, where none may be",
        "",
        "none",
        "; ".join(found) or "none",
        _state(not found),
    )
    have = {result["case"]["name"] for result in document["results"]}
    for name in (name for part in PARTS for name in names(part)):
        if name not in have:
            yield Target(f"{title(name)}: messages lost", "", "none", LACKING, UNMEASURED)


JUDGES: dict[str, Callable[[Any], Iterable[Target]]] = {
    "kernels": _kernels,
    "end_to_end": partial(_cases, known=select(list(SERVERS_AND_CLIENTS))),
    "deflate": partial(_cases, known=select(["deflate"])),
    "broadcast": _rooms,
    "asgi": _asgi,
    "nodes": _nodes,
    "bridge": _bridge,
    "tls": _tls,
    "compare": _transports,
}
