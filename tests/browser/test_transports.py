"""The comparison of transports in Chromium, in its quickest form; see `bench.compare`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.benched import needs_cores
from support.chromium import require_browser

from bench.compare import browser, parts
from bench.compare.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [needs_cores, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def medians(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, float]]]:
    """By case, contender and measure."""
    require_browser()
    found: Path = tmp_path_factory.mktemp("compare") / "found.json"
    assert main(["browser", "--quick", "--json", str(found)]) == 0
    results = json.loads(found.read_text())["results"]
    assert [result["case"]["name"] for result in results] == parts.names("browser")
    return {result["case"]["name"]: result["medians"] for result in results}


def test_a_page_gets_every_message(medians: dict[str, dict[str, dict[str, float]]]) -> None:
    for rate in parts.BROWSER_RATES:
        found = medians[f"compare-browser-{rate}"]
        assert list(found) == list(browser.KINDS)
        for figures in found.values():
            assert figures["delivered"] == figures["expected"] > 0
            assert figures["wire"] > 100
            assert figures["p50"] <= figures["p99"]


def test_a_page_sends_messages(medians: dict[str, dict[str, dict[str, float]]]) -> None:
    found = medians["compare-browser-upstream"]
    assert list(found) == list(browser.UPSTREAM)
    assert all(figures["delivered"] == figures["expected"] > 0 for figures in found.values())


def test_the_limit_of_connections_is_for_requests_only(
    medians: dict[str, dict[str, dict[str, float]]],
) -> None:
    found = medians["compare-browser-streams"]
    assert found["WebSocket"]["open"] == found["WebSocket"]["expected"] > 6
    assert found["WebSocket"]["room"]
    for kind in ("EventSource", "fetch"):
        assert found[kind]["open"] == 6
        assert not found[kind]["room"]


def test_a_page_survives_a_killed_server(medians: dict[str, dict[str, dict[str, float]]]) -> None:
    found = medians["compare-browser-recovery"]
    assert list(found) == list(browser.RECOVERING)
    for way, figures in found.items():
        assert (figures["lost"] == 0) is (way in browser.CAREFUL)
        assert ("seconds" in figures) is (way in browser.CAREFUL)
