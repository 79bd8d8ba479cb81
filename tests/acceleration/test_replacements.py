"""What stands where, and that it comes back."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from wscore.acceleration.replacements import Replacements


class Thing:
    @staticmethod
    def work() -> str:
        return "own"


def own() -> None: ...
def new() -> None: ...
def other() -> None: ...


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("a_library")
    module.__dict__.update(first=own, second=own, Thing=Thing)
    monkeypatch.setitem(sys.modules, "a_library", module)
    return module


def test_all_places_and_back(library: ModuleType) -> None:
    replacements = Replacements()
    replacements.attribute(new, "a_library:first", "a_library:second")
    assert library.first is library.second is new
    assert replacements.undo() == []
    assert library.first is library.second is own


def test_a_static_method_stays_the_same_object(library: ModuleType) -> None:
    before = vars(Thing)["work"]
    replacements = Replacements()
    replacements.attribute(staticmethod(lambda: "new"), "a_library:Thing.work")
    assert Thing.work() == Thing().work() == "new"
    replacements.undo()
    assert vars(Thing)["work"] is before


def test_a_place_that_is_not_there(library: ModuleType) -> None:
    replacements = Replacements()
    with pytest.raises(AttributeError, match=r"there is no a_library:third"):
        replacements.attribute(new, "a_library:first", "a_library:third")
    replacements.undo()
    assert library.first is own


def test_a_place_imported_later_is_put_right(
    library: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    replacements = Replacements()
    replacements.attribute(new, "a_library:first", "a_library.late:first", "a_library.never:first")
    late = ModuleType("a_library.late")
    late.__dict__.update(first=library.first)
    monkeypatch.setitem(sys.modules, "a_library.late", late)
    assert replacements.undo() == []
    assert late.first is own


def test_what_someone_else_put_there_stays(library: ModuleType) -> None:
    replacements = Replacements()
    replacements.attribute(new, "a_library:first", "a_library:second")
    library.second = other
    assert replacements.undo() == ["a_library:second"]
    assert (library.first, library.second) == (own, other)


def test_modules(library: ModuleType) -> None:
    replacements = Replacements()
    stand_in, added = ModuleType("a_library"), ModuleType("a_library.more")
    replacements.module("a_library", stand_in)
    replacements.module("a_library.more", added)
    assert sys.modules["a_library"] is stand_in
    assert sys.modules["a_library.more"] is added
    assert replacements.undo() == []
    assert sys.modules["a_library"] is library
    assert "a_library.more" not in sys.modules


def test_a_module_that_someone_else_replaced_stays(
    library: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    replacements = Replacements()
    replacements.module("a_library", ModuleType("a_library"))
    foreign = ModuleType("a_library")
    monkeypatch.setitem(sys.modules, "a_library", foreign)
    assert replacements.undo() == ["a_library"]
    assert sys.modules["a_library"] is foreign
