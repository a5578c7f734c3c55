"""A score never depends on whether the demonstrations were run that no score depends on."""

from __future__ import annotations

import ast
import random
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import labkit
from grading.engine import sandbox
from grading.engine.attempt import Patience
from grading.engine.examine import Examiner
from grading.engine.islands import left_out
from grading.engine.reassemble import reassemble
from grading.engine.released import Release
from grading.engine.submission import Submission, read
from grading.engine.touches import DOORS, touches

ROOT = Path(__file__).resolve().parents[3]
LABS = sorted(folder.name for folder in (ROOT / "labs").glob("[0-9]*"))
HEAD = "import numpy as np\nfrom labkit import agreement, check, launch, reveal\ntarget = launch('credit')"
MARKS = {
    "head": {"locked": True}, "check": {"grade": True, "locked": True}, "answer": {"solution": True},
    "demo": None,
}  # fmt: skip


def notebook(cells):
    """A mended notebook and the lab it came from, of (role, source) after the head; "own" cells are the learner's."""
    made, released = [], {}
    for number, (role, source) in enumerate([("head", HEAD), *cells]):
        marks = MARKS.get(role)
        metadata = {"nbgrader": marks} if marks else {}
        cell = {"id": f"c{number}", "cell_type": "code", "metadata": metadata, "source": source}
        made.append(cell)
        if role != "own":
            released[cell["id"]] = {**cell, "source": "raise NotImplementedError"} if role == "answer" else cell
    return made, released


def left(*cells):
    """Numbers of the cells that are left out, 1 being the first after the head."""
    made, released = notebook(cells)
    return sorted(int(id[1:]) for id in left_out(made, released, 1))


ANSWER, CHECK = ("answer", "def f(x):\n    return x"), ("check", "check('1', f)")

# By running them: notebooks of small cells, whatever they do to four names.

NAME = st.sampled_from("abcd")
DEMOS = [
    "{x} = [{k}]", "{x} = {y}", "{x}.append({k})", "{x} = list({y}) + [{k}]", "{x} = lambda: {y}", "del {x}",
    "for {x} in range({k}): {y} = {x}", "class {x}:\n    {y} = {y}", "def {x}():\n    global {y}\n    {y} = {k}",
    "{x}()", "import numpy as {x}", "{x} = [f(0)]", "{x}[0] = {y}", "agreement = {x}", "agreement.{x} = {y}",
    "{x} = {y} + [len({y})]", "sum = {x}", "check = None", "f = {x}", "globals()['{x}'] = {k}", "reveal = {x}",
    "from labkit import accuracy as agreement", "import json as {x}", "({x} := {k})", "{x}: list = [{k}]",
]  # fmt: skip
ANSWERS = [
    "def f(n=0):\n    return {x}", "def f(n=0):\n    {x}.append(n)\n    return {x}", "def f(n=0):\n    return n",
    "{x} = {y}\ndef f(n=0):\n    return {x}", "f = lambda n=0: {x}", "def f(n=0):\n    {x} = {k}\n    return {x}",
    "class f(list):\n    {x} = {k}\n    def __init__(self, n=0):\n        super().__init__([{x}])",
    "def f(n=0):\n    return globals().get('{x}')", "def f(n=0):\n    return agreement({x}, {y})",
    "def f(n=0):\n    return sum({x})", "f = {x}", "def f(n=0, kept=[]):\n    kept.append(n)\n    return kept",
    "def f(n=0):\n    return sorted(vars())", "def f(n=0):\n    import json\n    return json.dumps({x})",
    "def f(n=0):\n    return [{x} for {x} in range({k})]", "{x}.append(1)\ndef f(n=0):\n    return n",
    "def f(n=0):\n    return str(agreement.{x})", "def f(n=0):\n    global {x}\n    {x} = n\n    return n",
]  # fmt: skip


def _cell(role, templates):
    filled = st.builds(
        lambda t, x, y, k: t.replace("{x}", x).replace("{y}", y).replace("{k}", str(k)),
        st.sampled_from(templates), NAME, NAME, st.integers(1, 3),
    )  # fmt: skip
    return st.tuples(st.just(role), filled)


CELLS = st.lists(
    _cell("demo", DEMOS) | _cell("demo", DEMOS) | _cell("answer", ANSWERS) | _cell("own", DEMOS) | st.just(CHECK),
    min_size=3,
    max_size=12,
)


def judged(cells, skipped):
    """What the checks of a notebook get to see if the cells ``skipped`` are not run."""
    seen = []

    def judge(exercise, answer):
        try:
            seen.append(_shape(answer(7)))
        except Exception as error:
            seen.append(type(error).__name__)

    def same(a, b):
        return [a, b]

    space = {"np": random, "agreement": same, "check": judge, "launch": str, "reveal": str, "target": "credit"}
    for number, (_, source) in enumerate(cells, 1):
        if number in skipped:
            continue
        try:
            exec(source, space)
        except Exception:  # as in a notebook: the next cell runs all the same
            continue
    return seen


def _shape(value, depth=3):
    if isinstance(value, (list, tuple)) and depth:
        return [_shape(one, depth - 1) for one in value[:20]]
    return value if isinstance(value, (int, str)) else type(value).__name__


@settings(deadline=None, max_examples=1500)
@given(cells=CELLS)
@example(cells=[("demo", "a = [1]"), ("answer", "def f(n=0):\n    return a"), CHECK])
@example(cells=[("demo", "a = [1]"), ("demo", "b = a"), ("demo", "b.append(2)"), ("own", "f = lambda n: a"), CHECK])
@example(cells=[("demo", "sum = [1]"), ("answer", "def f(n=0):\n    return sum([n])"), CHECK])
def test_a_check_sees_the_same_without_what_is_left_out(cells):
    assert judged(cells, left(*cells)) == judged(cells, ())


def test_cells_are_left_out_at_all():
    cells = [("demo", "a = target"), ("demo", "b = agreement(a, a)"), ANSWER, CHECK, ("demo", "print(f(1))")]
    assert left(*cells) == [1, 2, 5]


# By reading them.

HONEST = [
    "def f(api, pool, rng):\n    rows = pool[rng.permutation(len(pool))[: api.left]]\n    return agreement(rows, rows)",
    "import numpy as np\ndef f(x):\n    return np.sort(x)[:, -1]",
    "from sklearn.tree import DecisionTreeClassifier\ndef f(X, y):\n    copy = DecisionTreeClassifier()\n"
    "    copy.classes_ = y\n    return copy.fit(X, y)",
    "class Limit:\n    def __init__(self):\n        self._seen = {}\n    def before(self, query):\n"
    "        self._seen[query.key] = self._seen.get(query.key, 0) + len(query.rows)\nf = Limit()",
    "def f(x):\n    counts = {}\n    for _ in range(3):\n        counts[x] = 1\n    return counts",
    "from collections import Counter\nimport math, threading\nlock = threading.Lock()\n"
    "def f(x):\n    with lock:\n        return Counter(x), math.pi",
]  # fmt: skip
UNREADABLE = [
    "%timeit 1", "!ls", "def f(:", "exec('x')", "f = globals()['a']", "f = get_ipython().user_ns", "f = Out[3]",
    "f = _",
    "f = _3", "import __main__\nf = __main__", "import sys\nf = sys.modules", "from os import environ", "import pandas",
    "np.random.seed(0)", "from numpy.random import seed", "f = np.sys", "f = agreement.__globals__", "open('x', 'w')",
    "f = np.load('a.npy')", "agreement.calls = 1", "np.mean = None", "del np.mean", "a = np\na.mean = max",
    "from labkit import *", "from labkit.judged import judge", "from . import x",
    "import matplotlib.pyplot as p\np.gcf()", "import matplotlib as m\nm.use('agg')", "from matplotlib import rc",
    "f = getattr(np, 'random')", "setattr(np, 'x', 1)", "'{0.__globals__}'.format(agreement)", "np.x['a'] = 1",
    "import threading\nthreading.Thread(target=print).start()", "c = type(target)\nc.fit = 1", "f = dir()",
    "from labkit import launch as start", "def f(x):\n    from labkit import launch", "f = 'seed'",
    "f = lambda: f.__code__", "import gc", "import inspect",
    "np.seterr(all='raise')", "target._transport", "def f():\n    from ctypes import pythonapi",
]  # fmt: skip


@pytest.mark.parametrize("source", HONEST)
def test_an_honest_answer_leaves_the_demonstrations_out(source):
    assert left(("demo", "a = target"), ("answer", source), CHECK) == [1]


@pytest.mark.parametrize("source", UNREADABLE)
@pytest.mark.parametrize("role", ["answer", "own"])
def test_what_cannot_be_read_has_every_cell_run(source, role):
    assert left(("demo", "a = target"), (role, source), CHECK) == []


@pytest.mark.parametrize(("demo", "runs"), [
    ("a = target", False), ("a = agreement(target, target)", False), ("np.random.seed(1)", True), ("%matplotlib", True),
    ("f(1)", True), ("np.x = 1", True), ("agreement = len", False), ("b = 1", False), ("exec('y = 1')", True),
    ("y = 1", True), ("y.append(1)", True), ("print(y)", True), ("reveal('a', 1)", False), ("launch('x')", False),
])  # fmt: skip
def test_a_demonstration_runs_if_the_learners_cells_could_see_it(demo, runs):
    answer = ("answer", "def f(x):\n    return y + len(x)")
    assert (left(("demo", demo), answer, CHECK) == []) == runs


@pytest.mark.parametrize(("demo", "name"), [
    ("from numpy import sum", "sum"), ("from labkit import accuracy as agreement", "agreement"),
    ("import numpy.random as np", "np"), ("from labkit import spread", "spread"), ("import math", "math"),
])  # fmt: skip
def test_a_name_that_a_demonstration_imports_is_no_tool(demo, name):
    assert left(("demo", demo), ("answer", f"def f(x):\n    return {name}"), CHECK) == []


def test_nothing_is_left_out_if_something_stands_before_the_head():
    made, released = notebook([("demo", "a = target"), ANSWER, CHECK])
    assert left_out(made, released, 1)
    assert left_out(made, released, 0) == frozenset()


def test_a_demonstration_that_the_learner_changed_is_the_learners():
    made, released = notebook([("demo", "a = target"), ("demo", "b = 1"), ("answer", "def f(x):\n    return a"), CHECK])
    assert left_out(made, released, 1) == {"c2"}
    made[2] = {**made[2], "source": "a.append(1)"}
    assert left_out(made, released, 1) == frozenset()


@pytest.mark.parametrize(("own", "runs"), [
    ("1 + 1", True), ("print(f(2))", True), ("b = 2\nprint(b)", True), ("guess('a', 0.5)", True),
    ("import matplotlib.pyplot as plt\nplt.figure()\nplt.plot([1, 2])\nplt.show()", True),
    ("print(len(a))", False), ("b = len(a)", False), ("a.append(1)", False), ("print(target)", False),
])  # fmt: skip
def test_a_learners_own_cell_runs_unless_it_needs_what_is_not_made(own, runs):
    """A look at a demonstration is not graded; to run it all for that would cost a class most of its time."""
    cells = [("demo", "a = [target]"), ("demo", "guess('b', None)"), ANSWER, ("own", own), CHECK]
    assert left(*cells) == ([1, 2] if runs else [1, 2, 4])


def test_what_an_own_cell_hands_on_to_an_answer_is_made():
    cells = [("demo", "a = [1]"), ("own", "b = len(a)"), ("answer", "def f(x):\n    return b"), CHECK, ("own", "a[0]")]
    assert left(*cells) == []


@given(source=st.text(st.sampled_from("abf=()[]:.\n 'lambdexcg_%!?@\\\x00\u00e9"), max_size=40))
def test_any_text_can_be_read_or_not(source):
    assert isinstance(touches(source, learners=True).unreadable, str)


# What makes it right: labkit keeps nothing that one cell could leave there for another.

# Behind names that carry, or in modules that touches.DOORS names.
KEPT_ON_PURPOSE = {("launch", "_running"), ("launch", "_starts"), ("judged", "_line")}


def test_labkit_keeps_nothing_between_calls():
    kept = set()
    room = Path(labkit.__file__).parent
    for file in sorted(room.rglob("*.py")):
        if {*file.relative_to(room).parts[:-1], file.stem} & (DOORS - {"launch", "judged"}):
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Global):
                kept |= {(file.stem, name) for name in node.names}
        for node in tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            made = isinstance(getattr(node, "value", None), (ast.List, ast.Dict, ast.Set, ast.Call))
            small = [t.id for t in targets if isinstance(t, ast.Name) and t.id != "__all__" and not t.id.isupper()]
            if made:
                kept |= {(file.stem, name) for name in small}
    assert kept <= KEPT_ON_PURPOSE, "touches.DOORS or STATEFUL must name whatever reaches this, or it must go"


# On the labs themselves.


def _release(lab):
    return Release.read(ROOT / "labs" / lab / f"{lab}.ipynb")


@pytest.mark.parametrize("folder", ["labs", "solutions"])
@pytest.mark.parametrize("lab", LABS)
def test_every_lab_can_leave_something_out(lab, folder):
    assert reassemble(_release(lab), read(ROOT / folder / lab, lab)).left_out


def _some_changed(lab, rng):
    """The solution with some answers unwritten, and some demonstrations changed, taken out or added to."""
    release, given = _release(lab), read(ROOT / "solutions" / lab, lab)
    stubs = {c["id"]: c for c in release.notebook["cells"]}
    cells = []
    for cell in given.cells:
        marks = stubs[cell["id"]]["metadata"].get("nbgrader", {})
        cell = dict(cell)
        if marks.get("solution") and rng.random() < 0.3:
            cell["source"] = stubs[cell["id"]]["source"]
        elif not marks and cell["cell_type"] == "code":
            draw = rng.random()
            if draw < 0.15:
                cell["source"] += "\nprint('changed')"
            elif draw < 0.25:
                continue
            elif draw < 0.35:
                cells.append({"cell_type": "code", "source": "spare = len(str(1))", "id": "", "label": ""})
        cells.append(cell)
    return reassemble(release, Submission(cells=cells, readable=True))


@pytest.mark.slow
@pytest.mark.xdist_group("hostile")
@pytest.mark.skipif(sys.platform != "linux", reason="sandboxes are Linux's")
def test_random_changes_get_the_same_ledger_whether_every_cell_is_run_or_not():
    lab, rng = "00_start_here", random.Random(5)
    release = _release(lab)
    setup = [c["source"] for c in release.notebook["cells"] if c["cell_type"] == "code"][: release.locked_first]
    plan = sandbox.choose()
    with (
        Examiner(plan, secret="s", setup=setup) as some,
        Examiner(plan, secret="s", setup=setup, patience=Patience(every_cell=True)) as every,
    ):
        spared = 0
        for _ in range(12):
            mended = _some_changed(lab, rng)
            one, other = (e.run(mended.to_run(), learner="l", warm=True) for e in (some, every))
            assert not one.incidents + other.incidents
            told = [{v["exercise"]: (v["score"], v["message"]) for v in o.ledger.values()} for o in (one, other)]
            assert told[0] == told[1]
            assert one.ledger == other.ledger
            spared += len(mended.left_out)
            for cell in mended.to_run():
                if cell.needed and cell.exercise is None and "changed" not in cell.source:
                    assert one.counts[cell.id] == other.counts[cell.id]
        assert spared > 20
