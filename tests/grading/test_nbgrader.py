"""A class graded by the stock nbgrader commands: everybody gets what a fair instructor gives."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAB = "01_steal_by_query"
pytestmark = pytest.mark.slow

RIGHT_OTHERWISE = {
    "01-1-split": """
def split_without_leak(rows, test_share, rng):
    sides = {}
    names = list(dict.fromkeys(map(tuple, rows.tolist())))
    rng.shuffle(names)
    for i, name in enumerate(names):
        sides[name] = i < test_share * len(names)
    chosen = np.array([sides[tuple(row)] for row in rows.tolist()])
    return rows[~chosen].tolist(), rows[chosen].tolist()
""",
    "01-2-steal": """
import sys, warnings
from sklearn.svm import SVC

def steal(api, pool, rng):
    warnings.warn("an old habit")
    print("stealing", file=sys.stderr)
    rows = pool[rng.choice(len(pool), 120, replace=False)]
    return SVC(C=10).fit(rows, api.predict(rows).labels)
""",
}
# One mistake a student: {student: ({cell: source}, points lost)}.
WRONG = {
    "by_position": ({
        "01-1-split": "def split_without_leak(rows, test_share, rng):\n"
        "    k = int(test_share * len(rows)); o = rng.permutation(len(rows)); return rows[o[k:]], rows[o[:k]]"
    }, 2),
    "over_budget": ({"01-2-steal": "def steal(api, pool, rng):\n    return fit_surrogate(pool, api.predict(pool))"}, 3),
    "surest_rows": ({
        "01-3-choose": "def choose(copy_probabilities, count):\n"
        "    return np.argsort(-copy_probabilities.max(axis=1))[:count]"
    }, 3),
    "public_labels": ({
        "01-4-labels": "def steal_labels(api, pool, rng):\n    from sklearn.datasets import load_digits\n"
        "    d = load_digits(); api.labels(pool[:1])\n    return make_surrogate('linear').fit(d.data, d.target)"
    }, 2),
    "reads_the_mean": ({
        "01-5-read": "def cheapest_budget(runs, floor):\n    for b in sorted({r['budget'] for r in runs}):\n"
        "        if np.mean([r['agreement'] for r in runs if r['budget'] == b]) >= floor:\n            return b"
    }, 2),
}  # fmt: skip


def nbgrader(*arguments, course):
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        "MODEL_THEFT_LABS_HOME": str(course / "home"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments, f"--CourseDirectory.root={course}"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def submit(course, student, changes, *, whole=False):
    """Hand in the release with ``changes`` {cell id: source}; ungraded code only if ``whole``."""
    notebook = json.loads((course / "labs" / LAB / f"{LAB}.ipynb").read_text(encoding="utf-8"))
    if not whole:
        notebook["cells"] = [
            c for c in notebook["cells"] if c["cell_type"] == "markdown" or "nbgrader" in c["metadata"]
        ]
    for cell in notebook["cells"]:
        if cell["id"] in changes:
            cell["source"] = changes[cell["id"]]
    folder = course / "submitted" / student / LAB
    folder.mkdir(parents=True)
    (folder / f"{LAB}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The course after generate_assignment, autograde, generate_feedback and export; {student: score}."""
    course = tmp_path_factory.mktemp("course")
    shutil.copytree(ROOT / "solutions" / LAB, course / "solutions" / LAB)
    nbgrader("generate_assignment", LAB, course=course)
    solved = json.loads((ROOT / "solutions" / LAB / f"{LAB}.ipynb").read_text(encoding="utf-8"))
    reference = {
        cell["id"]: cell["source"]
        for cell in solved["cells"]
        if cell["cell_type"] == "code" and cell["metadata"].get("nbgrader", {}).get("solution")
    }
    submit(course, "solution", reference, whole=True)
    submit(course, "unmodified", {}, whole=True)
    submit(course, "otherwise", {**reference, **RIGHT_OTHERWISE})
    for student, (changes, _) in WRONG.items():
        submit(course, student, {**reference, **changes})
    nbgrader("autograde", LAB, "--create", course=course)
    nbgrader("generate_feedback", LAB, course=course)
    nbgrader("export", f"--to={course / 'grades.csv'}", course=course)
    with (course / "grades.csv").open(encoding="utf-8") as file:
        return course, {row["student_id"]: row for row in csv.DictReader(file)}


def score(graded, student):
    return float(graded[1][student]["score"])


def test_the_released_lab_is_what_the_project_ships(graded):
    name = f"labs/{LAB}/{LAB}.ipynb"
    assert (graded[0] / name).read_bytes() == (ROOT / name).read_bytes()


def test_the_solution_gets_full_marks_for_what_a_machine_grades(graded):
    assert score(graded, "solution") == 12
    assert float(graded[1]["solution"]["max_score"]) == 15  # three points wait for a person


def test_the_unmodified_lab_scores_nothing(graded):
    assert score(graded, "unmodified") == 0


def test_a_right_answer_written_differently_and_noisily_gets_full_marks(graded):
    assert score(graded, "otherwise") == 12


@pytest.mark.parametrize("student", WRONG)
def test_one_mistake_costs_that_exercise_and_nothing_else(graded, student):
    assert score(graded, student) == 12 - WRONG[student][1]


def test_the_feedback_shows_the_judges_sentence(graded):
    page = (graded[0] / "feedback" / "over_budget" / LAB / f"{LAB}.html").read_text(encoding="utf-8")
    assert "over its query budget" in page
    assert "Traceback (most recent" not in page


def test_a_grading_run_leaves_nothing_beside_the_submissions(graded):
    left = {p.name for p in (graded[0] / "autograded").rglob("*") if p.is_file()}
    assert left == {f"{LAB}.ipynb"}
    assert not (graded[0] / "home").exists()
