"""Where noise comes from: fresh at every query, or a keyed function of the row. Both vectorised."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np

from targets.victims.base import Floats

SHORTEST_SECRET = 8
_GOLDEN, _FIRST, _SECOND = map(np.uint64, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


class Draws:
    """Uniform numbers in (0, 1) for each row, ``uniform(rows, width)`` -> (n, width).

    Without ``secret`` they are fresh: the same row asked twice gets other numbers, from a generator seeded with
    ``seed`` (None: by the operating system). With ``secret`` they are a function of (secret, ``purpose``, the row's
    bytes): the same row gets the same numbers in every batch, process and year, and nobody without the secret can
    compute them. A row that differs in its last bit is another row.
    """

    def __init__(self, *, secret: Any = None, seed: int | None = None, purpose: str = "noise"):
        self._key = None if secret is None else _key_of(secret, purpose)
        self._rng = np.random.default_rng(_checked_seed(seed))

    def uniform(self, rows: Floats, width: int) -> Floats:
        """``width`` numbers for each of ``rows`` (n, d), strictly between 0 and 1."""
        if self._key is None:
            return self._rng.random((len(rows), width)) * (1 - 2**-52) + 2**-53
        return _counter_numbers(_seeds(rows, self._key), width)


_FEW = 12  # numbers
_ALL = 2**64 - 1


def _key_of(secret: Any, purpose: str) -> bytes:
    text = secret if isinstance(secret, bytes) else str(secret).encode()
    if len(text) < SHORTEST_SECRET:
        raise ValueError(f"secret needs at least {SHORTEST_SECRET} characters: a thief can try short ones in turn")
    return blake2b(purpose.encode(), key=blake2b(text).digest(), digest_size=32).digest()


def _checked_seed(seed: Any) -> int | None:
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or seed < 0):
        raise ValueError(f"seed is a whole number from 0 up, or None for noise nobody can repeat; not {seed!r}")
    return seed


def _seeds(rows: Floats, key: bytes) -> np.ndarray:
    """One keyed hash a row, (n,) of 64 bits: about a microsecond each, the only step that is not vectorised."""
    # + 0.0 turns -0.0 into 0.0: numbers that are equal get equal noise.
    table = np.ascontiguousarray(np.asarray(rows, dtype="<f8") + 0.0)
    width = table.shape[1] * 8
    data = memoryview(table.tobytes())
    hashed = [
        blake2b(data[i : i + width], key=key, digest_size=8).digest() for i in range(0, len(table) * width, width)
    ]
    return np.frombuffer(b"".join(hashed), dtype="<u8")


def _counter_numbers(seeds: np.ndarray, width: int) -> Floats:
    """Numbers (n, width) from 64-bit ``seeds`` (n,): SplitMix64 (Steele et al. 2014), run for all rows at once."""
    if 0 < len(seeds) * width <= _FEW:
        return np.array([[_number(seed, step) for step in range(1, width + 1)] for seed in seeds.tolist()])
    z = seeds[:, None] + _steps(width)  # unsigned arrays wrap around without a word
    z ^= z >> 30
    z *= _FIRST
    z ^= z >> 27
    z *= _SECOND
    z ^= z >> 31
    z >>= 11
    return z.astype(np.float64) * 2.0**-53 + 2.0**-54


def _number(seed: int, step: int) -> float:
    """The same for one number, in whole numbers of Python: for a few, a dozen calls of NumPy cost more."""
    z = (seed + step * int(_GOLDEN)) & _ALL
    z = ((z ^ z >> 30) * int(_FIRST)) & _ALL
    z = ((z ^ z >> 27) * int(_SECOND)) & _ALL
    return ((z ^ z >> 31) >> 11) * 2.0**-53 + 2.0**-54


@lru_cache(maxsize=64)
def _steps(width: int) -> np.ndarray:
    return np.arange(1, width + 1, dtype=np.uint64)[None] * _GOLDEN


def back_to_probabilities(values: Floats) -> Floats:
    """Cut ``values`` (n, K) at 0 and divide each row by its sum; a row with nothing left becomes uniform."""
    cut = np.maximum(values, 0.0)
    total = cut.sum(axis=1, keepdims=True)
    if not total.all():
        empty = total[:, 0] == 0
        cut[empty], total[empty] = 1.0, cut.shape[1]
    return np.asarray(cut / total, dtype=np.float64)


def positive(name: str, value: Any, highest: float = np.inf) -> float:
    """``value`` as a number above 0 and at most ``highest``, or ValueError that names the setting."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < value <= highest or not np.isfinite(value):
        most = "" if np.isinf(highest) else f", at most {highest:g}"
        raise ValueError(f"{name} is a number above 0{most}, not {value!r}")
    return float(value)
