"""Save a model for MLflow, in the skops format: no pickle. ``python mlflow_model.py MODEL.skops FOLDER``."""

from __future__ import annotations

import sys

import mlflow.sklearn
import skops.io

if __name__ == "__main__":
    source, folder = sys.argv[1:]
    mlflow.sklearn.save_model(
        skops.io.load(source),
        folder,
        serialization_format="skops",
        pyfunc_predict_fn="predict_proba",
        pip_requirements=[],  # the environment stands already
    )
