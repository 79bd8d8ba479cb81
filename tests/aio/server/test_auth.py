"""Basic authentication: who is let in, and what the others learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import raw_client, request, serving, uri

import wscore
from wscore import InvalidStatus, basic_auth
from wscore.protocol.headers import build_authorization_basic

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

USERS = {"ann": "secret", "bob": "word:with:colons", "umlaut": "pässwörd"}


async def whoami(ws: wscore.ServerConnection) -> None:
    await ws.send(str(ws.username))


async def _checked(username: str, password: str) -> bool:
    return USERS.get(username) == password


@pytest.mark.parametrize("credentials", [USERS, _checked, lambda *given: given in USERS.items()])
@pytest.mark.parametrize("user", USERS)
def test_those_who_know_the_password(run: Run, credentials: Any, user: str) -> None:
    async def main() -> None:
        async with serving(whoami, process_request=basic_auth(credentials)) as server:
            headers = {"Authorization": build_authorization_basic(user, USERS[user])}
            async with wscore.connect(uri(server), additional_headers=headers) as ws:
                assert await ws.recv() == user

    run(main())


def test_credentials_in_the_uri(run: Run) -> None:
    async def main() -> None:
        async with serving(whoami, process_request=basic_auth(USERS)) as server:
            where = uri(server).replace("//", "//bob:word%3Awith%3Acolons@")
            async with wscore.connect(where) as ws:
                assert await ws.recv() == "bob"

    run(main())


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["Authorization: " + build_authorization_basic("ann", "wrong")],
        ["Authorization: " + build_authorization_basic("ann", "")],
        ["Authorization: " + build_authorization_basic("nobody", "secret")],
        ["Authorization: " + build_authorization_basic("ann", "word:with:colons")],
        ["Authorization: Basic"],
        ["Authorization: Basic !!!!"],
        ["Authorization: Bearer abc"],
        ["Authorization: " + build_authorization_basic("ann", "secret")] * 2,
    ],
)
def test_all_others_get_401(run: Run, lines: list[str]) -> None:
    async def main() -> None:
        auth = basic_auth(USERS, 'a "quoted" realm \\')
        async with (
            serving(whoami, process_request=auth) as server,
            raw_client(server, shake=False) as peer,
        ):
            peer.write(request("/", *lines))
            answer = (await peer.reader.read()).decode()
        assert answer.startswith("HTTP/1.1 401 Unauthorized\r\n")
        challenge = 'WWW-Authenticate: Basic realm="a \\"quoted\\" realm \\\\", charset="UTF-8"\r\n'
        assert challenge in answer
        assert answer.endswith("\r\n\r\nUnauthorized\n")

    run(main())


def test_the_client_sees_the_status(run: Run) -> None:
    async def main() -> None:
        async with serving(whoami, process_request=basic_auth(USERS)) as server:
            with pytest.raises(InvalidStatus) as caught:
                await wscore.connect(uri(server))
        assert caught.value.status == 401

    run(main())


def test_every_user_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare_digest(known: bytes, given: bytes) -> bool:
        compared.append(known)
        return known == given

    monkeypatch.setattr("wscore.aio.server.auth.hmac.compare_digest", compare_digest)
    from wscore.aio.server.auth import _Compared

    for given in (("ann", "secret"), ("ann", "x"), ("nobody", "x")):
        compared.clear()
        assert _Compared(USERS)(*given) is (given == ("ann", "secret"))
        assert len(compared) == 2 * len(USERS)


@pytest.mark.parametrize("realm", ["a\r\nX: y", "a\0b", "€"])
def test_a_realm_that_is_no_header(realm: str) -> None:
    with pytest.raises(ValueError, match="not a realm"):
        basic_auth(USERS, realm)
