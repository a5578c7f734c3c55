"""Every solved notebook runs from top to bottom and earns everything; its figures can be read without eyes."""

from __future__ import annotations

from pathlib import Path

import pytest

from grading import find

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS = sorted(ROOT.glob("solutions/[0-9][0-9]_*/*.ipynb"))

pytestmark = pytest.mark.slow
each_lab = pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)


def assert_figures_can_be_read_without_eyes(outputs):
    shown = 0
    for id, output in outputs:
        assert "image/png" not in output.get("data", {}), f"{id}: an image without alt text"
        html = output.get("data", {}).get("text/html", "")
        if "<img" in html:
            shown += 1
            assert 'alt=""' not in html, id
            assert "<table" in html, id
    assert shown >= 1


@each_lab
def test_the_solved_notebook_earns_every_point_and_its_figures_speak(path, run, graded, outputs, stderr):
    notebook = run(path)
    points = {id: earned for id, (earned, _) in graded(notebook).items()}
    assert points == {id: find(f"{id[:2]}.{id.split('-')[1]}").points for id in points}
    assert len(points) >= 4
    assert stderr(notebook) == ""
    assert_figures_can_be_read_without_eyes(outputs(notebook))
