"""The report: it is what the results make of it, and it hides nothing that they tell."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from bench import asgi, bridge, broadcast, charts, machine, nodes, report, tls
from bench.compare import report as compare
from bench.drawing import described
from bench.end_to_end import states
from bench.page.__main__ import DOCUMENT, DRAWN, RESULTS, main
from bench.page.goals import JUDGES, MISSED, OK, UNMEASURED, restored
from bench.page.render import Part, parts, render
from bench.page.sections import SECTIONS
from bench.samples import Unusable, load, samples

BY_FILE = {section.file: section for section in SECTIONS}


def part(file: str, document: dict[str, Any] | None = None) -> Part:
    return Part(BY_FILE[file], load(RESULTS / file) if document is None else document)


def page(*found: Part) -> str:
    return render(found, "results", "charts")


def document(**seconds: list[float]) -> dict[str, Any]:
    """Of a case in which "wscore" has to be twice as fast as "other"."""
    case = {
        "name": "client-256B",
        "contenders": list(seconds),
        "goals": [{"subject": "wscore", "rival": "other", "ratio": 2.0, "measure": "seconds"}],
        "limits": [],
    }
    figures = {name: {"seconds": taken, "cpu": taken} for name, taken in seconds.items()}
    result = {
        "case": case, "figures": figures, "facts": {}, "missing": {}, "refused": {},
        "medians": {},
    }  # fmt: skip
    return {
        "machine": machine.describe(),
        "pace": {"seconds": 0.5, "rounds": 7},
        "results": [result],
    }


# The page of the repository


def test_the_page_is_what_make_report_makes_of_the_results() -> None:
    made = render(parts(RESULTS), "../bench", "charts")
    assert DOCUMENT.read_text(encoding="utf-8") == made, "run `make report`"


def test_the_charts_show_the_results() -> None:
    """By what they say of themselves: how they look depends on the release of matplotlib."""
    shown = set()
    for each in parts(RESULTS):
        found = samples(each.document)
        for name in charts.measured(found):
            chart = charts.CHARTS[name]
            told = described((DRAWN / f"{name}.svg").read_text(encoding="utf-8"))
            expected = {"title": chart.title, "description": charts.alt(chart, found)}
            assert told == expected, "run `make report`"
            shown.add(f"{name}.svg")
    assert {file.name for file in DRAWN.glob("*.svg")} == shown


# Pages with tables that a benchmark writes, and what makes them of its results.
WITH_TABLES: dict[str, tuple[str, Any]] = {
    "README.md": ("results.json", report),
    "docs/asgi.md": ("asgi.json", asgi),
    "docs/bridge.md": ("bridge.json", bridge),
    "docs/comparison.md": ("compare.json", compare),
    "docs/hub.md": ("broadcast.json", broadcast),
    "docs/scaling.md": ("nodes.json", nodes),
    "docs/server.md": ("tls.json", tls),
}


@pytest.mark.parametrize("name", WITH_TABLES)
def test_tables_of_other_pages_are_those_of_the_results(name: str) -> None:
    file, benchmark = WITH_TABLES[name]
    text = (RESULTS.parent / name).read_text(encoding="utf-8")
    shown = text.partition(f"{report.BEGIN}\n")[2].partition(f"\n{report.END}")[0]
    assert shown == benchmark.summary(load(RESULTS / file))


def test_every_file_of_results_has_a_section_and_every_chart_is_in_one() -> None:
    assert {file.name for file in RESULTS.glob("*.json")} == BY_FILE.keys()
    assert {name for section in SECTIONS for name in section.charts} == charts.CHARTS.keys()


def missed_by_the_benchmarks(file: str, found: Any) -> int:
    """How many targets the benchmark itself says were missed."""
    if file == "results.json":
        return report.summary(found).count("| SHORT")
    if file in ("end_to_end.json", "end_to_end_deflate.json", "broadcast.json"):
        return sum(states(restored(result)).count("SHORT") for result in found["results"])
    modules = {"asgi.json": asgi, "nodes.json": nodes, "bridge.json": bridge, "tls.json": tls}
    return len(modules[file].missed(found)) if file in modules else 0


@pytest.mark.parametrize("file", BY_FILE)
def test_every_target_that_was_missed_is_shown_as_missed(file: str) -> None:
    each = part(file)
    # Memory of memberships, and how large a room can be: told, but not judged, by the benchmark.
    more = 2 if file == "broadcast.json" else 0
    count = missed_by_the_benchmarks(file, each.document) + more
    assert sum(target.state == MISSED for target in each.targets) == count
    text = DOCUMENT.read_text(encoding="utf-8")
    _, _, rest = text.partition(f"### Targets: {each.section.heading}\n")
    table, _, _ = rest.partition("\n#")
    assert table.count(f"| **{MISSED}** |") == count


# Documents of all forms, made worse


def slower(found: Any) -> Any:
    """The same results with all of wscore's figures 1,000 times as bad."""
    worse = deepcopy(found)
    for name, figures in places(worse):
        if name.startswith(("wscore", "ours")):
            for measure in figures:
                factor = 1e-3 if measure == "rate" else 1e3
                figures[measure] = (
                    [each * factor for each in figures[measure]]
                    if isinstance(figures[measure], list)
                    else figures[measure] * factor
                )
    return worse


def places(found: Any) -> list[tuple[str, Any]]:
    """Contenders and their figures, wherever a file has them."""
    have = []
    for result in found.get("results", ()):
        have += [*result["figures"].items(), *result["medians"].items()]
    for row in found.get("rows", {}).values():
        if "medians" in row:
            have += row["medians"].items()
            have += [(name, each) for name, taken in row["rounds"].items() for each in taken]
        else:
            have += [(name, loop) for loop in row.values() for name in ("ours",)]
    return have


@pytest.mark.parametrize(
    "file", ["end_to_end.json", "end_to_end_deflate.json", "asgi.json", "nodes.json", "bridge.json"]
)
def test_what_is_slower_misses_its_targets(file: str) -> None:
    each = part(file, slower(load(RESULTS / file)))
    # Of two that are ours, both are slower.
    judged = [
        target
        for target in each.targets
        if not target.beside.startswith("wscore") and target.state != UNMEASURED
    ]
    assert len(judged) >= 5
    assert {target.state for target in judged} == {MISSED}


def test_tls_that_is_slower_misses_its_targets() -> None:
    found: Any = deepcopy(load(RESULTS / "tls.json"))
    for loops in found["rows"].values():
        for taken in loops.values():
            taken["ours"] = [each * 1e3 for each in taken["ours"]]
    assert {target.state for target in part("tls.json", found).targets} == {MISSED}


def test_kernels_that_are_slower_miss_their_targets() -> None:
    found: Any = deepcopy(load(RESULTS / "results.json"))
    for result in found["results"]:
        for verdict in result["goals"]:
            verdict["state"] = "SHORT"
    assert {target.state for target in part("results.json", found).targets} == {MISSED}


def test_lost_messages_are_told() -> None:
    found: Any = deepcopy(load(RESULTS / "compare.json"))
    found["results"][0]["medians"]["SSE"]["delivered"] -= 1
    (target,) = part("compare.json", found).targets
    assert target.state == MISSED
    assert "SSE: 1 lost" in target.reached


def test_members_that_were_not_there_and_messages_unaccounted_for_are_told() -> None:
    found: Any = deepcopy(load(RESULTS / "broadcast.json"))
    before = sum(target.state == MISSED for target in part("broadcast.json").targets)
    found["slow"][0]["received"] -= 1
    found["beside"]["turn_cpu"] = found["beside"]["p99"] = 1.0
    found["times"][0]["join"] = 1.0
    after = sum(target.state == MISSED for target in part("broadcast.json", found).targets)
    assert after == before + 4


# Targets


def judged(**seconds: list[float]) -> Any:
    found = JUDGES["end_to_end"](document(**seconds))
    (target,) = (target for target in found if target.beside == "other")
    return target


def test_a_target_is_judged_by_medians_and_told_with_its_range() -> None:
    target = judged(wscore=[1.0, 1.0, 4.0], other=[2.0, 3.0, 2.0])
    assert (target.state, target.steady) == (OK, False)
    assert target.reached == "2.00x (0.50x to 3.00x)"
    assert target.by_cpu == target.reached
    assert judged(wscore=[1.0], other=[1.99]).state == MISSED
    assert judged(wscore=[1.0], other=[1.996]).steady


def test_a_target_whose_rival_is_missing_is_neither_reached_nor_missed() -> None:
    found = document(wscore=[1.0], third=[1.0])
    found["results"][0]["missing"] = {"other": "not installed"}
    each = part("end_to_end.json", found)
    (target,) = (target for target in each.targets if target.beside == "other")
    assert (target.state, target.reached) == (UNMEASURED, "")
    assert "0 were reached, 0 missed and" in page(each)
    assert "Not measured: other: not installed." in page(each)


@pytest.mark.parametrize("file", BY_FILE)
def test_targets_that_a_file_lacks_are_told(file: str) -> None:
    """A run that was cut short, or a target that is newer than the file."""
    found: Any = deepcopy(load(RESULTS / file))
    whole = part(file, found).targets
    place = found["rows"] if "rows" in found else found["results"]
    first = next(iter(place)) if "rows" in found else 0
    second = list(place)[1] if "rows" in found else 1
    for key in (second, first):
        del place[key]
    if file == "results.json":  # a target is for several cases
        del place[:8]
    lacking = "not in this file"
    cut = part(file, found).targets
    told = [target for target in cut if target.reached == lacking]
    assert len(told) > sum(target.reached == lacking for target in whole)
    assert {target.state for target in told} == {UNMEASURED}
    if file != "compare.json":
        assert len(cut) == len(whole)


def test_goals_in_a_file_count_more_than_those_of_today() -> None:
    found: Any = deepcopy(load(RESULTS / "tls.json"))
    assert "those of the benchmark today" in page(part("tls.json", found))
    found["goals"] = {name: dict.fromkeys(row.goal, 1e6) for name, row in tls.ROWS.items()}
    each = part("tls.json", found)
    assert {target.state for target in each.targets} == {MISSED}
    assert "those of the benchmark today" not in page(each)


# What else the page tells


def test_files_of_different_machines_and_days_are_told_apart() -> None:
    found = [part("end_to_end.json", document(wscore=[1.0], other=[2.0])) for _ in range(2)]
    assert "machines" not in page(*found).partition("## Targets")[0]
    found[1].document["machine"].update(cpu="another", when="2020-01-02T03:04:05+00:00")
    head = page(*found).partition("## Targets")[0]
    assert "come from 2 machines" in head
    assert "measured between 2020-01-02 and" in head
    assert "- Machine B: another" in head


def test_a_short_run_is_labelled() -> None:
    found = document(wscore=[1.0], other=[2.0])
    assert "short" not in page(part("end_to_end.json", found)).partition("## Targets")[0]
    found["pace"]["rounds"] = 3
    text = page(part("end_to_end.json", found))
    assert "fewer rounds or shorter samples than usual: Servers and clients" in text
    assert "3 of 0.5 s (a short run: 7 of 0.5 s are usual)" in text


def test_a_machine_that_was_busy_is_told() -> None:
    found = document(wscore=[1.0], other=[2.0])
    found["machine"]["load"] = 0.1
    assert "not at rest" not in page(part("end_to_end.json", found))
    found["machine"]["load"] = 3.5
    assert "its load average was 3.5" in page(part("end_to_end.json", found))


def test_a_load_that_was_busy_itself_is_told() -> None:
    found = document(wscore=[1.0], other=[2.0])
    measures = found["results"][0]["figures"]["wscore"]
    measures["load"] = [0.5]
    text = page(part("end_to_end.json", found))
    assert "at most 50% of its core" in text
    assert "may have been what was measured" not in text
    measures["load"] = [0.9]
    assert "measured in client, round trips of 256 B: wscore 90%" in page(
        part("end_to_end.json", found)
    )


def test_what_an_old_file_lacks_is_told() -> None:
    found = document(wscore=[1.0], other=[2.0])
    found["machine"].pop("revision")
    found["machine"].pop("libraries")
    text = page(part("end_to_end.json", found))
    assert "commit not recorded" in text
    assert "uvloop (version not recorded)" in text
    assert "took not recorded" in text


def test_servers_that_waited_in_a_target_are_named() -> None:
    found = document(wscore=[1.0], other=[2.0])
    found["results"][0]["figures"]["other"]["cpu"] = [1.0]
    assert "less than 90% of their core" in page(part("end_to_end.json", found))


# Files that cannot be used


def written(folder: Path, content: object) -> Path:
    for file in BY_FILE:
        folder.joinpath(file).write_text(RESULTS.joinpath(file).read_text(encoding="utf-8"))
    text = content if isinstance(content, str) else json.dumps(content)
    folder.joinpath("tls.json").write_text(text)
    return folder


def without(*names: str) -> Any:
    found: Any = deepcopy(load(RESULTS / "tls.json"))
    place = found
    for name in names[:-1]:
        place = place[name]
    del place[names[-1]]
    return found


def alone() -> Any:
    """One contender: nothing to compare."""
    found = document(wscore=[1.0])
    found["results"][0]["case"]["goals"] = []
    return found


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not JSON"),
        ([], "does not tell the machine"),
        (without("machine"), "does not tell the machine"),
        (without("machine", "peers"), "its machine lacks peers"),
        (without("rows"), "no form that a benchmark writes"),
        (without("openssl"), "no form that a benchmark writes"),
        ({**without("rows"), "rows": {"64B-1": {"uvloop": {"ours": [1]}}}}, "no form"),
        (alone(), "there is nothing to compare"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(
    content: object, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, made = written(tmp_path, content), tmp_path / "report.md"
    told = ["--results", str(folder), "--document", str(made), "--charts", str(tmp_path)]
    assert main(told) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"no report: {folder / 'tls.json'}: ")
    assert complaint in error
    assert not made.exists()


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"end_to_end\.json: does not exist"):
        parts(tmp_path)


def test_charts_of_results_that_are_no_more_are_taken_away(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="charts need it")
    found = without("rows", "memory")
    folder, drawn = written(tmp_path, found), tmp_path / "charts"
    drawn.mkdir()
    (drawn / "tls-memory.svg").write_text("<svg/>")
    (drawn / "another.svg").write_text("<svg/>")
    made = tmp_path / "report.md"
    told = ["--results", str(folder), "--document", str(made), "--charts", str(drawn)]
    assert main(told) == 0
    assert not (drawn / "tls-memory.svg").exists()
    assert (drawn / "another.svg").exists()
    assert "No chart of Memory of a server for a connection with TLS" in made.read_text()


def test_the_command_writes_page_and_charts(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="charts need it")
    made = tmp_path / "docs" / "report.md"
    made.parent.mkdir()
    assert main(["--document", str(made), "--charts", str(made.parent / "charts")]) == 0
    text = made.read_text(encoding="utf-8")
    assert "](charts/echo-small.svg)" in text
    assert len(list((made.parent / "charts").iterdir())) == len(charts.CHARTS)
