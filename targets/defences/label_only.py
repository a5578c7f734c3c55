"""Answer with the class name alone."""

from __future__ import annotations

import numpy as np

from targets.defences.base import Defence, Query
from targets.victims.base import Floats


class LabelOnly(Defence):
    """Hide every probability; the customer gets the winning class and nothing else.

    Stops: attacks that solve equations in the probabilities, and tree path finding, which reads them as leaf names.
    Does not stop: retraining on labels, or line searches along the decision boundary (Lowd and Meek 2005); those pay
    more queries, up to about ten times more on linear models and little more elsewhere.
    Costs the honest customer: all confidence. No thresholds, no ranking, no "ask a person when unsure".
    """

    hides_probabilities = True

    def after(self, query: Query, probabilities: Floats) -> Floats:
        """Return one-hot rows (n, K): what the reply gives away, for defences further down and for tests."""
        return np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]
