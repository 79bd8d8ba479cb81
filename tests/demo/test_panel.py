"""The figures beside the chat."""

from __future__ import annotations

import json
import platform
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from support.chatting import Page, chat_server

import wscore
from wscore.demo.chat import ROOMS, Chat
from wscore.demo.panel import PANEL, WINDOW, Panel, engine

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Run = Callable[[Coroutine[Any, Any, Any]], Any]


class FakeHub:
    """Keeps what is published."""

    def __init__(self, looking: bool) -> None:
        self.published: list[dict[str, Any]] = []
        self.deliveries = 0
        self._looking = looking

    @property
    def stats(self) -> SimpleNamespace:
        return SimpleNamespace(deliveries=self.deliveries)

    def members(self, room: str) -> range:
        assert room == PANEL
        return range(self._looking)

    def publish(self, room: str, message: str) -> None:
        assert room == PANEL
        self.published.append(json.loads(message))


def test_figures_are_of_the_last_seconds() -> None:
    hub: Any = FakeHub(looking=True)
    panel = Panel(hub, lambda: {"connections": 3})
    panel.publish(100.0)
    assert hub.published == [
        {"type": "figures", "node": "", "messages": 0.0, "deliveries": 0, "connections": 3}
    ]
    for _ in range(5):
        panel.count()
    hub.deliveries = 5000
    panel.publish(102.0)
    assert (hub.published[-1]["messages"], hub.published[-1]["deliveries"]) == (2.5, 2500)
    for n in range(WINDOW + 1):
        panel.publish(103.0 + n)
    assert (hub.published[-1]["messages"], hub.published[-1]["deliveries"]) == (0.0, 0)


def test_nothing_is_published_for_nobody() -> None:
    hub: Any = FakeHub(looking=False)
    Panel(hub, dict).publish(100.0)
    assert not hub.published


def test_a_node_of_many_tells_its_own_to_those_of_others() -> None:
    hub: Any = FakeHub(looking=False)
    Panel(hub, dict, "node 2").publish(100.0)
    assert hub.published[0]["node"] == "node 2"


def test_the_engine() -> None:
    facts = engine()
    assert (facts["kernel"], facts["backend"]) == (wscore.KERNEL, wscore.BACKEND)
    assert facts["version"] == wscore.__version__
    assert platform.python_version() in facts["python"]


def test_pages_get_figures(run: Run) -> None:
    async def main() -> None:
        chat = Chat()
        async with chat_server(chat) as uri:
            ada = await Page.enter(uri, "Ada", "Zoo")
            assert ada.welcome["engine"] == engine()
            chat.panel.publish(0.0)
            figures = await ada.figures("rooms")
            assert figures["connections"] == 1
            assert figures["rooms"] == {**dict.fromkeys(sorted(ROOMS), 0), "zoo": 1}
            assert figures["crowd"]["room"] is None
            await ada.close()

    run(main())
