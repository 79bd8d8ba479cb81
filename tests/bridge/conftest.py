"""A way to run what a bridge has to warn of."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def warned(run: Any, caplog: pytest.LogCaptureFixture) -> Callable[[Any], None]:
    """`run`, and the bridge has to warn, once at least; nobody else may."""

    def run_and_look(main: Any) -> None:
        run(main)
        warning = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert {record.name for record in warning} == {"wscore"}
        assert not [record for record in warning if record.exc_info]
        caplog.clear()

    return run_and_look
