"""Each target over its seeds and some hundred mutations of them: the same ones every time."""

from __future__ import annotations

import random
import sys
from itertools import islice

import pytest

from .targets import NAMES, load
from .worker import inputs

MUTATIONS = 300


def target(name: str):
    """The target; those against peers need releases that need Python 3.11."""
    if name.startswith("peer_") and sys.version_info < (3, 11):
        pytest.skip("the newest peers need Python 3.11")
    return load(name)


@pytest.mark.parametrize("name", NAMES)
def test_seeds_and_mutations(name: str) -> None:
    module = target(name)
    seeds = module.seeds()
    assert seeds
    generator = random.Random(name)
    tokens = getattr(module, "TOKENS", ())
    for data in islice(inputs(seeds, tokens, generator), len(seeds) + MUTATIONS):
        try:
            module.test_one_input(data)
        except Exception as finding:
            raise AssertionError(f"{name} found something with {data.hex()}") from finding


def test_mutations_are_deterministic_and_change_something() -> None:
    def some() -> list[bytes]:
        return list(islice(inputs([b"seed", b"other"], [b"token"], random.Random(3)), 200))

    assert some() == some()
    assert some()[:2] == [b"seed", b"other"]
    assert len(set(some())) > 150


def test_each_difference_from_a_peer_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = target("peer_frames")
    for difference in frames.DIFFERENCES:
        example = bytes.fromhex(difference.example)
        frames.test_one_input(example)
        others = [other for other in frames.DIFFERENCES if other is not difference]
        with monkeypatch.context() as patch:
            patch.setattr(frames, "DIFFERENCES", others)
            with pytest.raises(AssertionError, match="of what we call"):
                frames.test_one_input(example)


def test_each_stricter_refusal_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = target("peer_requests")
    for refusal in requests.STRICTER:
        requests.test_one_input(refusal.example)
        others = [other for other in requests.STRICTER if other is not refusal]
        with monkeypatch.context() as patch:
            patch.setattr(requests, "STRICTER", others)
            with pytest.raises(AssertionError, match="we refuse it"):
                requests.test_one_input(refusal.example)
