"""wsaccel: stand-ins in sys.modules, and who picks them up.

Each test runs in an interpreter of its own, with the real wsaccel in reach or hidden.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.drop_in import needs_compiled

HIDE = """
import importlib.metadata, sys

class Hidden:  # as if it were not installed
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "wsaccel":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

def version(name, real=importlib.metadata.version):
    if name == "wsaccel":
        raise importlib.metadata.PackageNotFoundError(name)
    return real(name)

importlib.metadata.version = version
sys.meta_path.insert(0, Hidden)
"""
USERS = """
import websocket._abnf, websocket._utils, geventwebsocket.websocket
import wsaccel.utf8validator, wsaccel.xormask

assert websocket._abnf.XorMaskerSimple is wsaccel.xormask.XorMaskerSimple
assert websocket._utils.Utf8Validator is wsaccel.utf8validator.Utf8Validator
assert geventwebsocket.websocket.Utf8Validator is wsaccel.utf8validator.Utf8Validator
assert wsaccel.xormask.XorMaskerSimple.__module__ == "wscore.acceleration.wsaccel"
assert websocket._abnf.ABNF.mask(b"abcd", b"Hello") == bytes(
    a ^ b for a, b in zip(b"Hello", b"abcda")
)
"""


@needs_compiled
def test_in_the_place_of_an_installed_one(isolated: Callable[..., str]) -> None:
    isolated(f"""
import sys, wsaccel.xormask, wsaccel.utf8validator, wscore
names = ("wsaccel", "wsaccel.xormask", "wsaccel.utf8validator")
before = [sys.modules[name] for name in names]
assert wscore.accelerate("wsaccel")["wsaccel"].detail == "all imports"
{USERS}
assert wsaccel.patch_ws4py  # what the real package has besides stays
wscore.restore()
assert [sys.modules[name] for name in names] == before
assert [wsaccel, wsaccel.xormask, wsaccel.utf8validator] == before
""")


def test_in_the_place_of_a_missing_one(isolated: Callable[..., str]) -> None:
    isolated(f"""
{HIDE}
import wscore
from wscore.acceleration import survey
assert survey()["wsaccel"].detail == "not installed; stood in for by name"
assert "wsaccel" not in wscore.accelerate()
assert wscore.accelerate("wsaccel")["wsaccel"].lifted
assert [name for name in sys.modules if name.startswith("wsaccel")]
wscore.restore()
assert not [name for name in sys.modules if name.startswith("wsaccel")]
for name in list(sys.modules):
    if name.partition(".")[0] in ("websocket", "geventwebsocket"):
        del sys.modules[name]
wscore.accelerate("wsaccel")
{USERS}
wscore.restore()
try:
    import wsaccel.xormask
except ModuleNotFoundError:
    pass
else:
    raise AssertionError("still there")
""")


@needs_compiled
def test_who_came_before_is_named(isolated: Callable[..., str]) -> None:
    printed = isolated("""
        import websocket, wscore
        print(wscore.accelerate("wsaccel")["wsaccel"].detail)
        print(wscore.restore("wsaccel")["wsaccel"].detail)
    """)
    assert printed.splitlines() == [
        "imports from now on; already imported: websocket",
        "restored; modules that imported it in the meantime keep wscore's",
    ]


@pytest.mark.parametrize("release", ["0.7.0", "1.0"])
def test_another_release_is_left_alone(isolated: Callable[..., str], release: str) -> None:
    printed = isolated(f"""
        import importlib.metadata
        importlib.metadata.version = lambda name: {release!r}
        import wscore
        print(wscore.accelerate("wsaccel")["wsaccel"].detail)
    """)
    assert printed.strip() == f"version {release} is outside 0.6"
