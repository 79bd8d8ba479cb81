"""Basic authentication: who is let in, and what the others learn."""

from __future__ import annotations

import inspect
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


FORMS: list[tuple[Any, ...]] = [
    (basic_auth, (), {"realm": "a", "credentials": ("ann", "secret")}),
    (basic_auth, ("a", ("ann", "secret")), {}),
    (basic_auth, ("a", ["ann", "secret"]), {}),
    (basic_auth, ("a", [("bob", "x"), ("ann", "secret")]), {}),
    (basic_auth, (), {"credentials": [["ann", "secret"]]}),
    (basic_auth, (), {"credentials": USERS}),
    (basic_auth, (USERS, "a"), {}),
    (basic_auth, (USERS,), {"realm": "a"}),
    (basic_auth, (), {"check_credentials": _checked}),
    (basic_auth, ("a", None, _checked), {}),
    (basic_auth, ("a",), {"check_credentials": lambda *given: given in USERS.items()}),
    (basic_auth, (_checked,), {"realm": "a"}),
    (basic_auth, (), {"credentials": _checked}),
]


@pytest.mark.parametrize(("make", "given", "named"), FORMS)
def test_all_forms(run: Run, make: Any, given: Any, named: Any) -> None:
    async def main() -> None:
        async with serving(whoami, process_request=make(*given, **named)) as server:
            for password, expected in (("secret", None), ("x", 401)):
                where = uri(server).replace("//", f"//ann:{password}@")
                try:
                    async with wscore.connect(where) as ws:
                        assert await ws.recv() == "ann"
                    status = None
                except InvalidStatus as error:
                    status = error.status
                assert status == expected

    run(main())


@pytest.mark.parametrize(
    ("given", "named", "error", "text"),
    [
        ((), {}, ValueError, "either credentials or check_credentials"),
        (("a",), {}, ValueError, "either"),
        ((), {"credentials": ("a", "b"), "check_credentials": _checked}, ValueError, "either"),
        ((), {"credentials": "ab"}, TypeError, "pairs"),
        ((), {"credentials": ["ab", "cd", "ef"]}, TypeError, "pairs"),
        ((), {"credentials": ("a", 1)}, TypeError, "pairs"),
        ((), {"credentials": [("a", "b", "c")]}, TypeError, "pairs"),
        ((), {"credentials": {"a": None}}, TypeError, "pairs"),
        ((), {"credentials": 1}, TypeError, "pairs"),
        ((), {"check_credentials": ("a", "b")}, TypeError, "check_credentials must be a function"),
        ((), {"realm": 1, "credentials": ("a", "b")}, TypeError, "realm must be a str"),
        (({"a": "b"}, 1), {}, TypeError, "realm must be a str"),
        (({"a": "b"}, "c"), {"realm": "c"}, TypeError, "multiple values for argument 'realm'"),
        (("a", ("b", "c"), None, 1), {}, TypeError, "takes realm"),
        ((), {"password": "secret"}, TypeError, "takes realm"),
    ],
)
def test_what_are_no_credentials(given: Any, named: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        basic_auth(*given, **named)


def test_an_error_never_shows_a_password() -> None:
    with pytest.raises(TypeError) as caught:
        basic_auth(credentials=[("ann", "secret"), ("bob", None)])  # type: ignore[list-item]
    assert "secret" not in str(caught.value)


def test_the_names_are_those_of_websockets() -> None:
    names = list(inspect.signature(basic_auth).parameters)
    assert names == ["realm", "credentials", "check_credentials"]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([], "Missing"),
        (["Authorization: " + build_authorization_basic("ann", "wrong")], "Invalid"),
        (["Authorization: " + build_authorization_basic("ann", "")], "Invalid"),
        (["Authorization: " + build_authorization_basic("nobody", "secret")], "Invalid"),
        (["Authorization: " + build_authorization_basic("ann", "word:with:colons")], "Invalid"),
        (["Authorization: Basic"], "Unsupported"),
        (["Authorization: Basic !!!!"], "Unsupported"),
        (["Authorization: Bearer abc"], "Unsupported"),
        (["Authorization: " + build_authorization_basic("ann", "secret")] * 2, "Unsupported"),
    ],
)
def test_all_others_get_401(run: Run, lines: list[str], text: str) -> None:
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
        assert answer.endswith(f"\r\n\r\n{text} credentials\n")

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
