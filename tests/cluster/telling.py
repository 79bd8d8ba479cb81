"""What members are told, as nodes write it and the test reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wscore.hub import Publication


class Told(NamedTuple):
    """A message of a publisher, or that some are missing."""

    publisher: int
    """-1 for a gap."""
    number: int
    """The how manieth of its publisher; of a gap, the offset that it begins after."""
    epoch: str
    offset: int
    """Of a gap, that of the first publication after it; -1 if none is known."""
    reason: str = ""

    @property
    def is_gap(self) -> bool:
        return self.publisher < 0


def told(publication: Publication) -> str:
    """For `Hub(encode=...)`."""
    epoch, offset = publication.position or ("-", 0)
    if publication.kind != "gap":
        publisher, number, *_ = str(publication.message).split(" ")
        return f"{publisher} {number} {epoch} {offset}"
    gap = publication.info
    after = gap.after or ("-", 0)
    before = gap.before or ("-", -1)
    return f"-1 {after[1]} {after[0]} {before[1]} {gap.reason}"


def read(line: str) -> Told:
    """What `told` has made."""
    publisher, number, epoch, offset, *reason = line.split(" ")
    return Told(int(publisher), int(number), epoch, int(offset), *reason)
