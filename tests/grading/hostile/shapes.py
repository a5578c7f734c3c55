"""Broken files: copied, split, moved, deleted, retyped, renamed, damaged, dressed up. Repairs cost nothing."""

from __future__ import annotations

import copy
import json
import os

from hostile_kit import FULL, LAB, case


def _write(folder, text, name=f"{LAB}.ipynb"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return "made"


@case(points=FULL, says="stood in 2 cells with the same label")
def copied_answer(notebook, folder):
    notebook.cells.insert(notebook.find("00-1-decide"), {
        **copy.deepcopy(notebook.cell("00-1-decide")), "id": "copy", "source": "def decide(card):\n    return 'allowed'"
    })  # fmt: skip


@case(points=FULL, says="were joined")
def split_answer(notebook, folder):
    place = notebook.find("00-4-measures")
    first, rest = notebook.cells[place]["source"].split("\n", 1)
    second = copy.deepcopy(notebook.cells[place])
    notebook.cells[place]["source"], second["source"], second["id"] = first, rest, "second-half"
    notebook.cells.insert(place + 1, second)


@case(points=FULL, says="had been moved")
def moved_cells(notebook, folder):
    notebook.cells.append(notebook.cells.pop(notebook.find("00-1-decide")))


@case(points=FULL, says="moved")
def everything_backwards(notebook, folder):
    notebook.cells.reverse()


@case(points=FULL, says="was missing; it was put back")
def deleted_checks(notebook, folder):
    notebook.cells[:] = [c for c in notebook.cells if not c["id"].endswith("check")]


@case(points=FULL - 3, says="put back empty")
def deleted_answer(notebook, folder):
    del notebook.cells[notebook.find("00-1-decide")]


@case(points=FULL, says="set-up cell was missing")
def deleted_setup(notebook, folder):
    del notebook.cells[notebook.find("00-setup")]


@case(points=FULL, says="had become a markdown cell")
def retyped_answer(notebook, folder):
    cell = notebook.cell("00-1-decide")
    cell["cell_type"] = "markdown"
    del cell["outputs"], cell["execution_count"]


@case(points=0, solved=False, says="had been changed; the original was run")
def edited_checks(notebook, folder):
    for cell in notebook.cells:
        if cell["id"].endswith("check"):
            cell["source"] = "3"


@case(points=0, solved=False, says="had been changed")
def edited_setup(notebook, folder):
    notebook.cell("00-setup")["source"] += "\ncheck = lambda *a: 3"


@case(points=0, solved=False)
def inflated_points(notebook, folder):
    for cell in notebook.cells:
        cell["metadata"]["nbgrader"]["points"] = 300


@case(points=0, solved=False)
def graded_cells_of_its_own(notebook, folder):
    for i in range(3):
        marks = {"grade": True, "solution": False, "locked": False, "points": 50, "grade_id": f"mine-{i}"}
        notebook.add("50", nbgrader={**marks, "schema_version": 3, "cell_type": "code", "task": False})


@case(points=3)
def checks_wired_to_another_exercise(notebook, folder):
    """Each check cell asks for the one exercise that was solved, under the other cells' labels."""
    for cell in notebook.cells:
        if cell["id"].endswith("check"):
            cell["source"] = 'check("00.1", decide)'
        elif cell["metadata"]["nbgrader"].get("solution") and cell["id"] != "00-1-decide":
            cell["source"] = "x = 1"


@case(points=FULL, says="lost its label")
def labels_gone(notebook, folder):
    for cell in notebook.cells:
        cell["metadata"], cell["id"] = {}, f"c{notebook.cells.index(cell)}"


@case(points=FULL)
def labels_of_another_schema(notebook, folder):
    for cell in notebook.cells:
        cell["metadata"]["nbgrader"]["schema_version"] = 99


@case(points=FULL)
def odd_labels(notebook, folder):
    for i, cell in enumerate(notebook.cells):
        cell["metadata"]["nbgrader"] |= {"locked": "maybe", "checksum": i, "cell_type": [], "task": {}}


@case(points=FULL, says="instead of")
def renamed_notebook(notebook, folder):
    return _write(folder, json.dumps(notebook.data), "my final version (2).ipynb")


@case(says="JSON is broken")
def truncated(notebook, folder):
    text = json.dumps(notebook.data)
    return _write(folder, text[: len(text) // 2])


@case(says="JSON is broken")
def empty_file(notebook, folder):
    return _write(folder, b"")


@case(says="JSON is broken")
def binary_file(notebook, folder):
    return _write(folder, os.urandom(10_000))


@case(says="JSON is broken")
def another_json(notebook, folder):
    return _write(folder, '["cells"]')


@case(says="JSON is broken")
def nested_json(notebook, folder):
    return _write(folder, "[" * 200_000 + "]" * 200_000)


@case(says="no notebook in this submission")
def nothing_at_all(notebook, folder):
    folder.mkdir(parents=True)
    return "made"


@case(says="no ordinary file")
def folder_for_a_notebook(notebook, folder):
    (folder / f"{LAB}.ipynb").mkdir(parents=True)
    return "made"


@case(says="no ordinary file")
def pipe_for_a_notebook(notebook, folder):
    folder.mkdir(parents=True)
    os.mkfifo(folder / f"{LAB}.ipynb")
    return "made"


@case(points=FULL, says="no ordinary file")
def pipe_beside(notebook, folder):
    folder.mkdir(parents=True)
    os.mkfifo(folder / "data.csv")


@case(points=FULL, says="were no cells")
def cells_that_are_none(notebook, folder):
    notebook.cells[2:2] = [None, 7, [], {"cell_type": "magic"}, {"cell_type": "code", "source": 7}]


@case(points=FULL)
def strange_text(notebook, folder):
    notebook.add("# \ud800 \x00 \u202e \U0001f600 \r\n\x1b[31m", kind="markdown")
    notebook.add("café = 'naïve'\nprint(café, '\\ud83d')")


@case(points=FULL, says="before 2015")
def old_format(notebook, folder):
    for cell in notebook.cells:
        cell["input"] = cell.pop("source")
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": notebook.cells}]}
    return _write(folder, json.dumps(old))


@case(points=FULL)
def sources_as_lists(notebook, folder):
    for cell in notebook.cells:
        cell["source"] = cell["source"].splitlines(keepends=True)


@case(points=FULL)
def another_kernel(notebook, folder):
    notebook.data["metadata"] = {"kernelspec": {"name": "../../evil", "display_name": 7, "language": "R"}}
    notebook.data["nbformat"], notebook.data["nbformat_minor"] = "four", -1


@case(points=FULL)
def ten_thousand_outputs(notebook, folder):
    notebook.cell("00-1-decide")["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 100}] * 10_000


@case(points=FULL, says="cells; the first")
def three_thousand_cells(notebook, folder):
    for _ in range(3000):
        notebook.cells.append({"cell_type": "markdown", "id": "same", "metadata": {}, "source": ""})


@case(points=FULL)
def duplicate_ids(notebook, folder):
    for _ in range(3):
        notebook.cells.insert(2, {"cell_type": "code", "id": "x", "metadata": {}, "source": "y = 1", "outputs": []})


@case(points=FULL - 3)
def syntax_error(notebook, folder):
    notebook.cell("00-1-decide")["source"] = "def decide(card:\n    return ("


@case(points=FULL)
def magics_and_shell(notebook, folder):
    notebook.add("%matplotlib inline\n%timeit -n1 -r1 1\n!echo hello\n%%nothing")
    notebook.add("%%bash\necho hello; sleep 0")
    notebook.add("import asyncio\nawait asyncio.sleep(0)")
