"""What the benchmarks write: the table, the JSON, the README between its markers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import wscore
from bench import machine, report
from bench.__main__ import main
from bench.cases import Case, Goal
from bench.operations import APPLY_MASK
from bench.run import Result
from bench.targets import peer_versions
from bench.texts import SCRIPTS, SIZES, size_name, text

GOALS = (Goal("masks", ("tornado",), 2.0), Goal("masks told", ("tornado",)))


def results() -> list[Result]:
    quick, slow = ({"wscore": [ours], "tornado": [3e-6]} for ours in (1e-6, 2e-6))
    return [
        Result("mask", Case("16 B", APPLY_MASK, (), GOALS), seconds=quick),
        Result("mask", Case("64 B", APPLY_MASK, (), GOALS), seconds=slow),
        Result("mask", Case("1 KiB", APPLY_MASK, (), GOALS), missing={"tornado": "not there"}),
    ]


def document() -> dict[str, object]:
    return report.as_json(machine.describe(), {"seconds": 0.02, "rounds": 1}, results())


def test_the_json_tells_machine_and_versions() -> None:
    found = json.loads(json.dumps(document()))["machine"]
    assert found["wscore"]["version"] == wscore.__version__
    assert found["wscore"]["kernel"] == wscore.KERNEL
    assert found["peers"] == peer_versions()
    assert {"cpu", "cores", "python", "when", "system"} <= {key for key in found if found[key]}


def test_the_json_holds_every_round_and_every_verdict() -> None:
    first, second, third = json.loads(json.dumps(document()))["results"]
    assert first["seconds"]["wscore"] == {"median": 1e-6, "rounds": [1e-6]}
    assert [goal["state"] for goal in first["goals"]] == ["ok", "told"]
    assert second["goals"][0]["state"] == "SHORT"
    assert third["missing"] == {"tornado": "not there"}
    assert third["goals"][0]["state"] == "missing"


def test_the_table_names_targets_shortfalls_and_the_missing() -> None:
    lines = report.table(results()).splitlines()
    assert "3.00x (3.00 to 3.00)  ok" in lines[2]
    assert "SHORT" in lines[4]
    assert lines[6].endswith("missing")
    assert "missing: tornado: not there" in lines


def test_a_fastest_rival_that_others_are_missing_from_is_told_as_such() -> None:
    case = Case("16 B", APPLY_MASK, (), (Goal("masks", ("tornado", "wsaccel"), 2.0),))
    seconds = {"wscore": [1e-6], "tornado": [3e-6]}
    result = Result("mask", case, seconds=seconds, missing={"wsaccel": "not there"})
    assert "ok without wsaccel" in report.table([result])
    found = report.as_json(machine.describe(), {}, [result])
    assert "| 3.00x | ok without wsaccel |" in report.summary(found)


def test_the_summary_gives_a_line_for_each_target_with_its_worst_state() -> None:
    done = document()
    done["results"] = done["results"][:2]  # type: ignore[index]
    lines = report.summary(done).splitlines()
    assert lines[2] == "| masks | tornado | 2x | 1.50x to 3.00x | SHORT |"
    assert wscore.KERNEL in lines[-1]


def test_only_what_stands_between_the_markers_is_replaced(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter ü\n", encoding="utf-8")
    for content in ("new\nlines", "newer"):
        report.write_readme(readme, content)
        expected = f"before\n{report.BEGIN}\n{content}\n{report.END}\nafter ü\n"
        assert readme.read_text(encoding="utf-8") == expected


@pytest.mark.parametrize(
    "text",
    [
        "nothing",
        report.BEGIN,
        f"{report.END}{report.BEGIN}",
        f"{report.BEGIN}{report.BEGIN}{report.END}",
        f"{report.BEGIN}{report.END}{report.END}",
    ],
)
def test_a_readme_without_both_markers_is_left_alone(tmp_path: Path, text: str) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(ValueError, match="each once"):
        report.write_readme(readme, "new")
    assert readme.read_text() == text


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(33.2e-9, "33.2 ns"), (999.6e-9, "1 µs"), (1.24e-3, "1.24 ms"), (2.5, "2.5 s")],
)
def test_durations_have_a_fitting_unit(seconds: float, expected: str) -> None:
    assert report.duration(seconds) == expected


@pytest.mark.parametrize("script", SCRIPTS)
def test_texts_have_their_size_and_are_text(script: str) -> None:
    for size in SIZES[:5]:
        sample = text(script, size)
        assert len(sample) == size
        assert sample.isascii() == (script == "ASCII")
        assert sample.decode()


def test_sizes_are_named_as_people_write_them() -> None:
    assert [size_name(size) for size in (125, 1024, 1 << 20)] == ["125 B", "1 KiB", "1 MiB"]


def test_an_unknown_suite_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SystemExit, match="unknown: masks; known are mask, utf8"):
        main(["masks"])


def test_the_command_writes_what_it_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme, found = tmp_path / "README.md", tmp_path / "bench.json"
    readme.write_text(report.BEGIN + report.END)
    main(["reader", "--quick", "--json", str(found), "--readme", str(readme)])
    assert "read 64 B messages" in capsys.readouterr().out
    assert json.loads(found.read_text())["results"][0]["suite"] == "reader"
    assert (
        "| `MessageReader`, 64 KiB of masked 64 B text messages | wsproto |" in readme.read_text()
    )
