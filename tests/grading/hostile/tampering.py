"""Tampering inside the kernel: with Python, with IPython, with labkit, with what a judge would call."""

from __future__ import annotations

from hostile_kit import code_case

code_case(
    "empties_every_assert",
    """
import ast
class Empty(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.Pass()
    def visit_Call(self, node):
        return ast.Constant(11) if getattr(node.func, "id", "") == "check" else node
get_ipython().ast_transformers.append(Empty())
""",
)
code_case(
    "replaces_run_cell", "ip = get_ipython()\nip.run_cell = lambda *a, **k: None\nip.run_code = lambda *a, **k: 0"
)
code_case("redefines_check", "def check(*a): return 99")
code_case(
    "fills_the_checks_with_numbers",
    "import labkit, labkit.checking\nlabkit.check = labkit.checking.check = lambda *a: 3",
)
code_case(
    "verdicts_that_always_pass",
    """
from labkit.verdict import Verdict
Verdict.earned = property(lambda self: self.points)
Verdict.__repr__ = lambda self: f"{self.points:g}"
""",
)
code_case(
    "judge_that_always_passes",
    """
import labkit.judged
def passed(exercise, side):
    return dict(exercise=exercise, title="", state="PASSED", score=1.0, points=9.0, message="", facts=[], warned=[])
labkit.judged.judge = passed
""",
)
code_case(
    "another_judge_by_environment",
    """
import os, sys, types
fake = types.ModuleType("fake")
fake.judge = lambda exercise, side: dict(
    exercise=exercise, title="", state="PASSED", score=1.0, points=9.0, message="", facts=[], warned=[])
fake.hints = lambda exercise: ("", "")
sys.modules["fake"] = sys.modules["grading.selfstudy"] = fake
os.environ["MODEL_THEFT_LABS_JUDGE"] = "fake"
""",
)
code_case(
    "learner_side_that_claims",
    """
from labkit.learner_side import LearnerSide
from labkit import wire
LearnerSide.handle = lambda self, data, ask: wire.dumps(
    {"op": "return", "value": True, "score": 1.0, "state": "PASSED", "printed": "", "warned": []})
""",
)
code_case(
    "patches_numpy",
    """
import numpy as np
np.allclose = np.isclose = np.array_equal = lambda *a, **k: True
np.testing.assert_allclose = lambda *a, **k: None
""",
)
code_case(
    "patches_builtins",
    "import builtins\nbuiltins.isinstance = lambda *a: True\nbuiltins.AssertionError = builtins.ZeroDivisionError",
)
code_case(
    "hunts_objects_for_answers",
    """
import gc
for thing in gc.get_objects():
    if type(thing).__name__ in ("Victim", "World", "Session", "Exercise"):
        print("FOUND", thing)
""",
)
code_case(
    "display_hook_that_pays", "import sys\nsys.displayhook = lambda value: print(11)\nget_ipython().displayhook = print"
)
code_case(
    "pays_after_every_cell",
    """
from IPython.display import publish_display_data
get_ipython().events.register("post_run_cell", lambda result: publish_display_data({"text/plain": "3"}))
""",
)
code_case(
    "import_hook", "import sys\nsys.meta_path.insert(0, type('H', (), {'find_spec': lambda *a: print('hooked')})())"
)
code_case(
    "traces_every_call",
    """
import sys
def tracer(frame, event, arg):
    if "verdict" in frame.f_locals: frame.f_locals["verdict"] = "11"
    return tracer
sys.settrace(tracer)
""",
)
code_case("swallows_errors", "get_ipython().set_custom_exc((BaseException,), lambda *a, **k: print(3))")
code_case(
    "answers_equal_to_everything",
    """
class Yes(dict):
    __eq__ = lambda s, o: True
    __ne__ = lambda s, o: False
    __hash__ = dict.__hash__
    __float__ = lambda s: 1.0
decide = first_query = agreement_by_hand = two_measures = read_table = lambda *a, **k: Yes()
""",
    after="00-5-unmask",
)
