"""Fuzz wscore: ``python -m tests.fuzz [TARGET ...] --seconds N``, from the repository's folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import campaign
from .targets import NAMES

ROOT = Path(__file__).resolve().parents[2]


def arguments() -> argparse.Namespace:
    names = ", ".join(NAMES)
    parser = argparse.ArgumentParser(description=__doc__, epilog=f"targets: {names}")
    add = parser.add_argument
    add("targets", nargs="*", metavar="TARGET", help="names, or files like those in targets/")
    add("--seconds", type=float, default=60, help="for each target")
    add("--engine", choices=campaign.ENGINES, help="atheris where it is installed")
    add("--seed", type=int, default=1)
    add("--timeout", type=float, default=10, help="seconds that one input may take")
    add("--directory", type=Path, default=ROOT / "build" / "fuzz", help="for what is found")
    add("--build", type=Path, help="an instrumented build: see scripts/fuzz.sh")
    add("--reproduce", type=Path, metavar="FILE", help="run the target once, with this input")
    options = parser.parse_args()
    for target in options.targets:
        if target not in NAMES and not Path(target).is_file():
            parser.error(f"no target {target!r}: choose from {names}")
    if options.reproduce and len(options.targets) != 1:
        parser.error("--reproduce needs one TARGET")
    options.targets = options.targets or list(NAMES)
    return options


def main() -> int:
    options = arguments()
    if options.reproduce:
        return campaign.reproduce(options.targets[0], options.reproduce, options.build)
    engine = options.engine or campaign.default_engine()
    guided = "guided by coverage" if engine == "atheris" else "mutations at random, not guided"
    print(f"engine: {engine} ({guided}), seed {options.seed}", flush=True)
    failed = 0
    for target in options.targets:
        try:
            result = campaign.run(
                target,
                options.seconds,
                options.directory / Path(target).stem,
                engine=engine,
                seed=options.seed,
                timeout=options.timeout,
                build=options.build,
            )
        except campaign.CampaignFailed as failure:
            print(f"{target}: did not run: {failure}", flush=True)
            failed = 1
            continue
        print(result, flush=True)
        if result.finding is not None:
            print("".join(result.log.read_text(errors="replace").splitlines(True)[-40:]))
            build = f" --build {options.build}" if options.build else ""
            print(f"again: python -m tests.fuzz {target}{build} --reproduce {result.finding}")
            failed = 1
    return failed


sys.exit(main())
