"""What a server must know before it is of use: our scripts, and which run of it this is."""

from __future__ import annotations

import re
import secrets
import sys
from hashlib import sha1
from typing import TYPE_CHECKING, Any

import hiredis

from .trouble import LATER, code_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .trouble import Outage
    from .wire import Arguments, Wire

__all__ = ["Loader"]

_LIMIT = "proto-max-bulk-len"
_role = re.compile(rb"^role:(\w+)", re.MULTILINE)
_replication = re.compile(rb"^master_replid:(\w+)", re.MULTILINE)


class Loader:
    """Loads *scripts* into servers that lack them, and names their runs in the key *run_key*.

    In each run the data go on from what they were, or from something older: a server that was
    restarted may lack the last of them, and a replica that takes over, too. Redis has a name for
    that, which replication goes by. Who may not ask for it goes by the scripts: no server keeps
    them when it is restarted.
    """

    def __init__(self, scripts: Sequence[str], run_key: str | None, refusals: Outage) -> None:
        self._scripts = scripts
        self._digests = [sha1(one.encode(), usedforsecurity=False).hexdigest() for one in scripts]
        self._run_key = run_key
        self._refusals = refusals
        self._run: bytes | None = None
        self.may_load = True
        """False if the server at hand does not take scripts: commands that need one are told."""
        self.largest = sys.maxsize
        """Bytes that it takes at once, if it has said so: more would end the connection."""

    async def greet(self, wire: Wire) -> None:
        """Make a server ready. Raises what it answers if another try may help."""
        self.may_load = True
        told, limit = await wire.ask(("INFO", "replication"), ("CONFIG", "GET", _LIMIT))
        self._run = _run_of(told)
        self.largest = _largest(limit)
        if not self._scripts:
            return
        [known] = await wire.ask(("SCRIPT", "EXISTS", *self._digests))
        is_new = lacks_scripts = not (isinstance(known, list) and all(known))
        if self._run_key is not None and self._run is not None:
            [run] = await wire.ask(("GET", self._run_key))
            is_new = run != self._run
        commands = self._name_run() if is_new else []
        if lacks_scripts:
            commands += self._load_scripts()
        await self._tell(wire, commands)

    async def _tell(self, wire: Wire, commands: list[Arguments]) -> None:
        for answer in await wire.ask(*commands) if commands else ():
            if isinstance(answer, hiredis.ReplyError):
                if code_of(answer) in LATER:
                    raise answer
                # The commands that need it will be told.
                self.may_load = False
                self._refusals.met(answer)

    def set_up(self) -> list[Arguments]:
        """The commands for a server that has lost the scripts.

        Its run is named before anybody can use a script in it.
        """
        return self._name_run() + self._load_scripts()

    def _name_run(self) -> list[Arguments]:
        if self._run_key is None:
            return []
        return [("SET", self._run_key, self._run or secrets.token_hex(8))]

    def _load_scripts(self) -> list[Arguments]:
        return [("SCRIPT", "LOAD", script) for script in self._scripts]


def _run_of(told: Any) -> bytes | None:
    """What ``INFO replication`` calls a server's run; None if it does not tell.

    Raises hiredis.ReplyError for a replica: what it has is the data of another server.
    """
    if not isinstance(told, bytes):
        return None
    role, name = _role.search(told), _replication.search(told)
    if role is not None and role[1] != b"master":
        raise hiredis.ReplyError("READONLY it is a replica")
    return None if name is None else name[1]


def _largest(told: Any) -> int:
    """What ``CONFIG GET`` says of the limit; who may not ask is not held back."""
    known = isinstance(told, list) and len(told) == 2 and told[1].isdigit()
    return int(told[1]) if known else sys.maxsize
