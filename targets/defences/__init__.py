"""The defences by name, and how the command line writes them: ``rounding:decimals=2``."""

from __future__ import annotations

import ast
import inspect
from typing import Any

from targets.defences.base import Answer, Defence, DefenceFailed, Pipeline, Query, Refused
from targets.defences.boundary_noise import BoundaryNoise
from targets.defences.cluster_budget import ClusterBudget
from targets.defences.daily_budget import DailyBudget
from targets.defences.delay import Delay
from targets.defences.door import Door
from targets.defences.fixed_window import FixedWindow
from targets.defences.gaussian_noise import GaussianNoise
from targets.defences.global_budget import GlobalBudget
from targets.defences.honeypot import Honeypot
from targets.defences.keep_top import KeepTop
from targets.defences.keyed_mark import KeyedMark
from targets.defences.label_only import LabelOnly
from targets.defences.laplace_noise import LaplaceNoise
from targets.defences.margin_mark import MarginMark
from targets.defences.menu import Menu
from targets.defences.misinformation import Misinformation
from targets.defences.reverse_sigmoid import ReverseSigmoid
from targets.defences.rounding import Rounding
from targets.defences.sliding_window import SlidingWindow
from targets.defences.switch import Switch
from targets.defences.token_bucket import TokenBucket
from targets.defences.top_k import TopK

__all__ = [
    "DEFENCES",
    "Answer",
    "BoundaryNoise",
    "ClusterBudget",
    "DailyBudget",
    "Defence",
    "DefenceFailed",
    "Delay",
    "Door",
    "FixedWindow",
    "GaussianNoise",
    "GlobalBudget",
    "Honeypot",
    "KeepTop",
    "KeyedMark",
    "LabelOnly",
    "LaplaceNoise",
    "MarginMark",
    "Menu",
    "Misinformation",
    "Pipeline",
    "Query",
    "Refused",
    "ReverseSigmoid",
    "Rounding",
    "SlidingWindow",
    "Switch",
    "TokenBucket",
    "TopK",
    "parse_defence",
]

DEFENCES: dict[str, type[Defence]] = {
    "label_only": LabelOnly,
    "rounding": Rounding,
    "top_k": TopK,
    "laplace_noise": LaplaceNoise,
    "gaussian_noise": GaussianNoise,
    "keep_top": KeepTop,
    "reverse_sigmoid": ReverseSigmoid,
    "boundary_noise": BoundaryNoise,
    "misinformation": Misinformation,
    "keyed_mark": KeyedMark,
    "margin_mark": MarginMark,
    "honeypot": Honeypot,
    "fixed_window": FixedWindow,
    "sliding_window": SlidingWindow,
    "token_bucket": TokenBucket,
    "daily_budget": DailyBudget,
    "delay": Delay,
    "cluster_budget": ClusterBudget,
    "global_budget": GlobalBudget,
    "door": Door,
}


def parse_defence(text: str) -> Defence:
    """Build a defence from ``name`` or ``name:setting=value,setting=value``. Raises ValueError naming the mistake.

    "menu", "watch" and "board" are devices of the labs: see ``Menu`` and targets.watch. "sentry" needs rows to
    know what is ordinary (``targets.watch.sentry.Sentry``); "switch:…" puts any of them behind a ``Switch``.
    """
    name, _, settings = text.partition(":")
    if text == "menu":
        return Menu(parse_defence)
    if name == "switch":
        return Switch(parse_defence(settings), settings)
    known_as = {**DEFENCES, **_devices()}
    if name not in known_as:
        raise ValueError(f"no defence is named {name!r}; choose one of {', '.join(DEFENCES)}")
    known = [p for p in inspect.signature(known_as[name]).parameters if p not in ("args", "kwargs")]
    chosen = dict(_setting(name, part, known) for part in settings.split(",") if part)
    try:
        return known_as[name](**chosen)
    except (TypeError, ValueError) as error:
        raise ValueError(f"defence {name}: {error}") from None


def _devices() -> dict[str, type[Defence]]:
    from targets.watch.board import Board  # they are made of defences, so they come after them
    from targets.watch.device import Watch
    from targets.watch.sentry import Sentry

    return {"watch": Watch, "sentry": Sentry, "board": Board}


def _setting(name: str, part: str, known: list[str]) -> tuple[str, Any]:
    setting, equals, value = part.partition("=")
    if setting not in known:
        choices = f"it has {', '.join(known)}" if known else "it has none"
        raise ValueError(f"defence {name} has no setting {setting!r}; {choices}")
    if not equals:
        raise ValueError(f"defence {name}: write {setting}=VALUE")
    try:
        return setting, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return setting, value
