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


@pytest.fixture
def graded():
    """A notebook's {cell id: (points earned, card)} of every check cell."""

    def read(notebook):
        found = {}
        for cell in notebook.cells:
            if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade"):
                (result,) = [output for output in cell.outputs if output.output_type == "execute_result"]
                found[cell.id] = float(result.data["text/plain"]), result.data["text/html"]
        return found

    return read


@pytest.fixture
def outputs():
    """A notebook's outputs, each with the id of its cell."""
    return lambda notebook: [(cell.id, output) for cell in notebook.cells for output in cell.get("outputs", [])]


@pytest.fixture
def stderr(outputs):
    """What a notebook wrote to standard error."""
    return lambda notebook: "".join(
        o.text for _, o in outputs(notebook) if o.output_type == "stream" and o.name == "stderr"
    )
