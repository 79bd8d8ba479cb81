"""Running the suite against one server, and judging it by the standards and by harm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from .cases import THEMES
from .floods import FLOODS, MIB, Breach, Flood
from .live import attack
from .target import Bystander, Target, launched
from .verdict import breach
from .vocabulary import CUTS, Case, Role

__all__ = ["HARMFUL", "SERVERS", "Result", "compare", "compared"]

SERVERS = ("wscore", "websockets", "aiohttp", "picows", "tornado", "ws")
# Three quarters of what a bomb inflates to; 16 messages of 1 MiB may wait twice.
HARMFUL = 48 * MIB


@dataclass
class Failure:
    """A case that a server fails, and what it did."""

    theme: str
    case: str
    rule: str
    what: str


@dataclass
class Result:
    """What came of all cases against one server; ``growth`` in bytes, by flood."""

    name: str
    facts: dict[str, str]
    cases: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    growth: dict[str, int | None] = field(default_factory=dict)

    def held(self, theme: str) -> int:
        """How many cases of *theme* the server holds."""
        return self.cases[theme] - sum(failure.theme == theme for failure in self.failures)


def compared() -> Iterator[tuple[str, list[Case]]]:
    """The cases that any server can be asked.

    Origins have to be configured, and the corpus repeats what the other tables have.
    """
    for theme, cases in THEMES.items():
        chosen = [case for case in cases if case.role is Role.SERVER and not case.guarded]
        if chosen and theme != "corpus":
            yield theme, chosen


def compare(name: str, target: Target | None = None, *options: str) -> Result:
    """Attack the server called *name*: at *target*, or one that is started here, with *options*."""
    with ExitStack() as stack:
        session = _Session(name, target, stack, options)
        result = Result(name, session.target.facts)
        for theme, cases in compared():
            result.cases[theme] = len(cases)
            for case in cases:
                what = session.judge_case(case)
                if what is not None:
                    result.failures.append(Failure(theme, case.name, case.rule, what))
        result.cases["floods"] = len(FLOODS)
        for flood in FLOODS:
            session.start()  # or memory that was freed before would hide what is taken now
            what = session.judge_flood(flood, result)
            if what is not None:
                result.failures.append(Failure("floods", flood.name, flood.rule, what))
    return result


class _Session:
    """A server and its bystander; a server of ours that was brought down is started again."""

    def __init__(
        self, name: str, target: Target | None, stack: ExitStack, options: tuple[str, ...]
    ) -> None:
        self._name, self._given, self._stack, self._options = name, target, stack, options
        self.start()

    def start(self) -> None:
        self._stack.close()
        self.target = self._given or self._stack.enter_context(launched(self._name, *self._options))
        self._bystander = self._stack.enter_context(Bystander(self.target))

    def judge_case(self, case: Case) -> str | None:
        """What is wrong, in whichever way the bytes are cut; None for nothing."""
        for cut in CUTS.values():
            with self.target.memory() as memory:
                try:
                    seen = attack(self.target, case, cut, strict=False)
                except OSError:
                    self.start()
                    return "accepts no connection any more"
            what = self._harm(memory.growth) or (None if case.ours else breach(case, seen))
            if what is not None:
                return what
        return None

    def judge_flood(self, flood: Flood, result: Result) -> str | None:
        """The same for a behaviour, whose memory is noted in *result*."""
        what: str | None = None
        with self.target.memory() as memory:
            try:
                flood.run(self.target)
            except (Breach, OSError) as error:
                what = None if flood.ours else str(error)
        result.growth[flood.name] = memory.growth
        return self._harm(memory.growth) or what

    def _harm(self, growth: int | None) -> str | None:
        if not self._bystander.is_served():
            self.start()
            return "does not serve others any more"
        if growth is not None and growth > HARMFUL:
            return f"grew by {growth // MIB} MiB"
        return None
