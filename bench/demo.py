"""``python -m bench.demo``: show the kernel in use and compare it with other libraries."""

from __future__ import annotations

import sys

from wscore.cli.main import note_on_backend

from . import machine, report
from .cases import Case, Goal
from .interleave import Pace
from .operations import APPLY_MASK, DECODE_UTF8, IS_UTF8, READ_MESSAGES
from .run import Result, run
from .suites import reader
from .suites.mask import KEY, MASKERS
from .suites.utf8 import VALIDATORS
from .texts import KIB, SCRIPTS, binary, text

PACE = Pace(seconds=0.01, rounds=5)


def main() -> int:
    """Return 1 if a contender's result is wrong, else 0."""
    print(_engine(), end="\n\n", flush=True)
    results = [run("demo", case, PACE) for case in _cases()]
    print(report.table(results), end="\n\n")
    print(_agreement(results))
    return int(any(result.refused for result in results))


def _engine() -> str:
    found = machine.engine()
    lines = {
        "wscore": found["version"],
        "backend": found["backend"],
        "kernel": found["kernel"],
        "CPU": " ".join(found["cpu_features"]) or "no features used",
        **note_on_backend(),
    }
    return "\n".join(f"{name:8} {value}" for name, value in lines.items())


def _cases() -> list[Case]:
    """Return the cases; each rival gets a separate line."""
    size = 64 * KIB
    (read,) = reader.cases()
    return [
        Case("mask 64 KiB", APPLY_MASK, (binary(size), KEY), _each(MASKERS)),
        *(
            Case(
                f"validate {script}",
                IS_UTF8,
                (text(script, size),),
                _each((*VALIDATORS, "cpython")),
            )
            for script in SCRIPTS
        ),
        Case("decode CJK", DECODE_UTF8, (text("CJK", size),), _each(("cpython",))),
        Case(
            "read 64 B messages",
            READ_MESSAGES,
            read.args,
            _each(("websockets", "aiohttp", "wsproto")),
            messages=read.messages,
        ),
    ]


def _each(rivals: tuple[str, ...]) -> tuple[Goal, ...]:
    return tuple(Goal(rival, (rival,)) for rival in rivals)


def _agreement(results: list[Result]) -> str:
    answers = sum(len(result.seconds) for result in results)
    refused = sum(len(result.refused) for result in results)
    checked = f"{answers + refused} contenders checked against slow, obvious code before timing"
    return f"{checked}: {'all correct' if not refused else f'{refused} REFUSED'}."


if __name__ == "__main__":
    sys.exit(main())
