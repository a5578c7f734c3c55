"""Answer with fewer decimals."""

from __future__ import annotations

import numpy as np

from targets.defences.base import Defence, Query
from targets.victims.base import Floats


class Rounding(Defence):
    """Round every probability to ``decimals`` (0 to 15) places. Rows may then sum to a little more or less than 1.

    Stops: exact copying of neural networks as first published, and the cheapest equation solving.
    Does not stop: retraining, which needs no digits; a linear model, which costs more queries and falls all the same;
    a forest, whose votes come in coarse steps already.
    Costs the honest customer: ranking among near-certain answers, calibration below the last digit; with one decimal
    or none, ties (the reply's label still follows the model's own choice).
    """

    def __init__(self, decimals: int = 3):
        if isinstance(decimals, bool) or not isinstance(decimals, int) or not 0 <= decimals <= 15:
            raise ValueError(f"decimals is a whole number from 0 to 15, not {decimals!r}")
        self.decimals = decimals

    def after(self, query: Query, probabilities: Floats) -> Floats:
        """Return the rounded (n, K) probabilities."""
        return np.round(probabilities, self.decimals)
