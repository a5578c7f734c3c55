"""The trade-off plane: one point a defence setting, from lists of ``BlurOutcome``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from labkit.blurring import NOTHING, BlurOutcome

SECRET = "the grid's secret"
# The strengths of the lab's grid; noise is keyed, the stronger form, since it does not average out over repeats.
GRID = (
    NOTHING,
    "rounding:decimals=2",
    "rounding:decimals=1",
    "top_k:k=1",
    "label_only",
    *(f"gaussian_noise:sigma={s},secret={SECRET}" for s in (0.1, 0.2, 0.4, 0.8)),
    *(f"laplace_noise:scale={s},secret={SECRET}" for s in (0.1, 0.3)),
    *(f"keep_top:sigma={s},secret={SECRET}" for s in (0.2, 0.5, 1.0)),
    *(f"reverse_sigmoid:beta={b},gamma=0.4" for b in (0.3, 0.6, 1.0)),
    *(f"boundary_noise:zone={z},epsilon=0.1,secret={SECRET}" for z in (0.3, 0.6, 0.95)),
    *("misinformation:known=VICTIM,share=" + s for s in ("0.02", "0.1")),
)
# A forest takes seconds to copy where a linear model takes hundredths: every other strength.
SHORT_GRID = tuple(
    s for s in GRID if re.search(r"none|decimals=1|label|gauss.*=0.[28]|keep.*=1.0|beta=1.0|zone=0.[39]|share=0.1", s)
)


def grid(victim: str, *, short: bool = False) -> tuple[str, ...]:
    """The settings to try on ``victim``, as ``blur_outcomes`` takes them."""
    return tuple(s.replace("VICTIM", victim) for s in (SHORT_GRID if short else GRID))


@dataclass(frozen=True)
class Point:
    """One setting on the plane. ``agreement`` is the best thief's mean over seeds, ``low`` and ``high`` its range.

    ``thieves`` maps each thief to its mean agreement; ``accuracy_lost`` is in shares of rows, against no defence.
    """

    victim: str
    setting: str
    customer_accuracy: float
    accuracy_lost: float
    labels_changed: float
    distortion: float
    thieves: dict[str, float]
    best_thief: str
    agreement: float
    low: float
    high: float

    @property
    def defence(self) -> str:
        """The defence's name without its strength."""
        return self.setting.partition(":")[0]

    @property
    def strength(self) -> str:
        """The setting that varies, as "sigma = 0.2"; "" if there is none."""
        first = self.setting.partition(":")[2].split(",")
        varied = next((part for part in first if not part.startswith(("secret", "known", "gamma", "epsilon"))), "")
        return varied.replace("=", " = ")

    @property
    def name(self) -> str:
        """Defence and strength, as a person writes them."""
        return f"{self.defence.replace('_', ' ')} {self.strength}".strip()

    def row(self) -> dict:
        """A row of a table."""
        return {
            "victim": self.victim,
            "defence": self.name,
            "customer's accuracy": self.customer_accuracy,
            "labels changed": self.labels_changed,
            "distortion": self.distortion,
            "best thief": self.best_thief,
            "its agreement": self.agreement,
            "lowest": self.low,
            "highest": self.high,
        }


def plane(outcomes: Iterable[BlurOutcome]) -> list[Point]:
    """One ``Point`` for each (victim, setting), in order of first appearance.

    The thief who counts is the one with the best *mean* over seeds: taking each seed's best would pick luck.
    """
    groups: dict[tuple[str, str], list[BlurOutcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.victim, outcome.setting), []).append(outcome)
    bare = {victim: runs[0].customer_accuracy for (victim, setting), runs in groups.items() if setting == NOTHING}
    return [_point(runs, bare.get(victim)) for (victim, _), runs in groups.items()]


def _point(runs: Sequence[BlurOutcome], bare: float | None) -> Point:
    first = runs[0]
    reached = {thief: [r.agreement for r in runs if r.thief == thief] for thief in dict.fromkeys(r.thief for r in runs)}
    means = {thief: float(np.mean(values)) for thief, values in reached.items()}
    best = max(means, key=lambda thief: means[thief])
    accuracy = float(first.customer_accuracy or 0.0)
    return Point(
        victim=first.victim,
        setting=first.setting,
        customer_accuracy=accuracy,
        accuracy_lost=0.0 if bare is None else bare - accuracy,
        labels_changed=first.labels_changed,
        distortion=first.distortion,
        thieves=means,
        best_thief=best,
        agreement=means[best],
        low=min(reached[best]),
        high=max(reached[best]),
    )


def find_point(points: Iterable[Point], victim: str, defence: str, strength: str = "") -> Point:
    """The point of this setting. Raises KeyError that names what there is."""
    mine = [p for p in points if p.victim == victim and p.defence == defence]
    for point in mine:
        if strength in ("", point.strength):
            return point
    raise KeyError(f"{victim} has no {defence} {strength}; measured: {', '.join(p.name for p in mine) or 'nothing'}")


def admissible(
    points: Iterable[Point], *, accuracy_lost: float = 1.0, distortion: float = 2.0, agreement: float = 1.0
) -> list[Point]:
    """The points that cost a customer at most ``accuracy_lost`` and ``distortion`` and leave the best thief at most
    ``agreement``.
    """
    slack = 1e-9
    return [
        p
        for p in points
        if p.accuracy_lost <= accuracy_lost + slack
        and p.distortion <= distortion + slack
        and p.agreement <= agreement + slack
    ]


def verdict_rows(points: Iterable[Point], *, spare: float = 0.01) -> list[dict]:
    """For each victim: what the best thief gets undefended, and what at best (for the vendor) among defences that
    spare the customer's labels (accuracy lost at most ``spare``), and among all.
    """
    points, rows = list(points), []
    for victim in dict.fromkeys(p.victim for p in points):
        mine = [p for p in points if p.victim == victim]
        bare = find_point(mine, victim, NOTHING)
        gentle = min((p for p in mine if p.accuracy_lost <= spare + 1e-9), key=lambda p: p.agreement)
        harsh = min(mine, key=lambda p: p.agreement)
        rows.append(
            {
                "victim": victim,
                "thief, undefended": bare.agreement,
                f"thief, accuracy lost ≤ {spare:g}": gentle.agreement,
                "by": gentle.name,
                "its distortion": gentle.distortion,
                "thief, any price": harsh.agreement,
                "by ": harsh.name,
                "accuracy lost": harsh.accuracy_lost,
            }
        )
    return rows
