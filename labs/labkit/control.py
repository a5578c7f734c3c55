"""The control room without its screen: a target with switches, the token that turns them, and traffic to look at."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from labkit import query_thieves
from labkit.api import _raise_for_problem
from labkit.errors import QueryRefused
from labkit.launch import Target, launch
from labkit.transport import HttpTransport, Transport
from labkit.watching import split_pool

TOKEN = "MODEL_THEFT_LABS_CONTROL"
# In pipeline order: who is stopped, how fast rows flow, what an answer says.
DEFENCES = ("sentry", "token_bucket:rows=100,rate=1.0", "rounding:decimals=1", "label_only")
THIEVES = {
    "owns real rows": query_thieves.natural,
    "invents rows": query_thieves.uniform,
    "mixes 20 real rows": query_thieves.mixing,
    "asks values of the form": query_thieves.on_the_form,
}
BATCH = 8  # rows a thief asks at each step


class Controls:
    """The lab token's end of a running target: look, turn switches, have alerts delivered. Safe among threads."""

    def __init__(self, transport: Transport, token: str, close: Callable[[], None] = lambda: None):
        self._transport, self._token, self.close = transport, token, close
        self._lock = threading.Lock()  # a panel's clicks and its clock share one connection

    def picture(self) -> dict[str, Any]:
        """Everything the control room shows: ``switches``, ``stream``, ``keys``, ``alerts``, ``channels``."""
        return self._send("GET", "")

    def turn(self, name: str, on: bool) -> None:
        """Turn one defence on or off, from the next query on. Raises QueryRefused that lists the names there are."""
        self._send("POST", "/switches", {"name": name, "on": on})

    def send_alerts_to(self, url: str) -> None:
        """Deliver every alert from now on to the webhook ``url``, too."""
        self._send("POST", "/alerts", {"to": url})

    def _send(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        with self._lock:
            reply = self._transport.send(method, f"/lab/control{path}", body, {"X-Lab-Token": self._token})
        _raise_for_problem(reply)
        found: dict[str, Any] = reply.body
        return found

    def __repr__(self) -> str:
        return f"Controls({self._transport!r})"


def launch_controlled(
    victim: str, defences: Sequence[str] = DEFENCES, *, seed: int = 0, model: str | None = None
) -> tuple[Target, Controls]:
    """Start a target whose ``defences`` stand behind switches, all off, and the controls that turn them."""
    trained = f"victim={victim},seed={seed}"
    switched = [f"switch:{text}{':' + trained if text == 'sentry' else ''}" for text in defences]
    token = secrets.token_hex(16)
    with _in_environment(TOKEN, token):
        target = launch(victim, model=model, seed=seed, defences=[*switched, f"board:{trained}"])
    # A second connection: the clock's questions must not wait behind a learner's large batch.
    if not target.where.startswith("http"):
        return target, Controls(target.transport, token)
    own = HttpTransport(target.where)
    return target, Controls(own, token, own.close)


@contextmanager
def _in_environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


class Traffic:
    """A few customers with real rows and one thief, sent a step at a time.

    Their rows are the half of the pool that no monitor has seen: a third belongs to the customers, the rest to the
    thief, none to both. A refused thief asks the same rows again at the next step; a refused customer gives up.
    """

    def __init__(self, target: Target, *, customers: int = 3, seed: int = 0):
        self._target, self._rng = target, np.random.default_rng(seed)
        rows = split_pool(target)[2]
        rows = rows[self._rng.permutation(len(rows))]
        self._others, self._own = np.split(rows, [len(rows) // 3])
        self._customers = [target.api(f"customer {number + 1}") for number in range(customers)]
        self._stream = np.empty((0, rows.shape[1]))
        self._thieves = 0
        self.thief = ""

    def start_theft(self, kind: str) -> str:
        """A new thief of ``kind`` (one of THIEVES) begins with the next step, under a key of its own; the key."""
        if kind not in THIEVES:
            raise ValueError(f"a thief is one of {', '.join(THIEVES)}, not {kind!r}")
        self._thieves += 1
        self.thief = f"thief {self._thieves}"
        count = len(self._own)
        self._stream = THIEVES[kind](self._target.model(), self._own, _nobody, self._rng, count)
        return self.thief

    def stop_theft(self) -> None:
        """The thief asks no more."""
        self.thief = ""

    def step(self) -> None:
        """A customer may ask a row or two; the thief asks the next BATCH rows. A thief without rows left stops."""
        for api in self._customers:
            if self._rng.random() < 0.12:
                self._ask(api, self._others[self._rng.integers(len(self._others), size=self._rng.integers(1, 3))])
        if self.thief:
            if self._ask(self._target.api(self.thief), self._stream[:BATCH]):
                self._stream = self._stream[BATCH:]
            if not len(self._stream):
                self.stop_theft()

    @staticmethod
    def _ask(api: Any, rows: np.ndarray) -> bool:
        try:
            api.predict(rows)
        except QueryRefused as refused:
            if refused.status != 429:
                raise
            return False
        return True


def _nobody(rows: np.ndarray) -> np.ndarray:
    raise AssertionError("a thief of the control room plans its rows without asking")
