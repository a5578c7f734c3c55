"""FastAPI over Uvicorn, as its own guide would write it. Runs in the benchmark's environment, not in the course's.

``python fastapi_app.py MODEL.skops [--direct]``. ``--direct`` does the model's arithmetic by hand, as our target does;
without it scikit-learn's ``predict_proba`` looks at every input once more.
"""

from __future__ import annotations

import argparse
import socket

import numpy as np
import skops.io
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from scipy.special import expit


class Rows(BaseModel):
    """The request."""

    rows: list[list[float]]


class Answer(BaseModel):
    """The reply."""

    labels: list[int]
    probabilities: list[list[float]]
    rows: int


def make_app(model, direct: bool) -> FastAPI:
    """One route that classifies rows."""
    app = FastAPI()
    score = direct_score(model) if direct else model.predict_proba

    @app.post("/v1/predict")
    def predict(body: Rows) -> Answer:
        probabilities = score(np.array(body.rows, dtype=np.float64))
        labels = probabilities.argmax(axis=1)
        return Answer(labels=labels.tolist(), probabilities=probabilities.tolist(), rows=len(labels))

    return app


def direct_score(model):
    """Scaling and logistic regression of two classes in three lines."""
    scaler, linear = model[0], model[1]
    weights, bias = linear.coef_[0], linear.intercept_[0]

    def score(rows):
        high = expit((rows - scaler.mean_) / scaler.scale_ @ weights + bias)
        return np.stack([1 - high, high], axis=1)

    return score


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--direct", action="store_true")
    options = parser.parse_args()
    app = make_app(skops.io.load(options.model), options.direct)
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]} serves {options.model}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
