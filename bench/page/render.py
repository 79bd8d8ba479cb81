"""The page: what was reached, how it was measured, and a section for each file of results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from ..charts import CHARTS, alt, measured
from ..samples import Document, load, missing, pace, samples
from .goals import MISSED, OK, UNMEASURED, Target
from .sections import SECTIONS, Section
from .tables import idle, markdown
from .titles import title
from .words import END, INTRODUCTION, LIMITS, METHOD, REPEAT, TARGETS

__all__ = ["Part", "parts", "render"]

UNKNOWN = "not recorded"
MIB = 1 << 20
# Facts of servers that are not versions.
NO_VERSIONS = {"away"}
AT_REST = 0.5  # load average, at most
BUSY_LOAD = 0.8  # of its core: beyond it, it may be the load that is measured


@dataclass(frozen=True)
class Part:
    """A section, and the results that it is about."""

    section: Section
    document: Document

    @property
    def machine(self) -> Mapping[str, Any]:
        return self.document["machine"]  # type: ignore[no-any-return]

    @property
    def day(self) -> str:
        return str(self.machine["when"][:10])

    @property
    def hardware(self) -> str:
        """What has to be the same for figures to be comparable."""
        told = self.machine
        system = " ".join(str(told[key]) for key in ("system", "release") if told.get(key))
        architecture = told.get("architecture", "")
        return f"{told['cpu']}, {told['cores']} cores, {architecture}, {system}, {told['python']}"

    @cached_property
    def targets(self) -> list[Target]:
        """The missed ones first."""
        order = (MISSED, UNMEASURED, OK)
        found = self.section.judge(self.document)
        return sorted(found, key=lambda target: order.index(target.state))

    @property
    def is_short(self) -> bool:
        """Whether it was measured in less time than usual."""
        rounds, seconds = pace(self.document)
        usual_rounds, usual_seconds = self.section.usual
        return rounds < usual_rounds or (seconds is not None and seconds < usual_seconds)


def parts(folder: Path) -> list[Part]:
    """All sections with the results in *folder*. Raises Unusable."""
    return [Part(section, load(folder / section.file)) for section in SECTIONS]


def render(found: Sequence[Part], results: str, charts: str) -> str:
    """The page in Markdown; *results* and *charts* are where the files are, seen from it."""
    machines = list(dict.fromkeys(part.hardware for part in found))
    pieces = [
        INTRODUCTION,
        _counts(found),
        _scores(found, machines),
        _warnings(found, machines),
        TARGETS,
        *(piece for part in found for piece in _targets(part)),
        METHOD,
        LIMITS,
        *(piece for part in found for piece in _section(part, results, charts)),
        REPEAT,
        _times(found),
        END,
    ]
    return "\n\n".join(piece for piece in pieces if piece) + "\n"


# What was reached


def _counts(found: Sequence[Part]) -> str:
    states = Counter(target.state for part in found for target in part.targets)
    steady = sum(t.state == OK and t.steady for part in found for t in part.targets)
    return (
        f"**Of {states.total()} targets, {states[OK]} were reached, {states[MISSED]} missed and "
        f"{states[UNMEASURED]} not measured.** Of those reached, {steady} were reached in every "
        "round."
    )


def _scores(found: Sequence[Part], machines: Sequence[str]) -> str:
    heads = ("section", "targets", "reached", "missed", "not measured", "reached in every round",
             "machine and day")  # fmt: skip
    rows = []
    for part in found:
        states = Counter(target.state for target in part.targets)
        steady = sum(target.state == OK and target.steady for target in part.targets)
        short = ", short" if part.is_short else ""
        missed = f"**{states[MISSED]}**" if states[MISSED] else "0"
        rows.append((
            f"[{part.section.heading}](#{_anchor(part.section.heading)})",
            *map(str, (states.total(), states[OK], missed, states[UNMEASURED], steady)),
            f"{_letter(machines.index(part.hardware))}, {part.day}{short}",
        ))  # fmt: skip
    where = "\n".join(f"- Machine {_letter(n)}: {told}" for n, told in enumerate(machines))
    return f"{_narrow(markdown(heads, rows))}\n\n{where}"


def _narrow(table: str) -> str:
    """On the site, with less room around the figures; see docs/site/site.css."""
    return f'<div class="figures" markdown>\n\n{table}\n\n</div>'


def _letter(number: int) -> str:
    return chr(ord("A") + number)


def _anchor(heading: str) -> str:
    """As GitHub makes it."""
    return heading.lower().replace(",", "").replace(" ", "-")


def _warnings(found: Sequence[Part], machines: Sequence[str]) -> str:
    told = []
    if len(machines) > 1:
        told.append(
            f"The files of results come from {len(machines)} machines. No table or chart below "
            "mixes them: compare figures within a section only."
        )
    days = sorted({part.day for part in found})
    if len(days) > 1:
        told.append(
            f"They were measured between {days[0]} and {days[-1]}; each section says when, and "
            "with which version. What was changed since is not in its figures."
        )
    short = [part.section.heading for part in found if part.is_short]
    if short:
        told.append(
            f"Measured in fewer rounds or shorter samples than usual: {', '.join(short)}. Ranges "
            "are wider then."
        )
    return " ".join(told)


def _targets(part: Part) -> Iterator[str]:
    yield f"### Targets: {part.section.heading}"
    yield f"{part.hardware}; {part.day}." + _of_today(part.document)
    heads = ["work", "beside", "target", "reached", "", "by CPU time"]
    with_cpu = any(target.by_cpu for target in part.targets)
    rows = [
        [each.work, each.beside, each.wanted, each.reached or "-", _told(each), each.by_cpu]
        for each in part.targets
    ]
    if not with_cpu:
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    yield _narrow(markdown(heads, rows))


def _told(target: Target) -> str:
    if target.state == OK:
        return OK if target.steady else "ok, not in every round"
    return f"**{target.state}**"


def _of_today(document: Document) -> str:
    """Where goals are not with the figures, they may have been others then."""
    has_rows = "rows" in document or "beside" in document
    if has_rows and "goals" not in document:
        return " The file does not record its targets: they are those of the benchmark today."
    return ""


# Sections


def _section(part: Part, results: str, charts: str) -> Iterator[str]:
    section, found = part.section, samples(part.document)
    yield f"## {section.heading}"
    yield section.about
    yield section.method
    drawn = measured(found)
    for name in section.charts:
        if name in drawn:
            yield f"![{alt(CHARTS[name], found)}]({charts}/{name}.svg)"
        else:
            yield f"*No chart of {CHARTS[name].title}: not all of it was measured.*"
    yield _provenance(part)
    yield _checks(part)
    path = f"{results}/{section.file}"
    yield f"Raw data: [bench/{section.file}]({path}). To repeat it: `{section.command}`."
    tables = list(section.figures(part.document))
    yield '<details class="figures" markdown>'
    yield f"<summary>All figures: {len(tables)} tables</summary>"
    for head, table in tables:
        yield f"**{head[0].upper()}{head[1:]}**"
        yield table
    yield "</details>"


def _provenance(part: Part) -> str:
    told, (rounds, seconds) = part.machine, pace(part.document)
    engine = told["wscore"]
    usual_rounds, usual_seconds = part.section.usual
    length = f" of {seconds:g} s" if seconds is not None else f"; their length is {UNKNOWN}"
    usual = f"a short run: {usual_rounds} of {usual_seconds:g} s are usual"
    short = f" ({usual})" if part.is_short else ""
    memory = f", {told['memory'] / MIB / 1024:.1f} GiB" if told.get("memory") else ""
    rows = [
        ("measured", f"{told['when'][:16].replace('T', ' ')} UTC; took {_took(part.document)}"),
        ("machine", f"{part.hardware}{memory}"),
        ("virtual", {True: "yes", False: "no"}.get(told.get("virtual"), UNKNOWN)),
        ("load average before", _or_unknown(told.get("load"))),
        ("wscore", f"{engine['version']}, {engine['backend']}, SIMD kernel {engine['kernel']}; "
                   f"commit {_or_unknown(told.get('revision'))}"),
        ("beside", ", ".join(_versions(part))),
        ("rounds", f"{rounds}{length}{short}"),
    ]  # fmt: skip
    return markdown(("", ""), rows)


def _took(document: Document) -> str:
    if "took" not in document:
        return UNKNOWN
    seconds = document["took"]
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _or_unknown(figure: object) -> str:
    return UNKNOWN if figure is None else str(figure)


def _versions(part: Part) -> Iterable[str]:
    """What was measured, with versions, by name."""
    document, told = part.document, part.machine
    found = {
        name: version
        for result in document.get("results", ())
        for facts in result.get("facts", {}).values()
        for name, version in facts.items()
        if version[:1].isdigit() and name not in NO_VERSIONS
    }
    if part.section.command == "make bench":  # all in one process: there are no facts
        found |= {name: version for name, version in told["peers"].items() if version}
    recorded = {**told["peers"], **told.get("libraries", {}), **found}
    for name in part.section.libraries:
        found[name] = recorded.get(name) or document.get(name)
    if "redis" in document:
        found["Redis"], found["redis-py"] = document["redis"], recorded.get("redis")
        del found["redis"]
    found.pop("wscore", None)
    if "openssl" in document:
        yield str(document["openssl"])
    for name, version in sorted(found.items(), key=lambda item: item[0].lower()):
        yield f"{name} {version}" if version else f"{name} (version {UNKNOWN})"


def _checks(part: Part) -> str:
    """What could have made the figures wrong: the load, servers that waited, who is missing."""
    told, found = [], samples(part.document)
    before = part.machine.get("load")
    if before is not None and before > AT_REST:
        told.append(f"The machine was not at rest before: its load average was {before:g}.")
    shares = [
        (median(measures["load"]), f"{title(case)}: {name}")
        for case, contenders in found.items()
        for name, measures in contenders.items()
        if "load" in measures
    ]
    if shares:
        told.append(f"The load used at most {max(shares)[0]:.0%} of its core.")
    if busy := [f"{name} {share:.0%}" for share, name in shares if share > BUSY_LOAD]:
        told.append(f"It may have been what was measured in {'; '.join(busy)}.")
    waited = idle(part.document, _judged(part.document))
    if waited:
        told.append(
            "In a target, but using less than 90% of their core, so that something else than the "
            f"server was measured as well: {waited}."
        )
    told += [f"Not measured: {name}: {why}." for name, why in missing(part.document).items()]
    return " ".join(told)


def _judged(document: Document) -> Iterator[tuple[str, str]]:
    """Cases and contenders whose speed is part of a target."""
    for result in document.get("results", ()):
        if isinstance(result["case"], str):
            return
        for goal in result["case"]["goals"]:
            if goal["ratio"] is not None and goal["measure"] == "seconds":
                yield result["case"]["name"], goal["subject"]
                yield result["case"]["name"], goal["rival"]


def _times(found: Sequence[Part]) -> str:
    rows = [
        (f"`{part.section.command}`", part.section.heading, _took(part.document)) for part in found
    ]
    return markdown(("command", "measures", "took"), rows)
