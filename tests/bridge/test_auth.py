"""Bearer tokens: who has one gets in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.bridging import HERE, port_of, serving_to, target_server
from support.rawpeer import raw_connection

import wscore
from wscore.bridge import bearer_auth

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


@pytest.mark.parametrize("value", ["Bearer s3cret", "bearer other", "BEARER  s3cret "])
def test_a_token_lets_in(run: Run, value: str) -> None:
    async def main() -> None:
        auth = bearer_auth(["s3cret", "other"])
        async with (
            target_server() as target,
            serving_to(target, process_request=auth) as running,
            raw_connection(HERE, port_of(running), "/", f"Authorization: {value}"),
        ):
            await target.accept()

    run(main())


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Authorization: Bearer"],
        ["Authorization: Bearer "],
        ["Authorization: Bearer wrong"],
        ["Authorization: Bearer s3cret2"],
        ["Authorization: s3cret"],
        ["Authorization: Basic s3cret"],
        ["Authorization: Bearer s3cret", "Authorization: Bearer s3cret"],
        ["Cookie: Authorization=Bearer s3cret"],
    ],
)
@pytest.mark.parametrize("path", ["/known", "/unknown"])
def test_others_get_401_and_learn_nothing(run: Run, headers: list[str], path: str) -> None:
    async def main() -> None:
        async with target_server() as target:
            to = {"known": str(target)}
            auth = bearer_auth("s3cret", realm='the "realm"')
            async with (
                serving_to(to, process_request=auth) as running,
                raw_connection(HERE, port_of(running), path, *headers, status=401) as peer,
            ):
                assert b'WWW-Authenticate: Bearer realm="the \\"realm\\""' in peer.head
                assert b"s3cret" not in peer.head + await peer.reader.read()
                assert not target.all

    run(main())


def test_basic_authentication_is_that_of_servers(run: Run) -> None:
    async def main() -> None:
        auth = wscore.basic_auth({"ann": "s3cret"})
        async with (
            target_server() as target,
            serving_to(target, process_request=auth) as running,
        ):
            where = f"{HERE}:{port_of(running)}"
            with pytest.raises(wscore.InvalidStatus) as caught:
                await wscore.connect(f"ws://ann:wrong@{where}/")
            assert caught.value.response.status_code == 401
            assert caught.value.response.headers["WWW-Authenticate"].startswith("Basic ")
            async with wscore.connect(f"ws://ann:s3cret@{where}/"):
                await (await target.accept()).finish()

    run(main())


def test_what_is_no_token_is_refused() -> None:
    for tokens in ("", [], ["fine", ""], "two words", " s3cret", "s3cret\n", "schl\xfcssel"):
        with pytest.raises(ValueError, match="tokens"):
            bearer_auth(tokens)
    with pytest.raises(TypeError, match="tokens"):
        bearer_auth([b"bytes"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="realm"):
        bearer_auth("t", realm="a\nb")
