"""A device of the labs: all monitors watch at once, and the target hands out what they thought of every row."""

from __future__ import annotations

from typing import Any

from targets.defences.base import Query
from targets.victims import load_victim
from targets.watch.forest import Forest
from targets.watch.guard import Guard
from targets.watch.martingale import Martingale
from targets.watch.prada import Prada
from targets.watch.reference import Reference
from targets.watch.rules import Spike

MOST_ROWS = 100_000  # scores kept, over all keys; a lab sends far fewer


class Watch(Guard):
    """``watch:victim=credit``: the monitors of this room, calibrated with rows of ``victim`` that never leave it.

    With ``stop`` a key that the martingale alarms is stopped; the others only watch. ``history`` holds each monitor's
    score after each row, by key. No vendor would hand that out: it is the manual for staying below the alarm.
    """

    def __init__(self, victim: str = "digits", seed: int = 0, stop: bool = False, threshold: float = 100.0):
        reference = Reference.of(load_victim(victim, seed=seed))
        self._acting = Guard([Martingale(reference, threshold)], stop=bool(stop))
        super().__init__([*self._acting.monitors, Spike(), Prada(reference), Forest(reference)], stop=bool(stop))
        self.history: dict[str, dict[str, list[float]]] = {}
        self._states: dict[str, list[Any]] = {}
        self._kept = 0

    def before(self, query: Query) -> None:
        """Let each monitor look, note its scores, then do what the martingale's guard says."""
        with self._lock:
            if self._kept < MOST_ROWS:
                self._note(query)
        try:
            self._acting.before(query)
        finally:
            self.alerts = self._acting.alerts

    def _note(self, query: Query) -> None:
        states = self._states.setdefault(query.key, [monitor.start() for monitor in self.monitors])
        mine = self.history.setdefault(query.key, {monitor.name: [] for monitor in self.monitors})
        for monitor, state in zip(self.monitors, states, strict=True):
            mine[monitor.name] += [float(score) for score in state.update(query.rows, query.time)]
        self._kept += len(query.rows) * len(states)

    def told(self) -> dict[str, Any]:
        """Everything as data: thresholds and scores by monitor, alerts in order."""
        with self._lock:
            return {
                "thresholds": {monitor.name: monitor.threshold for monitor in self.monitors},
                "scores": {key: dict(mine) for key, mine in self.history.items()},
                "alerts": [vars(alert) for alert in self.alerts],
            }
