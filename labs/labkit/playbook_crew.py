"""The live crew of lab 11: several keys; it notices refusals, moves on, slows down, and may test what it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

PAUSE = 600.0  # seconds
BATCH = 10


@dataclass(frozen=True)
class CrewKey:
    """A key of the crew, the address it is used from, and what it asks: ``rows`` (n, d), in order."""

    key: str
    source: str
    rows: np.ndarray


@dataclass(eq=False)
class Crew:
    """Uses ``keys`` one after the other, ten rows every ten minutes, until each has asked all its rows.

    Refused, it tries once more, then takes the next key and is half as fast. With ``tests`` it
    asks, with every second batch, again a row of its very first one, and leaves a key that tells it something else:
    that is how a honeypot is found.
    """

    keys: Sequence[CrewKey]
    start: float
    tests: bool = False
    next_time: float = field(init=False)
    burned: list[str] = field(default_factory=list)  # keys it left because an answer had changed

    def __post_init__(self) -> None:
        self.next_time = self.start
        self._at, self._asked, self._batches, self._refused = 0, 0, 0, 0
        self._pause = PAUSE
        self._first: tuple[np.ndarray, Any] | None = None  # rows and labels of the first batch answered
        self._again: int | None = None  # which of them stands on top of the batch that was sent

    def act(self) -> tuple[float, str, str, np.ndarray]:
        """The next request: time, key, address, rows."""
        key = self.keys[self._at]
        self._sent = key.rows[self._asked : self._asked + BATCH]
        self._again = None
        if self.tests and self._first is not None and self._batches % 2 == 1:
            self._again = self._batches // 2 % len(self._first[0])
            self._sent = np.vstack([self._first[0][self._again], self._sent[: BATCH - 1]])
        return self.next_time, key.key, key.source, self._sent

    def hear(self, status: int, labels: Any) -> None:
        """Take in the reply and decide what to do next."""
        if status != 200:
            self._refused += 1
            if self._refused == 2:
                self._next_key()
            self._wait(self._pause)
            return
        self._refused = 0
        self._batches += 1
        if self._again is not None and self._first is not None and labels[0] != self._first[1][self._again]:
            self.burned.append(self.keys[self._at].key)
            self._next_key()
        else:
            self._asked += len(self._sent) - (self._again is not None)
        if self._first is None:
            self._first = self._sent, labels
        if self._at < len(self.keys) and self._asked >= len(self.keys[self._at].rows):
            self._next_key(slower=False)
        self._wait(self._pause)

    def _next_key(self, slower: bool = True) -> None:
        self._at, self._asked, self._refused = self._at + 1, 0, 0
        if slower:
            self._pause = 2 * PAUSE

    def _wait(self, seconds: float) -> None:
        self.next_time = np.inf if self._at >= len(self.keys) else self.next_time + seconds
