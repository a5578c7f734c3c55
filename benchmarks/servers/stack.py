"""The full defence stack, layer by layer, as settings of a target.

Each layer is the one before with one more thing: "bare" is the target as the labs start it (any key, no defence, query
log in memory); "log" keeps the query log on disk; "keys" adds the key authority, its roles and audit trail; "limits" a
sliding window and a daily budget; "full" keyed noise. The limits count every row and are too high to be reached.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from targets import Defence
from targets.access import KeyAuthority, Policy, Role
from targets.defences import DailyBudget, KeepTop, SlidingWindow

LAYERS = ("bare", "log", "keys", "limits", "full")
_ROLE = "customer"
_PLENTY = 10**9
_POLICY = Policy(roles={_ROLE: Role(("POST /v1/predict",), "probabilities", 3, _PLENTY)})
_PEPPER = b"the benchmark's pepper, no secret"


def settings(layer: str, folder: Path) -> dict[str, Any]:
    """Keyword arguments of ``TargetConfig`` for ``layer``; its databases lie in ``folder``. Raises ValueError."""
    if layer not in LAYERS:
        raise ValueError(f"no layer is named {layer!r}; choose one of {', '.join(LAYERS)}")
    reached = LAYERS[: LAYERS.index(layer) + 1]
    defences: tuple[Defence, ...] = ()
    if "limits" in reached:
        defences += (SlidingWindow(rows=_PLENTY, seconds=60), DailyBudget(rows=_PLENTY))
    if "full" in reached:
        defences += (KeepTop(sigma=0.1, secret="the benchmark's secret"),)
    chosen: dict[str, Any] = {"defences": defences}
    if "log" in reached:
        chosen["log_url"] = f"sqlite:///{folder / 'log.sqlite'}"
    if "keys" in reached:
        chosen["keys"] = _authority(folder)
    return chosen


def key_for(layer: str, folder: Path) -> str:
    """A key that may ask the target of ``layer`` whose databases lie in ``folder``; issued before it starts."""
    if LAYERS.index(layer) < LAYERS.index("keys"):
        return "customer"
    authority = _authority(folder)
    key = authority.issue("customer", _ROLE, actor="benchmark").key
    authority.close()
    return key


def _authority(folder: Path) -> KeyAuthority:
    return KeyAuthority(f"sqlite:///{folder / 'keys.sqlite'}", pepper=_PEPPER, policy=_POLICY)
