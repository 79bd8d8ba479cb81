"""What `serve` and `connect` accept, and what they make of it."""

from __future__ import annotations

from typing import Any

import pytest
from support.numbered import Numbered

import wscore
from wscore.aio.options import enabled_extensions, queue_limit, unsent_limit, write_buffer_limit


def test_compression_comes_after_the_extensions_of_the_application() -> None:
    first, second = Numbered(), Numbered()
    assert enabled_extensions(None, []) == ()
    assert enabled_extensions(None, [first]) == (first,)
    assert enabled_extensions(second, [first]) == (first, second)
    own, deflate = enabled_extensions("deflate", [first])
    assert (own, deflate.name) == (first, "permessage-deflate")


@pytest.mark.parametrize("compression", ["zip", True, 1, b"deflate"])
def test_other_compressions_are_refused(compression: Any) -> None:
    with pytest.raises(ValueError, match="'deflate', an extension or None"):
        enabled_extensions(compression, [])


@pytest.mark.parametrize(
    ("max_queue", "max_size", "limit"),
    [(16, 1000, (16, 4000)), (None, 1000, (None, 4000)), (16, None, (16, None))],
)
def test_the_queue_is_limited_in_messages_and_bytes(
    max_queue: Any, max_size: Any, limit: Any
) -> None:
    assert queue_limit(max_queue, max_size) == limit


def test_what_is_unsent_is_limited_by_a_known_policy() -> None:
    assert unsent_limit(None, "wait") == (None, "wait")
    assert unsent_limit(5, "drop_oldest") == (5, "drop_oldest")
    with pytest.raises(ValueError, match="overflow is one of"):
        unsent_limit(5, "drop")  # type: ignore[arg-type]


def test_the_write_limit_is_a_number_of_bytes() -> None:
    assert write_buffer_limit(0) == 0
    with pytest.raises(ValueError, match="write_limit"):
        write_buffer_limit(-1)


async def _nobody(_: wscore.Connection) -> None:
    raise AssertionError


@pytest.mark.parametrize("option", ["max_size", "max_fragments", "write_limit"])
def test_limits_below_zero_are_refused_at_once(option: str) -> None:
    with pytest.raises(ValueError, match=r"-1|negative|at least"):
        wscore.serve(_nobody, "127.0.0.1", 0, **{option: -1})
