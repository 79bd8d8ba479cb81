"""Which Redis a URL names, and how to reach it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from ...aio.client.tls import client_context
from ...protocol.hosts import host_and_port

if TYPE_CHECKING:
    import ssl
    from urllib.parse import SplitResult

    from .wire import Address, Arguments

__all__ = ["PARTITIONS", "Kind", "RedisTarget", "require_redis"]

Kind = Literal["single", "sentinel", "cluster"]
Host = tuple[str, int]

PARTITIONS = 16
"""Of the rooms on a cluster, unless the URL says another number."""

_SCHEMES: dict[str, tuple[Kind, bool]] = {
    "redis": ("single", False),
    "rediss": ("single", True),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
    "unix": ("single", False),
}
_SCHEMES |= {name.replace("redis", "valkey"): found for name, found in _SCHEMES.items()}
_PORTS = {"single": 6379, "sentinel": 26379, "cluster": 6379}
_TLS_OPTIONS = {"ca", "cert", "key", "insecure"}
_OPTIONS: dict[Kind, set[str]] = {
    "single": {"db"},
    "sentinel": {"db", "sentinel_user", "sentinel_password"},
    "cluster": {"partitions"},
}


def require_redis() -> None:
    """Raises ImportError, which names the extra, if what this needs is not installed."""
    missing = [name for name in ("redis", "hiredis") if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"a hub with a URL needs {' and '.join(missing)}: pip install 'wscore-engine[redis]'"
        )


def _number(name: str, text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:9]) <= most):
        raise ValueError(f"{name} in the URL of Redis is not a number up to {most}: {text!r}")
    return int(text)


@dataclass(frozen=True)
class RedisTarget:
    """A server, a master that Sentinel names, or a cluster; neither repr nor str has passwords."""

    kind: Kind
    hosts: tuple[Host, ...]
    """Of the server, the Sentinels, or some of the nodes; none with `path`."""
    path: str | None = None
    """Of a unix socket."""
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    db: int = 0
    service: str | None = None
    """What Sentinel calls the master."""
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    partitions: int = 0
    """How many parts the rooms are in on a cluster; else 0."""
    ca: str | None = None
    """File of certificates to trust in place of the system's."""
    cert: str | None = None
    key: str | None = None
    insecure: bool = False
    """Whether any certificate will do."""

    @classmethod
    def parse(cls, url: str) -> RedisTarget:
        """Read a URL.

        Raises ValueError, which says what is wrong and never contains a password, and ImportError
        if the extra ``redis`` is not installed.
        """
        if not isinstance(url, str):
            raise TypeError(f"the URL of Redis is not a str but {type(url).__name__}")
        scheme, _, rest = url.partition("://")
        scheme = scheme.lower()
        if scheme not in _SCHEMES:
            known = ", ".join(f"{name}://" for name in sorted(_SCHEMES))
            raise ValueError(f"the URL of Redis has to begin with one of {known}")
        require_redis()
        # `urlsplit` knows one host only: of several, it may refuse those in brackets.
        authority = re.split("[/?#]", rest, maxsplit=1)[0]
        parts = urlsplit("//" + rest[len(authority) :])
        if parts.fragment or "@" in parts.path + parts.query:
            # Before anything is quoted that may be the rest of a password.
            raise ValueError(
                "the URL of Redis has @ behind the host or a # in it: "
                "write / ? # @ as %2F %3F %23 %40 in names and passwords"
            )
        kind, tls = _SCHEMES[scheme]
        options = _options(parts.query, _OPTIONS[kind] | (_TLS_OPTIONS if tls else set()))
        userinfo, _, hosts = authority.rpartition("@")
        username, password = _credentials(userinfo)
        found: dict[str, Any] = {
            "username": username,
            "password": password,
            "ca": options.get("ca"),
            "cert": options.get("cert"),
            "key": options.get("key"),
            "insecure": _flag("insecure", options),
        }
        found |= _place(scheme, kind, hosts, parts, options)
        target = cls(kind=kind, tls=tls, **found)
        target._check_tls()
        return target

    def _check_tls(self) -> None:
        for name in ("ca", "cert", "key"):
            file = getattr(self, name)
            if file is not None and not Path(file).is_file():
                raise ValueError(f"{name} in the URL of Redis names no file: {file!r}")
        if self.key is not None and self.cert is None:
            raise ValueError("the URL of Redis has a key but no cert")

    def __str__(self) -> str:
        """The URL without user, password and options."""
        if self.path is not None:
            return f"unix://{self.path}"
        scheme = ("rediss" if self.tls else "redis") + (
            "" if self.kind == "single" else f"+{self.kind}"
        )
        hosts = ",".join(host_and_port(*each) for each in self.hosts)
        return f"{scheme}://{hosts}" + (f"/{self.service}" if self.service else "")

    def greeting(self) -> list[Arguments]:
        """The commands that say who we are."""
        commands: list[Arguments] = []
        if self.username is not None:
            commands.append(("AUTH", self.username, self.password or ""))
        elif self.password is not None:
            commands.append(("AUTH", self.password))
        if self.db:
            commands.append(("SELECT", self.db))
        return commands

    def tls_context(self) -> ssl.SSLContext | None:
        """What checks the server's certificate; None without TLS. Raises OSError."""
        if not self.tls:
            return None
        context = client_context(self.ca, verify=not self.insecure)
        if self.cert is not None:
            context.load_cert_chain(self.cert, self.key)
        return context

    async def address(self, partition: int | None = None) -> Address:
        """Where to connect now: asks Sentinel or the cluster each time. Raises OSError."""
        from .discovery import master_of_partition, master_of_service
        from .wire import Address

        if self.path is not None:
            return Address("", 0, self.path)
        if self.kind == "single":
            host, port = self.hosts[0]
            return Address(host, port, None, self.tls_context())
        if self.kind == "sentinel":
            return await master_of_service(self)
        return await master_of_partition(self, partition or 0)

    def client(self) -> Any:
        """Return a client of redis-py: `redis.asyncio.Redis`, or `RedisCluster`.

        It answers bytes; the caller closes it.
        """
        from .discovery import client_of

        return client_of(self)


def _options(query: str, known: set[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise ValueError(
                f"unknown option {name!r} in the URL of Redis: "
                f"with this scheme there are {', '.join(sorted(known))}"
            )
        if name in options:
            raise ValueError(f"option {name!r} stands twice in the URL of Redis")
        options[name] = value
    return options


def _flag(name: str, options: dict[str, str]) -> bool:
    value = options.get(name, "0")
    if value not in ("0", "1"):
        raise ValueError(f"{name} in the URL of Redis is neither 0 nor 1: {value!r}")
    return value == "1"


def _credentials(userinfo: str) -> tuple[str | None, str | None]:
    """User and password; a password alone is the one of the user `default`."""
    username, colon, password = userinfo.partition(":")
    return unquote(username) or None, unquote(password) if colon else None


def _place(
    scheme: str, kind: Kind, hosts: str, parts: SplitResult, options: dict[str, str]
) -> dict[str, Any]:
    """Hosts, path, database, service and partitions."""
    if scheme == "unix":
        if hosts or not parts.path.strip("/"):
            raise ValueError("the URL of a unix socket is unix:///path/to/redis.sock")
        return {"hosts": (), "path": unquote(parts.path), "db": _database("", options)}
    found: dict[str, Any] = {"hosts": _hosts(hosts, _PORTS[kind])}
    if kind == "single" and len(found["hosts"]) > 1:
        raise ValueError(
            "several hosts in the URL of Redis: they need redis+sentinel:// or redis+cluster://"
        )
    path = [unquote(part) for part in parts.path.split("/")[1:]]
    if kind == "sentinel":
        if not path or not path[0]:
            raise ValueError(
                "the URL of Sentinel lacks the name of the master: redis+sentinel://host/mymaster"
            )
        found["service"] = path.pop(0)
        found["sentinel_username"] = options.get("sentinel_user")
        found["sentinel_password"] = options.get("sentinel_password")
    db = path.pop(0) if path else ""
    if path or (kind == "cluster" and db):
        raise ValueError(f"the path in the URL of Redis is too long: {parts.path!r}")
    if kind == "cluster":
        found["partitions"] = _number(
            "partitions", options.get("partitions", str(PARTITIONS)), 1024
        )
        if not found["partitions"]:
            raise ValueError("partitions in the URL of Redis is 0")
    else:
        found["db"] = _database(db, options)
    return found


def _database(in_path: str, options: dict[str, str]) -> int:
    if in_path and "db" in options:
        raise ValueError("the URL of Redis names a database twice")
    return _number("the database", in_path or options.get("db", "0"), 2**31 - 1)


def _hosts(text: str, port: int) -> tuple[Host, ...]:
    found = []
    for part in text.split(","):
        try:
            split = urlsplit(f"//{part}")
            host = split.hostname
            found.append((host or "", port if split.port is None else split.port))
        except ValueError:
            raise ValueError(f"{part!r} in the URL of Redis is not host:port") from None
        if not host:
            raise ValueError("the URL of Redis lacks a host")
    return tuple(found)
