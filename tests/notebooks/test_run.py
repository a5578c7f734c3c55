"""Every notebook runs from top to bottom: solved it earns everything, untouched it earns nothing and shows no error."""

from __future__ import annotations

from pathlib import Path

import pytest

from grading import find

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS = sorted(ROOT.glob("solutions/[0-9][0-9]_*/*.ipynb"))

pytestmark = pytest.mark.slow
each_lab = pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)


def graded(notebook):
    """{cell id: (points earned, card)} of every check cell."""
    found = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade"):
            (result,) = [output for output in cell.outputs if output.output_type == "execute_result"]
            found[cell.id] = float(result.data["text/plain"]), result.data["text/html"]
    return found


def outputs(notebook):
    return [(cell.id, output) for cell in notebook.cells for output in cell.get("outputs", [])]


def stderr(notebook):
    return "".join(o.text for _, o in outputs(notebook) if o.output_type == "stream" and o.name == "stderr")


def assert_figures_can_be_read_without_eyes(notebook):
    shown = 0
    for id, output in outputs(notebook):
        assert "image/png" not in output.get("data", {}), f"{id}: an image without alt text"
        html = output.get("data", {}).get("text/html", "")
        if "<img" in html:
            shown += 1
            assert 'alt=""' not in html, id
            assert "<table" in html, id
    assert shown >= 1


@each_lab
def test_the_solved_notebook_earns_every_point_and_its_figures_speak(path, run):
    notebook = run(path)
    points = {id: earned for id, (earned, _) in graded(notebook).items()}
    assert points == {id: find(f"{id[:2]}.{id.split('-')[1]}").points for id in points}
    assert len(points) >= 4
    assert stderr(notebook) == ""
    assert_figures_can_be_read_without_eyes(notebook)


@each_lab
def test_the_untouched_notebook_earns_nothing_and_shows_no_error(path, run):
    notebook = run(ROOT / "labs" / path.parent.name / path.name)
    for earned, card in graded(notebook).values():
        assert earned == 0
        assert "UNATTEMPTED" in card
    assert stderr(notebook) == ""


@pytest.mark.parametrize("opener", ["grading.openers:wsgi", "grading.openers:judge_pipe"])
def test_lab_01_runs_the_same_on_the_other_two_transports(run, opener):
    (path,) = [p for p in SOLUTIONS if p.stem.startswith("01")]
    notebook = run(path, opener)
    assert sum(earned for earned, _ in graded(notebook).values()) == 12
    assert stderr(notebook) == ""
