"""Who may be timed: adapters are held to the truth, and absent ones are named."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest

import wscore
from bench import run as runner
from bench import suites, targets
from bench.cases import Case, Goal
from bench.contract import Call, Missing, Refused, compiled, same, verify
from bench.interleave import Pace
from bench.operations import APPLY_MASK, FINDS_BAD_UTF8, IS_UTF8
from bench.oracle import frame, messages, xor

KEY = bytes.fromhex("37fa213d")
BRISK = Pace(seconds=0.0001, rounds=3)


def adapter(**functions: Any) -> ModuleType:
    module = ModuleType("adapter")
    vars(module).update(functions)
    return module


def right_mask(data: bytes, mask: bytes) -> Call:
    return Call("xor(data, key)", xor=xor, data=data, key=mask)


def test_a_right_answer_is_timed() -> None:
    call = verify(adapter(apply_mask=right_mask), APPLY_MASK, (b"Hello", KEY))
    assert call.answer() == bytes.fromhex("7f9f4d5158")  # RFC 6455 5.7


def test_a_wrong_answer_is_refused() -> None:
    def unmasked(data: bytes, mask: bytes) -> Call:
        return Call("data", data=data)

    with pytest.raises(Refused, match=r"adapter\.apply_mask returns a wrong result"):
        verify(adapter(apply_mask=unmasked), APPLY_MASK, (b"Hello", KEY))


def test_an_answer_that_is_wrong_off_the_timed_sample_is_refused() -> None:
    def whole_words_only(data: bytes, mask: bytes) -> Call:
        return Call("found", found=xor(data, mask)[: len(data) & ~3])

    with pytest.raises(Refused, match="returns a wrong result"):
        verify(adapter(apply_mask=whole_words_only), APPLY_MASK, (bytes(64), KEY))


def test_a_validator_that_says_yes_to_all_is_refused() -> None:
    def gullible(data: bytes) -> Call:
        return Call("True", data=data)

    for operation in (IS_UTF8, FINDS_BAD_UTF8):
        with pytest.raises(Refused, match="returns a wrong result"):
            verify(adapter(is_utf8=gullible), operation, ("naïve".encode(),))


def test_an_error_and_a_missing_operation_are_refused_by_name() -> None:
    def broken(data: bytes, mask: bytes) -> Call:
        return Call("1 / 0")

    with pytest.raises(Refused, match="raises ZeroDivisionError"):
        verify(adapter(apply_mask=broken), APPLY_MASK, (b"Hello", KEY))
    with pytest.raises(Refused, match="does not exist"):
        verify(adapter(), APPLY_MASK, (b"Hello", KEY))


def test_pure_python_does_not_pass_for_an_extension() -> None:
    with pytest.raises(Refused, match="json is not compiled"):
        compiled(json)


def test_another_function_under_the_name_is_refused() -> None:
    with pytest.raises(Refused, match=r"library\.mask is"):
        same("library.mask", len, max)


def test_a_peer_that_is_not_installed_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(targets.DISTRIBUTIONS, "websockets", "no-such-distribution-of-websockets")
    with pytest.raises(Missing, match="no-such-distribution-of-websockets is not installed"):
        targets.load("websockets")


def test_a_peer_that_was_laid_out_anew_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = adapter(check=lambda: json.no_such_attribute)
    monkeypatch.setattr(targets, "import_module", lambda *_: changed)
    with pytest.raises(Refused, match="wscore: module 'json' has no attribute"):
        targets.load("wscore")


def test_an_acceleration_that_replaced_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    in_use = ["its own"]
    fake = adapter(check=lambda: None, hook=lambda: in_use[0])
    monkeypatch.setattr(targets, "import_module", lambda *_: fake)
    monkeypatch.setitem(vars(wscore), "accelerate", lambda library: f"{library}: not accelerated")
    with pytest.raises(Refused, match=r"left wsproto as it was: wsproto: not accelerated"):
        targets.load("wsproto+wscore")
    monkeypatch.setitem(vars(wscore), "accelerate", lambda library: in_use.__setitem__(0, "ours"))
    assert targets.load("wsproto+wscore") is fake


def test_a_child_gives_a_figure_or_the_reason_why_not() -> None:
    case = "wsproto mask 64 KiB"
    assert 0 < runner._in_child("acceleration", case, "wsproto", 0.0001) < 1
    with pytest.raises(Refused, match=r"tornado\.is_utf8 does not exist"):
        runner._in_child("acceleration", "websocket-client UTF-8 CJK", "tornado", 0.0001)


def load_but(absent: dict[str, Exception]) -> Any:
    def load(name: str) -> ModuleType:
        if name in absent:
            raise absent[name]
        return adapter(apply_mask=right_mask)

    return load


CASE = Case("mask", APPLY_MASK, (b"Hello", KEY), (Goal("mask", ("a", "b", "c"), 0.0001),))


def test_the_result_names_who_was_not_timed_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"a": Missing("a is not installed"), "b": Refused("b has no extension")}
    monkeypatch.setattr(runner, "_target", load_but(absent))
    result = runner.run("suite", CASE, BRISK)
    assert set(result.seconds) == {"wscore", "c"}
    assert result.missing == {"a": "a is not installed"}
    assert result.refused == {"b": "b has no extension"}
    (verdict,) = result.verdicts()
    assert (verdict.rival, verdict.state, verdict.absent) == ("c", "ok", ("a", "b"))


@pytest.mark.parametrize(
    ("absent", "state"),
    [
        ({name: Missing(name) for name in "abc"}, "missing"),
        ({"a": Missing("a"), "b": Refused("b"), "c": Missing("c")}, "refused"),
        ({"wscore": Refused("returns a wrong result")}, "refused"),
    ],
)
def test_without_a_pair_a_goal_is_not_judged(
    monkeypatch: pytest.MonkeyPatch, absent: dict[str, Exception], state: str
) -> None:
    monkeypatch.setattr(runner, "_target", load_but(absent))
    (verdict,) = runner.run("suite", CASE, BRISK).verdicts()
    assert (verdict.rival, verdict.reached, verdict.state) == (None, None, state)


def test_the_fastest_rival_is_the_one_that_counts() -> None:
    seconds = {"wscore": [1.0], "a": [4.0], "b": [3.0], "c": [5.0]}
    for ratio, state in ((3.0, "ok"), (3.004, "SHORT"), (None, "told")):
        case = Case("mask", APPLY_MASK, (), (Goal("mask", ("a", "b", "c"), ratio),))
        (verdict,) = runner.Result("suite", case, seconds=seconds).verdicts()
        assert (verdict.rival, verdict.state) == ("b", state)


@pytest.mark.parametrize("contender", ["wscore", "twin", "cpython"])
def test_our_own_adapters_answer_rightly(contender: str) -> None:
    target = targets.load(contender)
    operations = [
        case.operation.name
        for suite in ("mask", "utf8", "text", "reader", "frames", "twin")
        for case in _small_cases(suite)
        if contender in case.contenders and verify(target, case.operation, case.args)
    ]
    assert operations


def _small_cases(suite: str) -> list[Case]:
    """The large samples take long and are the same code."""
    return [case for case in suites.cases(suite) if "MiB" not in case.name]


@pytest.mark.parametrize("size", [0, 5, 125, 126, 65535, 65536])
@pytest.mark.parametrize("mask", [None, KEY])
def test_the_oracle_reads_what_it_wrote(size: int, mask: bytes | None) -> None:
    payload = bytes(index % 251 for index in range(size))
    assert messages(frame(payload, mask) * 2) == [payload, payload]


def test_the_oracle_knows_the_frames_of_the_rfc() -> None:
    assert frame(b"Hello") == bytes.fromhex("810548656c6c6f")  # RFC 6455 5.7
    assert frame(b"Hello", KEY) == bytes.fromhex("818537fa213d7f9f4d5158")
