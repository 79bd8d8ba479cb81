"""Names that a module gets from others."""

from __future__ import annotations

from types import ModuleType

import pytest

from wscore.compat.websockets.imports import lazy_import


@pytest.fixture
def module() -> ModuleType:
    module = ModuleType("wscore.compat.websockets.made_up")
    module.__package__ = "wscore.compat.websockets"
    return module


def test_names_come_when_they_are_asked_for(module: ModuleType) -> None:
    from wscore.compat.websockets.frames import Frame

    lazy_import(vars(module), {"Frame": ".frames"}, {"Opcode": ".frames"})
    assert module.Frame is Frame
    with pytest.warns(DeprecationWarning, match=r"made_up\.Opcode is deprecated"):
        assert module.Opcode is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = module.nothing
    assert {"Frame", "Opcode"} <= set(dir(module))


def test_a_name_is_there_once(module: ModuleType) -> None:
    vars(module)["Frame"] = 1
    with pytest.raises(ValueError, match="twice"):
        lazy_import(vars(module), {"Frame": ".frames"})
    with pytest.raises(ValueError, match="twice"):
        lazy_import(vars(module), {"A": ".a"}, {"A": ".b"})
