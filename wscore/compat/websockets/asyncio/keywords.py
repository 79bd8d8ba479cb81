"""What websockets' keywords are among those of the engine, for clients and servers alike."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ....extensions import Extension

if TYPE_CHECKING:
    from ..extensions.base import ClientExtensionFactory, ServerExtensionFactory

    Factory = ClientExtensionFactory | ServerExtensionFactory | Extension

__all__ = ["extension_keywords", "given", "shows_its_own_keywords"]

_Kind = TypeVar("_Kind", bound=type)

_DEFLATE = "permessage-deflate"


def given(**options: Any) -> dict[str, Any]:
    """Those *options* that are not None: for keywords where None stands for the default."""
    return {name: value for name, value in options.items() if value is not None}


def extension_keywords(
    extensions: Sequence[Factory] | None, compression: str | None
) -> dict[str, Any]:
    """The engine's ``extensions`` and ``compression``.

    Factories of permessage-deflate are extensions of the engine, too; where there is one,
    *compression* adds none. Raises ValueError, and TypeError for other factories.
    """
    if compression not in (None, "deflate"):
        raise ValueError(f"unsupported compression: {compression}")
    made = [_extension(factory) for factory in extensions or ()]
    if any(extension.name == _DEFLATE for extension in made):
        compression = None
    return {"extensions": made, "compression": compression}


def _extension(factory: Any) -> Extension:
    if isinstance(factory, Extension):
        return factory
    raise TypeError(
        "extensions of one's own are written as wscore.extensions.Extension, which works on "
        f"messages; frames are encoded in compiled code: {factory!r}"
    )


def shows_its_own_keywords(kind: _Kind) -> _Kind:
    """For `inspect.signature`: not those of the engine's class, which *kind* would inherit."""
    signature = inspect.signature(vars(kind)["__init__"])
    own = list(signature.parameters.values())[1:]
    kind.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]
    return kind
