"""What `importlib.metadata` says of a library that wscore stands in for."""

from __future__ import annotations

from importlib.metadata import Distribution
from os import PathLike
from pathlib import Path

__all__ = ["StandInDistribution"]


class StandInDistribution(Distribution):
    """A distribution that has a name and a version, and no files."""

    def __init__(self, name: str, version: str) -> None:
        self._text = {
            "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            "Summary: wscore.compat stands in for this library\n"
        }

    def read_text(self, filename: str) -> str | None:
        return self._text.get(filename)

    def locate_file(self, path: str | PathLike[str]) -> Path:
        return Path(__file__).parent / path
