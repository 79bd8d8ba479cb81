"""The pages of the tutorials in Chromium: what their readers are told to do, and to see."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.examples import ROOT
from support.processes import eventually
from support.programs import program
from support.walkthrough import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Chromium and several servers have to start.
pytestmark = pytest.mark.timeout(240)

WAITING = 60.0  # seconds for what a page is to show


class Window:
    """One with the page of a tutorial: a list of lines, and a form."""

    def __init__(self, driver: Any, url: str) -> None:
        driver.switch_to.new_window("window")
        self._driver, self._handle = driver, driver.current_window_handle
        driver.get(url)

    @property
    def driver(self) -> Any:
        """The driver, in this window."""
        self._driver.switch_to.window(self._handle)
        return self._driver

    def lines(self) -> list[str]:
        return list(
            self.driver.execute_script(
                "return [...document.querySelectorAll('#log li')].map(line => line.textContent)"
            )
        )

    def says(self, *last: str) -> None:
        """Wait until these are the last lines."""

        def look() -> bool:
            seen.extend(set(lines := self.lines()) - set(seen))
            return lines[-len(last) :] == [*last]

        seen: list[str] = []
        assert eventually(look, WAITING), seen

    def type(self, text: str) -> None:
        self.driver.find_element("id", "text").send_keys(text + "\n")

    def paste(self, text: str) -> None:
        """Put *text* into the field and send it, without typing each key of it."""
        self.driver.execute_script(
            "document.getElementById('text').value = arguments[0];"
            "document.forms[0].requestSubmit()",
            text,
        )

    def press(self, button: str) -> None:
        self.driver.find_element("id", button).click()

    def close(self) -> None:
        self.driver.close()


class Desk:
    """Where somebody follows a tutorial, with windows beside the terminals."""

    def __init__(self, browser: Any, reader: Reader) -> None:
        self.reader = reader
        self._browser = browser

    @contextmanager
    def windows(self, *queries: str) -> Iterator[list[Window]]:
        first = self._browser.current_window_handle
        where = f"http://127.0.0.1:{self.reader.port()}/"
        opened: list[Window] = []
        try:
            for query in queries:
                opened.append(Window(self._browser, where + query))
                # In the order that the tutorial tells.
                eventually(opened[-1].lines, WAITING)
            yield opened
        finally:
            for window in opened:
                window.close()
            self._browser.switch_to.window(first)


@pytest.fixture
def desk(request: pytest.FixtureRequest, browser: Any, tmp_path: Path) -> Iterator[Desk]:
    with Reader(ROOT / "docs" / "tutorials" / f"{request.param}.md", tmp_path) as reader:
        yield Desk(browser, reader)


@pytest.mark.parametrize("desk", ["chat"], indirect=True)
def test_chat(desk: Desk) -> None:
    desk.reader.read_until("Open the page in two windows")
    with desk.windows("", "") as windows:
        for window in windows:
            window.says("connected")
        windows[0].type("<b>hello</b>")
        for window in windows:
            window.says("connected", "<b>hello</b>")
        desk.reader.read_until("## Step 2")
        for window in windows:
            window.says("hello from a terminal", "closed with 1001")
    desk.reader.read_until("Open that address, and in a second window")
    with desk.windows("?room=tea&name=Ada", "?room=tea&name=Bob") as (ada, bob):
        ada.says("here: Ada", "Bob has joined")
        bob.says("here: Ada, Bob")
        with desk.windows("?room=coffee&name=Eve") as [eve]:
            bob.type("hello")
            for window in (ada, bob):
                window.says("Bob: hello")
            assert eve.lines() == ["here: Eve"]
    desk.reader.read_until("Open the windows of Ada and Bob again")
    with desk.windows("?room=tea&name=Ada", "?room=tea&name=Bob") as (ada, bob):
        ada.press("cut")
        bob.says("Ada has left")
        bob.type("are you there?")
        ada.says("closed with 1005", "Bob: are you there?", "here: Bob, Ada")
        desk.reader.read_until("## Step 4")
        for window in (ada, bob):
            eventually(lambda window=window: "messages are missing here" in window.lines(), WAITING)
        desk.reader.read_until("Paste more than 2,000 characters")
        eventually(lambda: ada.lines()[-1].startswith(("here: ", "Bob has joined")), WAITING)
        ada.paste("x" * 2001)
        eventually(lambda: "closed with 1009" in ada.lines(), WAITING)


@pytest.mark.parametrize("desk", ["fastapi"], indirect=True)
def test_fastapi(desk: Desk) -> None:
    program("curl")
    desk.reader.read_until("Open `http://127.0.0.1:8765/?name=Ada`")
    with desk.windows("?name=Ada") as [ada]:
        ada.says("Ada has joined")
        with desk.windows("?name=Bob") as [bob]:
            ada.says("Ada has joined", "Bob has joined")
            bob.type("hello")
            for window in (ada, bob):
                window.says("Bob: hello")
        ada.says("Bob has left")
    desk.reader.read_until("Open `http://127.0.0.1:8765/?token=a1`")
    with desk.windows("?token=a1") as [ada]:
        ada.type("hello")
        ada.says("Ada has joined", "Ada: hello")
        desk.reader.read_until("The page shows `Bob: hello`")
        ada.says("Bob: hello")
        with desk.windows("?token=guess") as [stranger]:
            stranger.says("closed with 1006")
