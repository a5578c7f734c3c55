"""The folder that left the building: one vendor's models in the formats in which models travel. Same seed, same models.

Real: the tumour rows (569 patients' measurements, inside scikit-learn). Invented: the vendor, the tickets, the people.
"""

from __future__ import annotations

import base64
import json
import pickle
import tempfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from labkit.artefacts.readers import file_kind
from labkit.artefacts.tickets import Tickets, make_tickets
from labkit.plots import Table

FAMILIES: dict[str, Any] = {
    "linear": lambda: LogisticRegression(max_iter=2000),
    "neighbours": lambda: KNeighborsClassifier(5),
    "support vectors": lambda: SVC(),
    "forest": lambda: RandomForestClassifier(30, random_state=0),
}


@dataclass(frozen=True)
class Leak:
    """``files`` by name; and, for checking only, what the vendor trained on: ``rows`` (n, d), ``labels``, ``tickets``.

    ``features`` are the names of the d columns; ``probe`` (m, d) holds rows that no model in the folder was trained on.
    ``leak["pkl"]`` is a file's bytes.
    """

    files: dict[str, Path]
    features: tuple[str, ...]
    rows: np.ndarray
    labels: np.ndarray
    probe: np.ndarray
    tickets: Tickets
    temporary: tempfile.TemporaryDirectory | None = field(default=None, repr=False)

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return next(iter(self.files.values())).parent

    def __getitem__(self, name: str) -> bytes:
        """The bytes of the file called ``name``."""
        return self.files[name].read_bytes()

    def table(self) -> Table:
        """Each file with its name here, its size in bytes and the kind that its first bytes give away."""
        rows = [(name, path, self[name]) for name, path in self.files.items()]
        return Table(
            [{"name": n, "file": p.name, "bytes": len(d), "first bytes say": file_kind(d)} for n, p, d in rows],
            caption="The leaked folder",
        )


def leak_files(folder: str | Path | None = None, *, seed: int = 0) -> Leak:
    """Train the vendor's models and write its files to ``folder``, or to a temporary one that goes with the Leak."""
    temporary = tempfile.TemporaryDirectory(prefix="leak-") if folder is None else None
    folder = Path(temporary.name if temporary else str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    data = load_breast_cancer()
    order = rng.permutation(len(data.data))
    mine, others = order[: len(order) // 2], order[len(order) // 2 :]
    rows, labels = data.data[mine], data.target[mine]
    models = {name: make_pipeline(StandardScaler(), make()).fit(rows, labels) for name, make in FAMILIES.items()}
    tickets = make_tickets(rng)
    models["tickets"] = make_pipeline(TfidfVectorizer(token_pattern=r"\S+"), LogisticRegression()).fit(
        tickets.texts, tickets.topics
    )
    import skops.io

    files = {name: folder / f"{name.replace(' ', '_')}.skops" for name in models}
    for name, path in files.items():
        skops.io.dump(models[name], path)
    files |= _other_formats(folder, models["linear"], rows, rng)
    return Leak(files, tuple(map(str, data.feature_names)), rows, labels, data.data[others], tickets, temporary)


def _other_formats(folder: Path, model: Pipeline, rows: np.ndarray, rng: np.random.Generator) -> dict[str, Path]:
    """The linear model again: as joblib, pickle, ONNX, and as the vendor's own "protected" file."""
    paths = {kind: folder / f"linear.{kind}" for kind in ("joblib", "pkl", "onnx", "vendor")}
    joblib.dump(model, paths["joblib"])
    paths["pkl"].write_bytes(pickle.dumps(model, protocol=4))
    paths["onnx"].write_bytes(_onnx(model, rows))
    paths["vendor"].write_bytes(_vendor_file(model, rng))
    return paths


def _onnx(model: Pipeline, rows: np.ndarray) -> bytes:
    # Imported here: 0.5 s and 30 MB that only this line needs, and Python in the browser has no onnx.
    from skl2onnx import to_onnx

    return to_onnx(model, rows[:1].astype(np.float32), options={"zipmap": False}).SerializeToString()


def _vendor_file(model: Pipeline, rng: np.random.Generator) -> bytes:
    """What is sold as protection: short names, shuffled columns, zlib, Base64. No key anywhere."""
    scaler, linear = model[0], model[-1]
    weights = linear.coef_[0] / scaler.scale_
    order = rng.permutation(len(weights))
    content = {
        "a": weights[order].tolist(),
        "b": float(linear.intercept_[0] - weights @ scaler.mean_),
        "c": order.tolist(),
    }
    return b"VNDR1:" + base64.b64encode(zlib.compress(json.dumps(content).encode()))
