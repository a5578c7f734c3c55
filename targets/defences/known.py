"""Ordinary rows that a defence measures others by: a table, or a victim's training rows by its name."""

from __future__ import annotations

from typing import Any

import numpy as np

from targets.victims import load_victim
from targets.victims.base import Floats


def known_rows(known: Any, seed: int, least: int) -> tuple[Floats, str]:
    """The rows (n, d) that ``known`` stands for, and how to name them in a repr; a victim's are those of ``seed``.

    Raises ValueError when there is none, or not a table of at least ``least`` rows.
    """
    if known is None:
        raise ValueError("known is a table of ordinary rows, or the name of a victim whose training rows to take")
    by_name = isinstance(known, str)
    rows = load_victim(known, seed=seed).train.X if by_name else np.asarray(known, dtype=np.float64)
    if rows.ndim != 2 or len(rows) < least:
        raise ValueError(f"known is a table of at least {least} rows, not of shape {rows.shape}")
    return rows, known if by_name else f"{len(rows)} rows"
