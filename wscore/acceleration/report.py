"""The report of `accelerate` and `restore`, for programs and people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["Outcome", "Report"]


@dataclass(frozen=True)
class Outcome:
    """The result for one library.

    ``version`` is the installed version, or None. ``tested`` is the range of versions that can be
    accelerated. ``lifted`` tells whether the library is accelerated now, and ``detail`` which part
    of it, or why not.
    """

    library: str
    version: str | None
    tested: str
    lifted: bool
    detail: str


class Report(Mapping[str, Outcome]):
    """Maps names of libraries to outcomes, in the requested order. Prints as a table."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        self._outcomes = {outcome.library: outcome for outcome in outcomes}

    def __getitem__(self, library: str) -> Outcome:
        return self._outcomes[library]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outcomes)

    def __len__(self) -> int:
        return len(self._outcomes)

    def __str__(self) -> str:
        if not self:
            return "no libraries"
        rows = [("library", "version", "tested", "accelerated", "")]
        rows += [_row(outcome) for outcome in self.values()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Report({list(self.values())!r})"


def _row(outcome: Outcome) -> tuple[str, str, str, str, str]:
    accelerated = "yes" if outcome.lifted else "no"
    return outcome.library, outcome.version or "-", outcome.tested, accelerated, outcome.detail
