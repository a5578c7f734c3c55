"""How much memory a submission and all it started use, seen from outside."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Watch:
    """Sums the memory of the processes below one; ``inner`` is its number inside ``keeper``'s process namespace."""

    def __init__(self, keeper: int, inner: int, most: int):
        self._most = most
        self._root = _find(keeper, inner)

    def over(self) -> str:
        """A sentence if the limit is passed, else nothing."""
        used = sum(_private(pid) for pid in _below(self._root)) if self._root else 0
        return f"it used {used >> 20:,} MB of memory; the limit is {self._most >> 20:,} MB" if used > self._most else ""


def _find(keeper: int, inner: int) -> int | None:
    for pid in _below(keeper):
        with suppress(OSError, ValueError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                # All its numbers, from this namespace inwards.
                if line.startswith("NSpid:") and str(inner) in line.split()[1:]:
                    numbers = line.split()[1:]
                    if int(numbers[min(1, len(numbers) - 1)]) == inner or int(numbers[0]) == inner:
                        return pid
    return None


def _below(pid: int) -> list[int]:
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        with suppress(OSError, ValueError):
            for children in Path(f"/proc/{one}/task").glob("*/children"):
                waiting += [int(word) for word in children.read_text().split()]
    return found


def _private(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/statm").read_text().split()
        return (int(fields[1]) - int(fields[2])) * _PAGE
    return 0
