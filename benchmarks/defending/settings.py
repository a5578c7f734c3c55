"""The strength at which each defence stands in the table. What is not named here stands at its defaults.

The door is met by an insider with the role ``ROLE``. Its answers are measured without the daily limit, which only takes
time; the time is measured with the limit.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace

from benchmarks.defending.field import Ground
from targets import Defence
from targets.access import DEFAULT_POLICY, Policy
from targets.defences import DEFENCES
from targets.defences.by_role import ByRole

_SECRET = "a secret of the benchmark"
_DAY = 86_400
ROLE = "analyst"


def _without_limit() -> str:
    roles = {ROLE: replace(DEFAULT_POLICY.role(ROLE), rows_a_day=None)}
    policy = Policy(roles=roles, public=DEFAULT_POLICY.public)
    return base64.urlsafe_b64encode(json.dumps(policy.to_data()).encode()).decode()


SETTINGS: dict[str, Callable[[Ground, int], dict]] = {
    "rounding": lambda ground, seed: {"decimals": 1},
    "laplace_noise": lambda ground, seed: {"scale": 0.1, "secret": _SECRET},
    "gaussian_noise": lambda ground, seed: {"sigma": 0.2, "seed": seed},
    "keep_top": lambda ground, seed: {"sigma": 0.2, "secret": _SECRET},
    "boundary_noise": lambda ground, seed: {"secret": _SECRET},
    "misinformation": lambda ground, seed: {"known": ground.victim(seed).train.X},
    "keyed_mark": lambda ground, seed: {"secret": _SECRET},
    "margin_mark": lambda ground, seed: {"secret": _SECRET, "known": ground.victim(seed).train.X},
    "honeypot": lambda ground, seed: {"secret": _SECRET, "known": ground.victim(seed).train.X, "suspects": ["thief"]},
    "fixed_window": lambda ground, seed: {"rows": 100, "seconds": 3600},
    "sliding_window": lambda ground, seed: {"rows": 100, "seconds": 3600},
    "token_bucket": lambda ground, seed: {"rows": 200, "rate": 0.0025},
    "daily_budget": lambda ground, seed: {"rows": 200},
    "delay": lambda ground, seed: {"rows": 100, "rate": 0.02, "longest": 0},
    "global_budget": lambda ground, seed: {"rows": 20_000, "seconds": _DAY},
    "cluster_budget": lambda ground, seed: {"rows": 1000, "seconds": _DAY, "by": "network"},
    "door": lambda ground, seed: {"policy": _without_limit()},
}


def build(name: str, ground: Ground, seed: int) -> Defence:
    """A fresh defence ``name`` as it stands in the table, for the victim of ``seed``."""
    settings = SETTINGS.get(name, lambda ground, seed: {})
    return DEFENCES[name](**settings(ground, seed))


def limits(name: str, ground: Ground) -> bool:
    """Whether defence ``name`` may turn queries away."""
    return type(limiter(name, ground)).before is not Defence.before


def limiter(name: str, ground: Ground) -> Defence:
    """A fresh defence ``name`` as queries meet it; the door's part in it is its policy."""
    return ByRole(DEFAULT_POLICY, account_of=lambda key: key) if name == "door" else build(name, ground, 0)


def changes_answers(name: str, ground: Ground) -> bool:
    """Whether defence ``name`` may change answers."""
    defence = build(name, ground, 0)
    return name == "door" or type(defence).after is not Defence.after or defence.hides_probabilities


def described(name: str, ground: Ground) -> str:
    """The setting in words, as the table has it."""
    if name == "door":
        role = DEFAULT_POLICY.role(ROLE)
        return f"Door, role {ROLE}: {role.decimals} decimals, {role.rows_a_day} rows a day"
    return repr(build(name, ground, 0)).replace(", by='key'", "").replace(", store='memory'", "")
