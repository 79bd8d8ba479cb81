"""The targets: each module has ``test_one_input(data)`` and ``seeds()``, and may have ``TOKENS``.

``test_one_input`` raises whatever it has to say about its subject: an exception is a finding.
"""

from __future__ import annotations

import importlib.util
from importlib import import_module
from pathlib import Path
from types import ModuleType

NAMES = tuple(
    sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__")
)


def load(name: str) -> ModuleType:
    """Import a target by its name, or by the path of a file that has one."""
    if name in NAMES:
        return import_module(f".{name}", __name__)
    spec = importlib.util.spec_from_file_location(Path(name).stem, name)
    if spec is None or spec.loader is None:
        raise ValueError(f"no target {name!r}, choose one of {', '.join(NAMES)}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
