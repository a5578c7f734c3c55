"""The house style of notebooks, held by numbers: shape, words, headings, ids, figures."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import json
import pkgutil
import re
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS = sorted(ROOT.glob("solutions/[0-9][0-9]_*/*.ipynb"))
RELEASED = sorted(ROOT.glob("labs/[0-9][0-9]_*/*.ipynb"))
BANNED = re.compile(r"\b(simply|just|obviously)\b", re.IGNORECASE)

each_solution = pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
each_notebook = pytest.mark.parametrize("path", SOLUTIONS + RELEASED, ids=lambda path: f"{path.parts[-3]}-{path.stem}")


def cells_of(path, kind=None):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in cells if kind in (None, cell["cell_type"])]


def is_exercise(cell):
    return cell["metadata"].get("nbgrader", {}).get("solution", False)


def code_lines(cell):
    return [line for line in cell["source"].splitlines() if line.strip() and not line.lstrip().startswith("### ")]


def words(source):
    """Words of running text: no headings, tables, code blocks, formulas or markup."""
    source = re.sub(r"```.*?```|\$\$.*?\$\$|<[^>]+>", " ", source, flags=re.DOTALL)
    lines = (line for line in source.splitlines() if not line.lstrip().startswith(("#", "|")))
    return re.findall(r"[^\W\d_][\w’'-]*", re.sub(r"\]\([^)]*\)", "]", " ".join(lines)))


def headings(path):
    """(level, text) of every heading in the text cells."""
    prose = (re.sub(r"```.*?```", "", cell["source"], flags=re.DOTALL) for cell in cells_of(path, "markdown"))
    return [
        (len(hashes), text) for source in prose for hashes, text in re.findall(r"^(#{1,6}) (.+)$", source, re.MULTILINE)
    ]


def figure_functions():
    """Names in labkit of everything that takes `alt`: whatever draws."""
    labkit = importlib.import_module("labkit")
    modules = [importlib.import_module(one.name) for one in pkgutil.walk_packages(labkit.__path__, "labkit.")]
    found = {name: value for module in modules for name, value in vars(module).items() if inspect.isfunction(value)}
    return {name for name, value in found.items() if "alt" in inspect.signature(value).parameters}


def calls(cell):
    """(name, call) for every call in a code cell; lines for IPython (`%…`, `!…`) are left out."""
    source = re.sub(r"^\s*[%!].*$", "", cell["source"], flags=re.MULTILINE)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield getattr(node.func, "attr", getattr(node.func, "id", "")), node


def test_there_are_labs_and_each_has_its_released_copy():
    assert len(SOLUTIONS) >= 2, "no labs yet, so nothing below was tested"
    assert [path.relative_to(ROOT / "solutions") for path in SOLUTIONS] == [
        path.relative_to(ROOT / "labs") for path in RELEASED
    ], "run `make labs`"


@each_solution
def test_the_name_is_number_verb_object_and_nothing_stands_beside_it(path):
    assert re.fullmatch(r"\d\d_[a-z]+(_[a-z0-9]+)*", path.stem)
    assert path.parent.name == path.stem
    beside = {
        one.name for one in path.parent.iterdir() if one.suffix in {".py", ".md", ".txt"} or one.suffix == ".ipynb"
    }
    assert beside == {path.name}, "generate_assignment copies every sibling to learners, answers included"


@each_solution
def test_a_lab_has_20_to_45_cells_of_moderate_length(path):
    cells = cells_of(path)
    assert 20 <= len(cells) <= 45
    lengths = {}
    for cell in cells_of(path, "code"):
        lengths[cell["id"]] = len(code_lines(cell))
        assert lengths[cell["id"]] <= (20 if is_exercise(cell) else 15), f"{cell['id']}: {lengths[cell['id']]} lines"
    assert statistics.median(lengths.values()) <= 5


@each_solution
def test_text_cells_have_25_to_130_words(path):
    wrong = {}
    for cell in cells_of(path, "markdown"):
        count = len(words(cell["source"]))
        if count and not cell["metadata"].get("nbgrader") and not 25 <= count <= 130:
            wrong[cell["id"]] = count
    assert wrong == {}


@each_solution
def test_one_first_heading_and_no_skipped_level(path):
    levels = [level for level, _ in headings(path)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), headings(path)


@each_solution
def test_no_word_tells_the_learner_that_it_is_easy(path):
    assert [
        (cell["id"], BANNED.findall(cell["source"])) for cell in cells_of(path) if BANNED.search(cell["source"])
    ] == []


@each_notebook
def test_ids_are_unique_and_equal_grade_ids(path):
    cells = cells_of(path)
    assert len({cell["id"] for cell in cells}) == len(cells)
    for cell in cells:
        if "nbgrader" in cell["metadata"]:
            assert cell["id"] == cell["metadata"]["nbgrader"]["grade_id"]


@each_notebook
def test_nothing_is_stored_but_the_text(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "widgets" not in notebook["metadata"]
    for cell in cells_of(path, "code"):
        assert (cell["outputs"], cell["execution_count"]) == ([], None), cell["id"]


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.stem)
def test_the_learners_copy_holds_no_answer(path):
    for cell in cells_of(path):
        assert not re.search(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS|MARK SCHEME)", cell["source"]), cell["id"]
    exercises = [cell for cell in cells_of(path, "code") if is_exercise(cell)]
    assert exercises
    solution = {cell["id"]: cell["source"] for cell in cells_of(ROOT / "solutions" / path.parent.name / path.name)}
    for cell in exercises:
        assert cell["source"] != solution[cell["id"]], f"{cell['id']} still holds its solution"


@each_solution
def test_every_figure_says_in_words_what_it_shows(path):
    draws = figure_functions()
    assert draws, "labkit has no function that takes alt="
    for cell in cells_of(path, "code"):
        for name, call in calls(cell):
            assert name != "show", f"{cell['id']}: draw with labkit, whose figures carry alt text"
            if name in draws:
                assert any(word.arg == "alt" for word in call.keywords), f"{cell['id']}: {name}() without alt="


@each_solution
def test_every_image_in_the_text_has_alt_text(path):
    for cell in cells_of(path, "markdown"):
        assert not re.search(r"!\[\s*\]\(|<img(?![^>]*\balt=\"[^\"]+\")", cell["source"]), cell["id"]


def test_the_measures_measure():
    assert len(words("# Heading\n\nTwo words, [a link](https://example.org/x).\n\n| a | table |\n")) == 4
    assert BANNED.findall("Just do it; adjust nothing.") == ["Just"]
    assert [name for name, _ in calls({"source": "%matplotlib inline\nlabkit.plot(f(1))"})] == ["plot", "f"]


@each_solution
def test_the_set_up_cell_imports_what_the_headings_tell_the_learner_to_call(path):
    (setup,) = [cell["source"] for cell in cells_of(path, "code") if cell["id"].endswith("-setup")]
    names = {alias.name for node in ast.walk(ast.parse(setup)) for alias in getattr(node, "names", [])}
    assert {"check", "hint"} <= names
