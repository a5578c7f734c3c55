"""Models that took long to fit, on disk, so that a target starts quickly all the same. skops files, never pickles.

The folder is ``MTL_CACHE``, else the user's cache folder; ``MTL_CACHE=off`` keeps nothing on disk. A file opens with a
SHA-256 of its identity (name, versions, training rows) and its content. Whatever does not match, does not parse or
holds a type that is not on the fixed list is fitted again. The digest stops damage and swapped files; against someone
who may write in your cache folder and recomputes it, the list of types still means that no code of theirs runs.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from targets.victims import models, private
from targets.victims.base import Part

TRUSTED = [
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
]
_DIGEST = 32
# Seconds of fitting that are worth a file: importing skops, which walks through all of scikit-learn, takes one or two.
WORTH = 2.0
# Whoever edits a model family gets a new fit without having to remember a version number.
_SOURCE = inspect.getsource(models) + inspect.getsource(private)
_CODE_VERSION = hashlib.sha256(_SOURCE.encode()).hexdigest()[:8]
_log = logging.getLogger(__name__)


def cache_folder() -> Path | None:
    """Where fitted models are kept; None when ``MTL_CACHE=off``."""
    chosen = os.environ.get("MTL_CACHE")
    if chosen:
        return None if chosen == "off" else Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "model-theft-labs"


def cache_file(name: str) -> Path | None:
    """The file for the victim ``name`` ("digits-network-0"); its name carries every version that matters."""
    folder = cache_folder()
    versions = "-".join(f"{package[:3]}{version(package)}" for package in ("scikit-learn", "numpy", "skops"))
    python = f"py{sys.version_info[0]}.{sys.version_info[1]}"
    return folder and folder / f"{name}-{_CODE_VERSION}-{versions}-{python}.skops"


def fit_or_load(name: str, train: Part, fit: Callable[[], Any]) -> Any:
    """The fitted estimator from the cache if its file is sound, else from ``fit()``; written if that took long."""
    file = cache_file(name)
    if file is None:
        return fit()
    identity = hashlib.sha256(file.name.encode() + train.X.tobytes() + train.y.tobytes()).digest()
    estimator = _load(file, identity)
    if estimator is None:
        began = time.process_time()
        estimator = fit()
        if time.process_time() - began >= WORTH:
            _save(file, identity, estimator)
    return estimator


def _load(file: Path, identity: bytes) -> Any:
    try:
        content = file.read_bytes()
    except OSError:
        return None
    digest, payload = content[:_DIGEST], content[_DIGEST:]
    if digest != hashlib.sha256(identity + payload).digest():
        _log.warning("the cached model %s is damaged or older than the code; it is fitted again", file.name)
        return None
    import skops.io

    try:
        return skops.io.loads(payload, trusted=TRUSTED)
    except Exception as error:  # any failure of an untrusted file means the same: do not use it
        _log.warning("the cached model %s cannot be read (%s); it is fitted again", file.name, type(error).__name__)
        return None


def _save(file: Path, identity: bytes, estimator: Any) -> None:
    import skops.io

    payload = skops.io.dumps(estimator)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=file.parent, prefix=".draft-")
        with os.fdopen(handle, "wb") as out:
            out.write(hashlib.sha256(identity + payload).digest() + payload)
        os.replace(draft, file)  # readers see the old file or the whole new one
    except OSError as error:
        _log.warning("the fitted model could not be cached in %s (%s); it works without", file.parent, error)
