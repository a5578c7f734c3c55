"""The thief who owns no data: random points within the documented ranges."""

from __future__ import annotations

from typing import Any

import numpy as np

from labkit.api import Api
from labkit.surrogates import fit_surrogate
from labkit.thieves.base import Theft


def steal_random(
    api: Api, pool: Any = None, *, budget: int, rng: np.random.Generator, kind: str = "network", soft: bool = True
) -> Theft:
    """Ask ``budget`` uniform points of the feature box and fit a copy. ``pool`` is not used.

    Cheap and honest about its weakness: few of its points look like anything the victim was trained for
    (Tramèr et al. 2016 call it uniform retraining).
    """
    card = api.model()
    rows = rng.uniform(card.low, card.high, (budget, len(card.features)))
    answers = api.predict(rows)
    return Theft(
        "random", fit_surrogate(rows, answers, kind=kind, seed=int(rng.integers(2**31)), soft=soft), rows, answers
    )
