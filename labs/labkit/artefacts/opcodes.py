"""Read the instructions of a pickle without following them (standard library's pickletools)."""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import Any

from labkit.plots import Table


@dataclass(frozen=True)
class Listing:
    """The instructions of a pickle, in order, and how far they could be read.

    ``steps`` are (position in bytes, opcode name, argument or None). ``size`` is the file's length in bytes;
    ``read`` how many of them were understood. ``stopped`` says why reading ended early, or is empty.
    """

    steps: tuple[tuple[int, str, Any], ...]
    size: int
    read: int
    stopped: str

    @property
    def complete(self) -> bool:
        """Whether the last byte was reached. If not, nothing is known about the rest: treat the file as unsafe."""
        return not self.stopped and self.read == self.size

    def table(self, *names: str, limit: int = 12) -> Table:
        """The first ``limit`` instructions, or the first with one of these opcode names."""
        chosen = [step for step in self.steps if not names or step[1] in names][:limit]
        return Table([{"byte": at, "instruction": name, "argument": _short(arg)} for at, name, arg in chosen])


def list_opcodes(data: bytes) -> Listing:
    """The instructions of pickle ``data``. Nothing is imported, called or built.

    Never raises on a damaged file: ``stopped`` then says at which byte reading ended. joblib files end early, since
    joblib writes the raw bytes of each array between the instructions.
    """
    steps: list[tuple[int, str, Any]] = []
    stopped, end = "", 0
    try:
        for opcode, argument, position in pickletools.genops(data):
            at = position or 0
            steps.append((at, opcode.name, argument))
            end = at + 1
    except Exception as error:  # pickletools raises ValueError, UnicodeDecodeError, OverflowError … on damaged bytes
        stopped = f"{type(error).__name__}: {error}"
    return Listing(tuple(steps), len(data), end, stopped)


def blobs(listing: Listing) -> list[bytes]:
    """Every run of raw bytes that a pickle carries, in order: NumPy keeps an array's numbers in one of these."""
    return [bytes(arg) for _, _, arg in listing.steps if isinstance(arg, (bytes, bytearray))]


def _short(argument: Any) -> str:
    if isinstance(argument, (bytes, bytearray)):
        return f"{len(argument)} raw bytes"
    text = "" if argument is None else str(argument)
    return text if len(text) <= 60 else text[:57] + "…"
