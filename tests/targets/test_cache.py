"""The cache: quick, and never trusted further than its digest and its list of types."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io

from targets.victims import _build, cache
from targets.victims.base import Part

PART = Part(np.zeros((2, 2)), np.zeros(2, dtype=np.int64))


class _Fits:
    """Counts how often a model had to be fitted."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> Any:
        self.count += 1
        return _build("tumour", 0, "tree").estimator


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MTL_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "WORTH", 0.0)
    return tmp_path


def _sizes(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.name.startswith("x-"))


def test_a_second_load_does_not_fit(folder: Path) -> None:
    fits = _Fits()
    first, second = (cache.fit_or_load("x-tree-0", PART, fits) for _ in range(2))
    assert fits.count == 1
    assert np.array_equal(first.tree_.threshold, second.tree_.threshold)
    assert len(_sizes(folder)) == 1


def test_a_model_that_is_fitted_quickly_leaves_no_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To import what reads the file would take longer than to fit the model again."""
    monkeypatch.setattr(cache, "WORTH", 60.0)
    fits = _Fits()
    for _ in range(2):
        cache.fit_or_load("x-tree-0", PART, fits)
    assert fits.count == 2
    assert _sizes(folder) == []


@pytest.mark.parametrize("harm", ["emptied", "cut", "one bit flipped", "garbage", "a folder"])
def test_a_damaged_file_is_fitted_again_and_replaced(folder: Path, harm: str, caplog: pytest.LogCaptureFixture) -> None:
    fits = _Fits()
    cache.fit_or_load("x-tree-0", PART, fits)
    file = folder / _sizes(folder)[0]
    content = file.read_bytes()
    if harm == "a folder":
        file.unlink()
        file.mkdir()
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        harmed = {"emptied": b"", "cut": content[:-9], "one bit flipped": flipped, "garbage": os.urandom(999)}
        file.write_bytes(harmed[harm])
    with caplog.at_level(logging.WARNING):
        cache.fit_or_load("x-tree-0", PART, fits)
    assert fits.count == 2
    assert caplog.records
    if harm != "a folder":
        cache.fit_or_load("x-tree-0", PART, fits)
        assert fits.count == 2


def test_a_file_of_another_victim_is_not_taken(folder: Path) -> None:
    fits = _Fits()
    cache.fit_or_load("x-tree-0", PART, fits)
    old = folder / _sizes(folder)[0]
    old.rename(folder / old.name.replace("x-tree-0", "x-tree-1"))
    cache.fit_or_load("x-tree-1", PART, fits)
    assert fits.count == 2


def test_a_file_fitted_on_other_rows_is_not_taken(folder: Path) -> None:
    fits = _Fits()
    cache.fit_or_load("x-tree-0", PART, fits)
    cache.fit_or_load("x-tree-0", Part(PART.X + 1, PART.y), fits)
    assert fits.count == 2


def test_a_forged_file_with_a_right_digest_still_runs_no_code_of_its_own(folder: Path) -> None:
    fits = _Fits()
    cache.fit_or_load("x-tree-0", PART, fits)
    file = folder / _sizes(folder)[0]
    payload = skops.io.dumps({"trap": os.path.join})  # a type that is not on the list
    identity = hashlib.sha256(file.name.encode() + PART.X.tobytes() + PART.y.tobytes()).digest()
    file.write_bytes(hashlib.sha256(identity + payload).digest() + payload)
    assert hasattr(cache.fit_or_load("x-tree-0", PART, fits), "tree_")
    assert fits.count == 2


def test_a_folder_that_cannot_be_written_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    monkeypatch.setenv("MTL_CACHE", str(tmp_path / "taken" / "below"))
    monkeypatch.setattr(cache, "WORTH", 0.0)
    fits = _Fits()
    for _ in range(2):
        cache.fit_or_load("x-tree-0", PART, fits)
    assert fits.count == 2
    assert "it works without" in caplog.text


def test_off_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTL_CACHE", "off")
    assert cache.cache_folder() is None
    assert cache.fit_or_load("x", PART, lambda: "fitted") == "fitted"


def test_the_default_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MTL_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "model-theft-labs"


def test_the_file_name_carries_the_versions_that_matter(folder: Path) -> None:
    import sklearn

    file = cache.cache_file("digits-network-0")
    assert file is not None
    assert file.name.startswith("digits-network-0-")
    assert f"sci{sklearn.__version__}" in file.name
    assert f"num{np.__version__}" in file.name
