"""The chat in Chromium: its server, which can be restarted, and its pages."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from support.processes import free_port, running, wait_until_listening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

__all__ = ["NARROW", "WIDE", "ChatPage", "ChatServer", "chat", "chat_servers", "open_page"]

WAITING = 30.0  # seconds for what a page is to show
WIDE, NARROW = (1280, 800), (390, 844)


class ChatServer:
    """``wscore serve`` on one port; every start has a new history."""

    def __init__(self, backend: str) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}/"
        self._port = port
        self._environment = {**os.environ, "WSCORE_BACKEND": backend}
        self._process = ExitStack()

    def start(self) -> None:
        command = [sys.executable, "-m", "wscore", "serve", "--port", str(self._port)]
        process = subprocess.Popen(command, env=self._environment, stdout=subprocess.DEVNULL)
        self._process.enter_context(running(process))
        wait_until_listening(process, self._port)

    def stop(self) -> None:
        """Kill it, as a crash does.

        A signal would have it answer 503 on a connection that Chromium has opened ahead of need,
        which Chromium takes for the answer to its next request, from the next server.
        """
        self._process.close()


@pytest.fixture(scope="session")
def chat_servers(backend: ModuleType) -> Iterator[ChatServer]:
    name = "python" if backend.__name__.endswith(".pure") else "compiled"
    server = ChatServer(name)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def chat(chat_servers: ChatServer) -> Iterator[ChatServer]:
    """A chat with an empty history, on each backend."""
    yield chat_servers
    chat_servers.stop()
    chat_servers.start()


class ChatPage:
    """A window with the chat."""

    def __init__(self, driver: Any, url: str, name: str) -> None:
        driver.switch_to.new_window("window")
        self._driver = driver
        self._window = driver.current_window_handle
        driver.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
        self.resize(*WIDE)
        driver.get(url)
        self.wait(lambda: self.text_of("state") == "Connected", "the connection")
        self.rename(name)
        self.wait(lambda: f"{name}\nyou" in self.text_of("people"), "its name")

    @property
    def driver(self) -> Any:
        """The driver, in this window."""
        self._driver.switch_to.window(self._window)
        return self._driver

    def element(self, name: str) -> Any:
        return self.driver.find_element("id", name)

    def text_of(self, name: str) -> str:
        return self.element(name).text

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        waiting = WebDriverWait(
            self.driver, WAITING, 0.05, ignored_exceptions=(StaleElementReferenceException,)
        )
        return waiting.until(lambda _: condition(), f"waited for {what}")

    def press(self, *keys: str, holding: str = "") -> None:
        """Press *keys* on whatever has the focus, *holding* another one."""
        from selenium.webdriver.common.action_chains import ActionChains

        chain = ActionChains(self.driver)
        chain = chain.key_down(holding) if holding else chain
        chain = chain.send_keys(*keys)
        (chain.key_up(holding) if holding else chain).perform()

    def click(self, name: str) -> None:
        self.run("document.getElementById(arguments[0]).click()", name)

    def rename(self, name: str) -> None:
        field = self.element("name")
        self.run(
            "const [field, name] = arguments;"
            "field.value = name; field.oninput(); field.form.requestSubmit()",
            field, name,
        )  # fmt: skip

    def say(self, text: str) -> None:
        self.element("text").send_keys(text + "\n")

    def log(self) -> list[str]:
        """What stands in the log, one entry for each message (its words) or mark."""
        return self.run(
            "return [...document.querySelectorAll('#log > li')].map("
            "item => (item.querySelector('.words') ?? item).textContent)"
        )

    def wait_for(self, text: str) -> None:
        """Wait until an entry of the log begins with *text*."""
        self.wait(
            lambda: any(entry.startswith(text) for entry in self.log()), f"{text!r} in the log"
        )

    def focused(self) -> str:
        """The id of what has the focus, or its text."""
        return self.run("const on = document.activeElement; return on.id || on.textContent")

    def resize(self, width: int, height: int) -> None:
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )

    def prefer(self, **features: str) -> None:
        """Set media features: ``prefers_color_scheme="dark"``."""
        wanted = [
            {"name": name.replace("_", "-"), "value": value} for name, value in features.items()
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wanted})

    def close(self) -> None:
        self.driver.close()


@pytest.fixture
def open_page(browser: Any, chat: ChatServer) -> Iterator[Callable[[str], ChatPage]]:
    """Opens a window with the chat, under a name."""
    first = browser.current_window_handle
    pages: list[ChatPage] = []

    def opened(name: str) -> ChatPage:
        pages.append(ChatPage(browser, chat.url, name))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()
    browser.switch_to.window(first)
