"""Running notebooks as a learner's Run All does, and reading what they show."""

from __future__ import annotations

import os

import nbformat
import pytest
from nbclient import NotebookClient


@pytest.fixture
def run(tmp_path, monkeypatch):
    """run(path, opener=None) executes a notebook in an empty folder and returns it with its outputs."""

    def execute(path, opener=None):
        monkeypatch.setenv("MODEL_THEFT_LABS_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        if opener:
            monkeypatch.setenv("MODEL_THEFT_LABS_OPENER", opener)
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(
            notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
        ).execute(env=dict(os.environ))
        return notebook

    return execute
