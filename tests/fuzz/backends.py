"""Both backends, to be compared; just the pure one where the extension is not wanted or built."""

from __future__ import annotations

from importlib import import_module

import wscore

NAMES = ("_backend.pure", "_speedups") if wscore.BACKEND == "compiled" else ("_backend.pure",)
BACKENDS = tuple(import_module(f"wscore.{name}") for name in NAMES)
