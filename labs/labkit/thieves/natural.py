"""The thief who owns real rows of the same kind, without their labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from labkit.api import Api
from labkit.surrogates import fit_surrogate
from labkit.thieves.base import Theft, draw


def steal_natural(
    api: Api, pool: Any, *, budget: int, rng: np.random.Generator, kind: str = "network", soft: bool = True
) -> Theft:
    """Ask ``budget`` different rows of ``pool`` (n, d) and fit a copy (Orekondy et al. 2019 ask natural images so).

    To the target this thief looks like any customer.
    """
    pool = np.asarray(pool, dtype=float)
    rows = pool[draw(pool, budget, rng)]
    answers = api.predict(rows)
    copy = fit_surrogate(rows, answers, kind=kind, seed=int(rng.integers(2**31)), soft=soft)
    return Theft("natural", copy, rows, answers)
