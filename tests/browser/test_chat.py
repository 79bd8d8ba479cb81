"""The chat in Chromium: two pages, connections that are cut, restarts, keys, colours, widths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.chat_pages import NARROW, WIDE

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.chat_pages import ChatPage, ChatServer

    Open = Callable[[str], ChatPage]

# Chromium has to start first.
pytestmark = pytest.mark.timeout(180)

# Every text that is seen, with the contrast to what is behind it (WCAG 2.2, 1.4.3).
CONTRASTS = """
const paint = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const rgba = colour => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data].map(value => value / 255);
};
const over = (top, below) => top.slice(0, 3).map((c, i) => c * top[3] + below[i] * (1 - top[3]));
const behind = element => {
    if (!element) return [1, 1, 1];
    const own = rgba(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own.slice(0, 3) : over(own, behind(element.parentElement));
};
const light = colour => {
    const [r, g, b] = colour.map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const found = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node; (node = walk.nextNode());) {
    const element = node.parentElement, style = getComputedStyle(element);
    if (!node.data.trim() || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    if (!element.checkVisibility({visibilityProperty: true})) continue;
    const back = behind(element), colour = rgba(style.color);
    let opacity = 1;
    for (let at = element; at; at = at.parentElement) opacity *= getComputedStyle(at).opacity;
    const front = over([...colour.slice(0, 3), colour[3] * opacity], back);
    const [low, high] = [light(front), light(back)].sort((a, b) => a - b);
    found.push([node.data.trim().slice(0, 40), (high + 0.05) / (low + 0.05)]);
}
for (const field of document.querySelectorAll("input, textarea")) {
    const front = rgba(getComputedStyle(field, "::placeholder").color), back = behind(field);
    const [low, high] = [light(front), light(back)].sort((a, b) => a - b);
    found.push([`placeholder of ${field.id}`, (high + 0.05) / (low + 0.05)]);
}
return found;
"""

# What can be reached by keys, and has no name that is read out.
NAMELESS = """
const name = element => element.getAttribute("aria-label") || element.textContent.trim()
    || [...element.labels ?? []].map(label => label.textContent).join("");
return [...document.querySelectorAll("a, button, input, textarea, [tabindex]")]
    .filter(element => !name(element)).map(element => element.outerHTML);
"""


def test_two_pages_chat(open_page: Open) -> None:
    ada, grace = open_page("Ada"), open_page("Grace")
    grace.say("Grüße 👋")
    for page in (ada, grace):
        page.wait_for("Grüße 👋")
        assert "Ada" in page.text_of("people")
        assert "Grace" in page.text_of("people")
        assert page.text_of("roomFacts") == "2 members"
    ada.say("one\ntwo")  # Enter sends
    grace.wait_for("two")
    assert ada.log() == grace.log() == ["Grüße 👋", "one", "two"]
    assert grace.run("return announcer.textContent").endswith("Ada: oneAda: two")
    ada.element("text").send_keys("x")
    grace.wait(lambda: grace.text_of("typing") == "Ada is typing…", "that Ada is typing")


def test_text_of_others_is_text(open_page: Open) -> None:
    ada, grace = open_page("Ada"), open_page("<b>Grace</b>")
    nasty = "<img src=x onerror='document.title = 1'><script>document.title = 2</script>"
    grace.say(nasty)
    ada.wait_for(nasty)
    assert ada.driver.title == "wscore chat"
    assert not ada.run("return document.querySelectorAll('main img, main b b, aside b b').length")
    assert "<b>Grace</b>" in ada.text_of("people")


def test_rooms(open_page: Open) -> None:
    ada, grace = open_page("Ada"), open_page("Grace")
    ada.say("in the lobby")
    grace.wait_for("in the lobby")
    grace.element("newRoom").send_keys("#Reading Group\n")
    grace.wait(lambda: grace.text_of("roomName") == "# reading-group", "the other room")
    grace.say("here I am")
    grace.wait_for("here I am")
    ada.wait(lambda: "reading-group" in ada.text_of("rooms"), "the room in the list")
    ada.say("while you were elsewhere")
    ada.wait_for("while")
    # Back again: the log is as it was left, and goes on.
    grace.run("document.querySelector('[data-room=lobby]').click()")
    grace.wait_for("while you were elsewhere")
    assert grace.log() == [
        "in the lobby", "1 message while you were away", "while you were elsewhere"
    ]  # fmt: skip
    for name in ("reading-group", "lobby"):
        grace.run("document.querySelector(`[data-room=${arguments[0]}]`).click()", name)
        grace.wait(lambda name=name: grace.text_of("roomName") == f"# {name}", "the room")
        grace.wait(lambda: grace.text_of("roomFacts"), "that it has joined")
    assert len(grace.log()) == 3
    assert "here I am" not in ada.log()


def test_who_was_cut_off_gets_what_was_missed(open_page: Open) -> None:
    ada, grace = open_page("Ada"), open_page("Grace")
    ada.say("before")
    grace.wait_for("before")
    grace.click("cut")
    grace.wait(lambda: grace.text_of("state") == "Cut off", "the cut")
    ada.wait(lambda: "Grace" not in ada.text_of("people"), "that Grace is gone")
    for text in ("first", "second"):
        ada.say(text)
        ada.wait_for(text)
    grace.say("written while away")
    assert grace.log() == ["before", "connection lost", "written while away"]
    grace.click("retry")
    for page in (ada, grace):
        page.wait_for("written while away")
        page.wait(
            lambda page=page: not page.run("return document.querySelector('.waiting')"), "the echo"
        )
    assert grace.log() == [
        "before", "2 messages while you were away", "first", "second", "written while away",
    ]  # fmt: skip
    assert ada.log() == ["before", "first", "second", "written while away"]
    assert "2 messages while you were away" in grace.run("return announcer.textContent")
    grace.click("cut")
    grace.wait(lambda: grace.text_of("cut") == "Connect again", "the other cut")
    grace.click("cut")
    grace.wait_for("back again, nothing was missed")


def test_after_a_restart_messages_are_missing(chat: ChatServer, open_page: Open) -> None:
    ada, grace = open_page("Ada"), open_page("Grace")
    visit = "document.querySelector(`[data-room=${arguments[0]}]`).click()"
    ada.wait(lambda: "ideas" in ada.text_of("rooms"), "the list of rooms")
    ada.run(visit, "ideas")
    ada.say("an idea")
    ada.wait_for("an idea")
    ada.wait(lambda: not ada.run("return document.querySelector('.waiting')"), "the echo")
    ada.run(visit, "lobby")
    ada.say("before")
    grace.wait_for("before")
    chat.stop()
    ada.wait(lambda: ada.text_of("state") == "Connecting again", "the end of the server")
    ada.say("are you still there?")
    chat.start()
    for page in (ada, grace):
        page.wait_for("The server was restarted: messages are missing here")
        page.wait_for("are you still there?")
        page.wait(lambda page=page: page.text_of("state") == "Connected", "the connection")
    grace.say("yes")
    ada.wait_for("yes")
    gap = "The server was restarted: messages are missing here"
    assert ada.log() == ["before", gap, "are you still there?", "yes"]
    assert grace.log()[:2] == ["before", gap]
    assert gap in grace.run("return announcer.textContent")
    ada.run(visit, "ideas")  # which it was not in when the server ended
    ada.wait_for(gap)
    assert ada.log() == ["an idea", gap]


def test_a_thousand_simulated_members(open_page: Open) -> None:
    page = open_page("Ada")
    page.click("crowd")
    page.wait(lambda: page.text_of("members") == "1,001", "a thousand members")
    page.wait(lambda: page.text_of("connections") == "1,001", "their connections")
    page.say("hello all")
    page.wait(
        lambda: page.run(
            "return [...document.querySelectorAll('.message:not(.simulated) .reach')]"
            ".some(note => note.textContent.startsWith('reached 1,000 simulated members in '))"
        ),
        "how long it took",
    )
    page.wait(lambda: page.element("wave").is_displayed(), "the button")
    page.click("wave")
    page.wait(lambda: "000 messages" in page.text_of("waves"), "the waves")
    page.click("crowd")
    page.wait(lambda: page.text_of("members") == "1", "that they have left")
    page.wait(lambda: page.text_of("connections") == "1", "their connections")
    assert "simulated" not in page.text_of("people")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_contrast_and_width(theme: str, size: tuple[int, int], open_page: Open) -> None:
    page = open_page("Ada")
    page.resize(*size)
    page.prefer(prefers_color_scheme=theme, prefers_reduced_motion="reduce")
    # All eight colours of names, all marks.
    page.run(
        "const place = room('lobby');"
        "for (let n = 0; n < 64; n++) {"
        "  const who = String.fromCharCode(97 + n % 26) + n;"
        "  showMessage(place, {id: `t${n}`, who, name: `Name ${n}`, text: 'words', at: 1e12,"
        "                      simulated: n === 5});"
        "}"
        "for (const kind of ['', 'missed', 'gap']) mark(place, `mark ${kind}`, kind);"
        "say('waiting'); say('failed');"
        "refuse(place, [...place.pending.keys()].at(-1), 'too fast');"
        "showReached({id: 't7', reached: 1000, ms: 1}); showWaves({waves: 1000000, ms: 250});"
        "showLost('The connection was lost.');"
    )
    drawers = [None] if size == WIDE else [None, "showSide", "showPanel"]
    for drawer in drawers:
        if drawer:
            page.click(drawer)
        found = page.run(CONTRASTS)
        assert len(found) > 70
        assert not [(text, ratio) for text, ratio in found if ratio < 4.5]
        assert not page.run("return document.documentElement.scrollWidth > innerWidth")
    assert page.run("return getComputedStyle(document.body).colorScheme || 1")
    page.run("document.querySelectorAll('.new').forEach(item => item.classList.add('new'))")
    assert page.run(
        "return [...document.querySelectorAll('*')].every("
        "element => getComputedStyle(element).animationName === 'none'"
        " && getComputedStyle(element).transitionDuration === '0s')"
    ), "something moves although less motion is preferred"


def test_the_theme_can_be_chosen(open_page: Open) -> None:
    page = open_page("Ada")
    page.prefer(prefers_color_scheme="dark")
    ground = "return getComputedStyle(document.body).backgroundColor"
    dark = page.run(ground)
    assert page.element("theme").get_attribute("aria-label") == "Use the light theme"
    page.click("theme")
    light = page.run(ground)
    assert light != dark
    page.driver.refresh()
    assert page.run(ground) == light
    page.prefer(prefers_color_scheme="light")
    assert page.run(ground) == light
    page.click("theme")
    assert page.run(ground) == dark
    page.run("localStorage.removeItem('wscore.theme')")


def test_keys_are_enough(open_page: Open) -> None:
    from selenium.webdriver.common.keys import Keys

    page = open_page("Ada")
    page.resize(*WIDE)
    page.wait(
        lambda: page.run("return document.querySelectorAll('#rooms button').length > 2"), "rooms"
    )
    assert not page.run(NAMELESS)
    first = "document.querySelector('a, button, input, textarea, [tabindex]')"
    assert page.run(f"{first}.focus(); return {first}.className") == "skip"
    order = [page.focused()]
    for _ in range(40):
        page.press(Keys.TAB)
        order.append(page.focused())
        if order[-1] == "cut":
            break
        outline = page.run(
            "const style = getComputedStyle(document.activeElement);"
            "return [style.outlineStyle, style.outlineWidth]"
        )
        assert outline == ["solid", "2px"], f"the focus on {order[-1]} is not seen"
    places = [
        "Skip to the message field",
        "theme",
        "newRoom",
        "name",
        "scroll",
        "text",
        "crowd",
        "cut",
    ]
    assert [order.index(place) for place in places] == sorted(map(order.index, places))
    # From the first link to the field, a message, another room, another name.
    page.run("document.querySelector('.skip').focus()")
    page.press(Keys.ENTER)
    assert page.focused() == "text"
    page.press("by keys", Keys.ENTER)
    page.wait_for("by keys")
    page.press("two")
    page.press(Keys.ENTER, holding=Keys.SHIFT)
    page.press("lines", Keys.ENTER)
    page.wait_for("two\nlines")
    page.run("document.querySelector('[data-room=ideas]').focus()")
    page.press(Keys.ENTER)
    page.wait(lambda: page.text_of("roomName") == "# ideas", "the other room")
    assert page.focused() == "text"


def test_rooms_in_the_address(chat: ChatServer, open_page: Open) -> None:
    page = open_page("Ada")
    page.run("location.hash = '#Gr%C3%BC%C3%9Fe'")
    page.wait(lambda: page.text_of("roomName") == "# grüße", "the room of the address")
    page.say("here")
    page.driver.refresh()
    page.wait_for("here")
    for wrong in ("#%", "#a%20%3Cb%3E", "#"):
        page.run("location.hash = arguments[0]", wrong)
        page.wait(lambda: page.text_of("roomName") == "# lobby", "the lobby")


def test_a_name_that_is_refused(open_page: Open) -> None:
    page = open_page("Ada")
    page.rename("zero\u200bwidth")
    page.wait(
        lambda: page.run("return !document.getElementById('name').validity.valid"), "the refusal"
    )
    page.driver.refresh()  # it was not kept
    page.wait(lambda: page.text_of("state") == "Connected", "the connection")
    page.rename("Grace")
    page.wait(lambda: "Grace\nyou" in page.text_of("people"), "the new name")


def test_the_echo_page(browser: Any, chat: ChatServer) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(f"{chat.url}echo")
    waiting = WebDriverWait(browser, 30, 0.05)
    waiting.until(lambda _: browser.find_element("id", "state").text == "open")
    browser.find_element("id", "text").send_keys("<b>\n")
    waiting.until(lambda _: browser.find_element("id", "log").text.count("<b>Hello") == 2)


def test_drawers_open_and_close_by_keys(open_page: Open) -> None:
    from selenium.webdriver.common.keys import Keys

    page = open_page("Ada")
    page.prefer(prefers_reduced_motion="reduce")
    page.resize(*NARROW)
    for button, drawer in (("showSide", "side"), ("showPanel", "panel")):
        opener = page.element(button)
        assert not page.element(drawer).is_displayed()
        page.run("arguments[0].focus()", opener)
        page.press(Keys.ENTER)
        assert opener.get_attribute("aria-expanded") == "true"
        page.wait(lambda drawer=drawer: page.element(drawer).is_displayed(), drawer)
        assert page.run(
            "return document.getElementById(arguments[0]).contains(document.activeElement)", drawer
        )
        page.press(Keys.ESCAPE)
        assert page.focused() == button
        assert opener.get_attribute("aria-expanded") == "false"
        page.wait(lambda drawer=drawer: not page.element(drawer).is_displayed(), "its end")


def test_the_page_breaks_no_rule_of_its_own(open_page: Open, browser: Any) -> None:
    """Nothing is refused by its Content-Security-Policy, and no script fails."""
    page = open_page("Ada")
    page.run(
        "window.wrong = [];"
        "addEventListener('securitypolicyviolation', event => wrong.push(event.blockedURI));"
        "addEventListener('error', event => wrong.push(event.message));"
        "addEventListener('unhandledrejection', event => wrong.push(String(event.reason)));"
    )
    for button in ("theme", "theme", "showSide", "showPanel", "showPanel", "cut", "retry"):
        page.click(button)
    page.say("hello")
    page.wait_for("hello")
    assert page.run("return wrong") == []
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"
                and "chat" in entry["message"] and "WebSocket" not in entry["message"]]  # fmt: skip
