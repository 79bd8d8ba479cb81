"""Log records on stderr."""

from __future__ import annotations

import pytest
from support.isolated import start

RECORD = """
import logging
from wscore.cli.logs import log_to_stderr
log_to_stderr({arguments})
logging.getLogger("wscore").warning("so it is")
logging.getLogger("wscore").info("by the way")
"""


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        ("'warning'", "WARNING - - so it is\n"),
        ("'warning', 'worker 2 (7)'", "WARNING worker 2 (7): - - so it is\n"),
        ("'warning', 'supervisor', connections=False", "WARNING supervisor: so it is\n"),
    ],
)
def test_lines(arguments: str, end: str) -> None:
    done = start(RECORD.format(arguments=arguments))
    assert done.stderr.endswith(end)
    assert done.stderr.count("\n") == 1


def test_levels() -> None:
    assert start(RECORD.format(arguments="'info'")).stderr.count("\n") == 2
    assert start(RECORD.format(arguments="'error'")).stderr == ""
