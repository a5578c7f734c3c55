"""Handwritten digits: real data, scikit-learn's copy of the UCI test set (1,797 images, 8 x 8 pixels, CC BY 4.0).

Real: the images and their labels. Invented: nothing but the vendor. The seed decides who owns which row.
The documented range of a pixel is 0 to 16 ink units, and that range also scales the inputs of the model.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from targets.victims.base import Dataset, Feature

DEFAULT_MODEL = "network"


def make(rng: np.random.Generator) -> Dataset:
    """The digits rows with 64 pixel features named by row and column; ``rng`` is not used, the data is fixed."""
    X, y = load_digits(return_X_y=True)
    pixels = tuple(Feature(f"pixel_{row}_{column}", 0, 16, "ink") for row in range(8) for column in range(8))
    return Dataset(
        title="Postal code reader: digit of an 8 x 8 image",
        features=pixels,
        classes=tuple("0123456789"),
        X=X.astype(np.float64),
        y=y.astype(np.int64),
        scaling="range",
    )
