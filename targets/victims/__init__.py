"""The victims: six data sets times seven model families, each built deterministically from a name and a seed."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from threading import Lock
from types import ModuleType

import numpy as np

from targets.victims import credit, digits, fraud, mail, readmission, tumour
from targets.victims.base import Dataset, Feature, Part, Victim
from targets.victims.cache import fit_or_load
from targets.victims.models import MODELS, fit
from targets.victims.scoring import scorer
from targets.victims.split import split

__all__ = ["MODELS", "VICTIMS", "Feature", "Part", "Victim", "load_victim"]

# Each module has make(rng) -> Dataset, and DEFAULT_MODEL: the family its vendor would choose.
VICTIMS: dict[str, ModuleType] = {
    "digits": digits,
    "tumour": tumour,
    "fraud": fraud,
    "credit": credit,
    "mail": mail,
    "readmission": readmission,
}
_KEPT = 32  # victims kept in memory; the oldest unused one goes first
_memory: OrderedDict[tuple[str, int, str], Victim] = OrderedDict()
_lock = Lock()


def load_victim(name: str, seed: int = 0, model: str | None = None) -> Victim:
    """Return the victim ``name`` for ``seed``: the same bytes in every process on this machine.

    ``model`` is one of ``MODELS``, or None for what this vendor would choose. Fitted once, then kept in memory and on
    disk (see ``targets.victims.cache``). Raises ValueError that lists the choices when a name is unknown.
    """
    _check(name, seed, model)
    key = (name, int(seed), model or VICTIMS[name].DEFAULT_MODEL)
    with _lock:
        if key not in _memory:
            _memory[key] = _build(*key)
        _memory.move_to_end(key)
        while len(_memory) > _KEPT:
            _memory.popitem(last=False)
        return _memory[key]


def _check(name: str, seed: int, model: str | None) -> None:
    if name not in VICTIMS:
        raise ValueError(f"no victim is named {name!r}; choose one of {', '.join(VICTIMS)}")
    if model is not None and model not in MODELS:
        raise ValueError(f"no model is named {model!r}; choose one of {', '.join(MODELS)}")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"a seed is a whole number from 0 up, not {seed!r}")


def _build(name: str, seed: int, family: str) -> Victim:
    # Three independent streams, so that one more draw in a generator cannot move the split or the fit.
    rows, parts, fitting = np.random.SeedSequence([zlib.crc32(name.encode()), seed]).spawn(3)
    dataset: Dataset = VICTIMS[name].make(np.random.default_rng(rows))
    train, pool, test = split(dataset.X, dataset.y, np.random.default_rng(parts))
    state = int(fitting.generate_state(1)[0])
    estimator = fit_or_load(f"{name}-{family}-{seed}", train, lambda: fit(family, dataset, train, state))
    facts = (name, family, seed, dataset.title, dataset.features, dataset.classes)
    return Victim(*facts, train, pool, test, estimator, scorer(estimator))
