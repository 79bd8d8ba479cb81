"""For the API reference: what Griffe cannot know of the names of wscore.

`wscore._backend` takes them from the module that it has chosen when it is imported. The reference
is made without importing anything, so Griffe only sees ``apply_mask = _chosen.apply_mask``. So
they become those of the twin in pure Python, with the same signatures and docstrings.

``from .envelope import envelope`` leaves a function where the module was; Griffe keeps the module.
"""

from __future__ import annotations

from typing import Any

from griffe import Alias, Extension, Module

CHOSEN = "_chosen."


class PublicNames(Extension):
    """Sets names to what they are once wscore is imported."""

    def on_package(self, *, pkg: Module, **_: Any) -> None:
        backend, pure = pkg["_backend"], pkg["_backend.pure"]
        for name, member in list(backend.members.items()):
            taken = not member.is_alias and str(getattr(member, "value", "")).startswith(CHOSEN)
            if taken and name in pure.members:
                backend.set_member(name, Alias(name, f"{pure.path}.{name}", parent=backend))
        for package, importers in ((pkg["aio"], (pkg, pkg["aio"])), (pkg["hub"], (pkg["hub"],))):
            for name in map(str, package.exports or ()):
                member = package.members[name]
                if isinstance(member, Module) and name in member.members:
                    for importer in importers:
                        alias = Alias(name, member.members[name], parent=importer)
                        importer.set_member(name, alias)
