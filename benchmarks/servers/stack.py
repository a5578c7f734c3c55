"""The full defence stack, layer by layer, as settings of a target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from targets.defences import Rounding

LAYERS = ("bare", "log", "full")
KEY = "customer"
FULL = "one known key, answers rounded to 3 decimals, query log on disk"


def settings(layer: str, folder: Path) -> dict[str, Any]:
    """Keyword arguments of ``TargetConfig`` for ``layer``; its databases lie in ``folder``."""
    if layer not in LAYERS:
        raise ValueError(f"no layer is named {layer!r}; choose one of {', '.join(LAYERS)}")
    reached = LAYERS[: LAYERS.index(layer) + 1]
    chosen: dict[str, Any] = {}
    if "log" in reached:  # on disk: a record survives kill -9
        chosen["log_url"] = f"sqlite:///{folder / 'log.sqlite'}"
    if "full" in reached:
        chosen["keys"] = frozenset({KEY})
        chosen["defences"] = (Rounding(3),)
    return chosen


def key_for(layer: str, folder: Path) -> str:
    """A key that may ask the target of ``layer`` whose databases lie in ``folder``."""
    return KEY
