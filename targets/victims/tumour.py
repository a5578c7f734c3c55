"""Tumour diagnosis: real data, the Wisconsin diagnostic breast cancer set inside scikit-learn (569 rows, CC BY 4.0).

Real: 30 measurements of cell nuclei and the diagnosis. Invented: the vendor and the documented ranges, which are
round numbers a laboratory would print, wide enough for every row. The seed decides who owns which row.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_breast_cancer

from targets.victims.base import Dataset, Feature

DEFAULT_MODEL = "linear"
# measurement: unit, then the upper limit of its mean, standard error and worst value over the nuclei of one image
_LIMITS: dict[str, tuple[str, tuple[float, float, float]]] = {
    "radius": ("px", (40, 5, 50)),
    "texture": ("grey levels", (50, 6, 60)),
    "perimeter": ("px", (250, 30, 300)),
    "area": ("px^2", (3000, 600, 5000)),
    "smoothness": ("", (0.2, 0.05, 0.3)),
    "compactness": ("", (0.5, 0.2, 1.5)),
    "concavity": ("", (0.6, 0.5, 1.5)),
    "concave_points": ("", (0.3, 0.1, 0.4)),
    "symmetry": ("", (0.4, 0.1, 0.8)),
    "fractal_dimension": ("", (0.15, 0.05, 0.3)),
}


def make(rng: np.random.Generator) -> Dataset:
    """The breast cancer rows with 30 features; ``rng`` is not used, the data is fixed."""
    X, y = load_breast_cancer(return_X_y=True)
    features = tuple(
        Feature(f"{statistic}_{name}", 0, _LIMITS[name][1][column], _LIMITS[name][0])
        for column, statistic in enumerate(("mean", "error", "worst"))
        for name in _LIMITS
    )
    return Dataset(
        title="Tumour diagnosis from a cell image",
        features=features,
        classes=("malignant", "benign"),
        X=X.astype(np.float64),
        y=y.astype(np.int64),
    )
