"""Takes one sample of one contender in a separate process and prints the seconds per call.

``python -m bench.child SUITE CASE CONTENDER SECONDS``
"""

from __future__ import annotations

import sys

from . import suites, targets
from .contract import verify
from .interleave import sampler

SAMPLES = 3


def main(suite: str, case_name: str, contender: str, seconds: str) -> float:
    """Return the seconds per call.

    Raises Missing or Refused. The parent reads which from the last line of the traceback.
    """
    case = next(case for case in suites.cases(suite) if case.name == case_name)
    call = verify(targets.load(contender), case.operation, case.args)
    sample = sampler(call, float(seconds))
    return sorted(sample() for _ in range(SAMPLES))[SAMPLES // 2]


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
