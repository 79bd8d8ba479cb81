"""Hypothesis' choice of what happens to a hub."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from support.hub_actions import Action, Does, actions
from support.hub_model import ROOMS
from support.hub_world import COMPRESSIONS, OWN_LIMITS, PLANS, World

if TYPE_CHECKING:
    from support.hub_world import NewLoop

__all__ = ["machine", "run_machine"]

MOST_MEMBERS = 6

_compression = st.sampled_from(sorted(COMPRESSIONS))
_roles = st.sampled_from(["server", "server", "client"])
_nothing = st.just([])
_plans = st.fixed_dictionaries({when: _nothing | actions(depth=0) for when in PLANS})


def run_machine(new_loop: NewLoop, *, memory: bool, examples: int, simplify: bool = False) -> None:
    """Try so many *examples* of what may happen. Raises AssertionError.

    To *simplify* one that fails takes minutes.
    """
    run_state_machine_as_test(
        machine(new_loop, memory=memory),
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            phases=[Phase.generate, *[Phase.shrink] * simplify],
        ),
    )


def machine(new_loop: NewLoop, *, memory: bool) -> type[RuleBasedStateMachine]:
    """A state machine with a new loop for each run, in *memory* or over sockets."""

    class OfTheHub(HubMachine):
        def new_world(self, encode: bool) -> World:
            return World(new_loop, memory=memory, encode=encode)

    return OfTheHub


class HubMachine(RuleBasedStateMachine):
    """Each step is something that happens in one turn of the loop, or turns that pass."""

    world: World
    does: Does

    def new_world(self, encode: bool) -> World:
        raise NotImplementedError

    @initialize(encode=st.booleans())
    def begin(self, encode: bool) -> None:
        self.world = self.new_world(encode)
        self.does = Does(self.world)

    @precondition(lambda self: len(self.world.members) < MOST_MEMBERS)
    @rule(
        role=_roles,
        compressions=st.tuples(_compression, _compression),
        own=st.integers(0, len(OWN_LIMITS) - 1),
        plans=_plans,
        rooms=actions("join", depth=0),
    )
    def connect(self, role: str, compressions: Any, own: int, plans: Any, rooms: Any) -> None:
        self.world.connect(role, compressions, own, plans)
        number = len(self.world.members) - 1
        self.world.do([action._replace(who=number) for action in rooms])

    @rule(some=actions())
    def act(self, some: list[Action]) -> None:
        self.world.do(some)

    @rule(some=actions("publish", "publish", "publish", "write", "send"))
    def talk(self, some: list[Action]) -> None:
        self.world.do(some)

    @precondition(lambda self: self.world.members)
    @rule(
        who=st.integers(0, MOST_MEMBERS),
        rooms=st.lists(st.sampled_from(ROOMS), min_size=1, max_size=3),
        kinds=st.lists(st.sampled_from(["publish", "publish", "write"]), min_size=1, max_size=4),
        size=st.sampled_from([100, 2000, 20_000, 50_000]),
        times=st.integers(1, 12),
        at_once=st.booleans(),
    )
    def flood(
        self, who: int, rooms: list[str], kinds: list[str], size: int, times: int, at_once: bool
    ) -> None:
        """Much for one who does not read, and for all others in the rooms."""
        member = self.world.members[who % len(self.world.members)]
        self.world.hold(member, True)
        self.world.do([Action("join", who, room) for room in rooms])
        some = [
            Action(kind, who, rooms[number % len(rooms)], size, is_text=number % 2 == 0)
            for number, kind in enumerate(kinds * times)
        ]
        for part in [some] if at_once else [[one] for one in some]:
            self.world.do(part)

    @rule(turns=st.integers(1, 4))
    def let_turns_pass(self, turns: int) -> None:
        self.world.run(turns)

    @precondition(lambda self: self.world.members)
    @rule(who=st.integers(0, MOST_MEMBERS), held=st.booleans())
    def hold(self, who: int, held: bool) -> None:
        self.world.hold(self.world.members[who % len(self.world.members)], held)

    @rule()
    def settle(self) -> None:
        self.world.settle()

    def teardown(self) -> None:
        world = getattr(self, "world", None)
        if world is None:
            return
        if sys.exc_info()[0] is not None:
            world.abandon()
            return
        self.does.finish_fragments()
        del self.does
        world.finish()
