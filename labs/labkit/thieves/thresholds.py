"""One threshold of a tree, by asking values of one feature."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np


def search_threshold(near: float, far: float, known: list[float], slack: float) -> Generator[float, bool, float]:
    """Yields values to ask and takes whether each still gives the answer of ``near``; returns the threshold.

    It lies between ``near`` and ``far``; ``known`` places are tried first, else the way is halved until it is shorter
    than ``slack``. A new place is moved to the roundest number within the slack, which is asked itself: data is round,
    and a threshold midway between two round values is one that rows really have.
    """
    toward = 1.0 if far > near else -1.0
    while abs(far - near) > slack:
        between = sorted(k for k in known if min(near, far) + slack < k < max(near, far) - slack)
        if not between:
            middle = (near + far) / 2
            near, far = (middle, far) if (yield middle) else (near, middle)
            continue
        candidate = between[len(between) // 2]
        if (yield candidate + toward * slack):
            near = candidate + toward * slack
        elif (yield candidate - toward * slack):
            return candidate
        else:
            far = candidate - toward * slack
    low, high = min(near, far), max(near, far)
    place = roundest(low, high)
    # A tree sends x <= threshold to the left: a row that has the very value tells on which side of it the threshold is.
    return place if (yield place) == (near < far) else (low + place) / 2


def roundest(low: float, high: float) -> float:
    """The number with the fewest digits from ``low`` to ``high``."""
    for digits in range(-6, 12):
        place = round(np.ceil(low * 10.0**digits) / 10.0**digits, max(digits, 0))
        if low <= place <= high:
            return float(place)
    return (low + high) / 2
