"""What is wrong with Redis, in words for whoever has to mend it."""

from __future__ import annotations

import logging
import re
import socket
import ssl
import time
from typing import TYPE_CHECKING

import hiredis

from ...errors import BrokerUnavailable

if TYPE_CHECKING:
    from .target import RedisTarget

__all__ = ["ELSEWHERE", "LATER", "Outage", "code_of", "explain", "unavailable"]

logger = logging.getLogger("wscore.hub")

# Answers that say that the command was not carried out and may well be later, at the same server...
LATER = {"BUSY", "LOADING", "MISCONF", "NOREPLICAS", "NOSCRIPT", "OOM", "TRYAGAIN"}
# ... and those that say that another server has to be found.
ELSEWHERE = {"ASK", "CLUSTERDOWN", "MASTERDOWN", "MOVED", "READONLY"}

# The first word of an error of Redis, and what helps.
_ADVICE = {
    "WRONGPASS": "set the user and password of the URL to those of the server",
    "NOAUTH": "the server wants a password: put it into the URL, as in redis://:password@host",
    "NOPERM": "allow it with ACL SETUSER",
    "DENIED": "the server is in protected mode: set a password there, or `bind` it",
    "LOADING": "the server is loading its data; nothing has to be done",
    "BUSY": "a script of somebody blocks the server; SCRIPT KILL ends it",
    "OOM": "the server has reached `maxmemory`: give it more, or keep shorter histories",
    "MISCONF": "the server cannot save its data: look at its log and its disk",
    "READONLY": "the server is a replica: the URL has to name the master, or Sentinel",
    "MASTERDOWN": "the server is a replica without its master",
    "NOREPLICAS": "too few replicas are connected to the server (`min-replicas-to-write`)",
    "CLUSTERDOWN": "the cluster misses slots: look at CLUSTER INFO",
}


_of_script = re.compile(r": -([A-Z]+) ")


def code_of(error: Exception) -> str:
    """What kind of error it is: Redis' own word for it, or the name of the class."""
    if not isinstance(error, hiredis.ReplyError):
        return type(error).__name__
    text = str(error)
    if "invalid password" in text or "without any password configured" in text:
        return "WRONGPASS"  # Redis before 6, and a password for a server that has none
    if text.startswith("ERR Error running script") and (within := _of_script.search(text)):
        return within[1]  # Redis before 7
    return text.partition(" ")[0]


def explain(error: Exception) -> str:
    """What happened, and what may help."""
    if isinstance(error, hiredis.ReplyError):
        code, text = code_of(error), str(error)[:300]
        if "max number of clients" in text:
            return f"{text} (raise `maxclients` of the server)"
        return f"{text} ({_ADVICE[code]})" if code in _ADVICE else text
    if isinstance(error, TimeoutError):
        return f"{error or 'no answer'} (is the address right, and does a firewall let it through?)"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there (is Redis running?)"
    if isinstance(error, FileNotFoundError):
        return "there is no such socket (is Redis running, with this `unixsocket`?)"
    if isinstance(error, PermissionError):
        return "this user may not use the socket (see `unixsocketperm`)"
    if isinstance(error, socket.gaierror):
        return "the name of the host is not known"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error} (a private CA is given as rediss://host?ca=FILE)"
    if isinstance(error, ConnectionResetError):
        return (
            "Redis closed the connection (its log tells why; `client-output-buffer-limit pubsub` "
            "is one reason)"
        )
    return str(error) or type(error).__name__


def unavailable(target: RedisTarget, error: Exception) -> BrokerUnavailable:
    """Return what an application gets for *error*."""
    told = BrokerUnavailable(f"{target}: {explain(error)}")
    told.__cause__ = error
    return told


class Outage:
    """Logs what is wrong: each kind of error once for each outage, and when all is well again.

    An error that comes and goes is logged once in *quiet* seconds.
    """

    __slots__ = ("_consequence", "_is_on", "_logged", "_quiet", "_target")

    def __init__(self, target: RedisTarget, consequence: str, quiet: float = 0.0) -> None:
        self._target = target
        self._consequence = consequence
        self._quiet = quiet
        self._is_on = False
        # When each kind of error was logged, since it is on or not long ago.
        self._logged: dict[str, float] = {}

    def met(self, error: Exception) -> None:
        """An error was met: log it if it is news."""
        code = code_of(error)
        if code not in self._logged:
            self._is_on = True
            self._logged[code] = time.monotonic()
            logger.warning("%s: %s; %s", self._target, explain(error), self._consequence)

    def over(self) -> None:
        """Everything works."""
        if self._is_on:
            self._is_on = False
            logger.info("%s: works again", self._target)
        now = time.monotonic()
        self._logged = {code: at for code, at in self._logged.items() if now - at < self._quiet}
