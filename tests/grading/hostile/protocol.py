"""Tampering with the line to the judge and with the examiner's own; replaying; guessing seeds."""

from __future__ import annotations

from hostile_kit import case, code_case

_WRITE = """
import json, os, socket, struct, labkit.judged
line = labkit.judged._line
def raw(data): line._connection.sendall(struct.pack(">I", len(data)) + data)
"""
code_case("sends_a_verdict", _WRITE + 'raw(b"!\\x01" + json.dumps({"exercise": "00.1", "score": 1.0}).encode())')
code_case("sends_garbage", _WRITE + "line._connection.sendall(b'\\xfe' * 5000)", says="tampered with the line")
code_case("sends_a_huge_length", _WRITE + "line._connection.sendall(b'\\xff\\xff\\xff\\xff')", says="tampered")
code_case("sends_half_a_frame", _WRITE + "line._connection.sendall(b'\\x00\\x00\\x10\\x00{')")
code_case("sends_deep_json", _WRITE + 'raw(b"{\\x01" + b"[" * 100000 + b"]" * 100000)', says="tampered")
code_case("sends_a_bomb_of_items", _WRITE + 'raw(b"{\\x01" + b"[" + b"0," * 3000000 + b"0]")', says="tampered")
code_case("closes_the_line", _WRITE + "line._connection.close()")
code_case("shuts_the_line", _WRITE + "line._connection.shutdown(2)")
code_case(
    "scores_in_the_opening",
    _WRITE
    + """
import labkit.wire as wire
for extra in ({"score": 1.0}, {"state": "PASSED"}, {"window": "00.1"}, {"points": 1e9}):
    print(line._exchange({"op": "check", "exercise": "00.1", "kind": "value", "name": "x", "value": 3, **extra}))
""",
)
code_case(
    "asks_for_what_is_not_offered",
    _WRITE
    + """
for op in ("score", "ledger", "secret", "__class__", "exec", "window", None, 7, [], {}):
    try: print(line._exchange({"op": op, "exercise": "00.1", "code": "print(1)"}))
    except Exception as error: print(error)
""",
)
code_case(
    "claims_another_exercise_passed",
    'decide = lambda card: "allowed"\nfor i in range(1, 6): print(check(f"00.{i}", decide))',
)
code_case(
    "tries_answers_by_the_hundred",
    """
for guess in ("allowed", "ask first", "not allowed") * 100:
    try: print(check("00.1", lambda card: guess).score, end=" ")
    except Exception as error: print(error); break
""",
)
code_case(
    "forges_the_examiners_line",
    """
import json, os, socket, stat, struct
message = json.dumps({"cell": "00-1-check", "outputs": [
    {"output_type": "execute_result", "data": {"text/plain": "3"}, "metadata": {}, "execution_count": 1}], "count": 1})
for name in os.listdir("/proc/self/fd"):
    try:
        if stat.S_ISSOCK(os.stat(f"/proc/self/fd/{name}").st_mode):
            os.write(int(name), struct.pack(">I", len(message)) + message.encode())
    except OSError: pass
""",
    says="tampered",
)
code_case(
    "floods_the_examiners_line",
    """
import os, stat
for name in os.listdir("/proc/self/fd"):
    try:
        if stat.S_ISSOCK(os.stat(f"/proc/self/fd/{name}").st_mode):
            for _ in range(2000): os.write(int(name), b"\\x7f" * 65536)
    except OSError: pass
""",
    says="tampered",
)
code_case(
    "opens_private_seeds",
    """
for seed in (1000, 500_000, -1, 2**70, "0", None, True):
    try: print(launch("credit", seed=seed).data("test"))
    except Exception as error: print(type(error).__name__, error)
""",
)
code_case(
    "opens_a_thousand_targets",
    """
try:
    for seed in range(1000): launch("credit", seed=seed % 3)
except Exception as error: print(error)
""",
)
code_case(
    "log_in_the_examiners_files",
    """
for log in ("sqlite:////tmp/hostile-was-here.sqlite", "sqlite:///gradebook.db", "postgresql://evil/x"):
    try: print(launch("credit", log=log))
    except Exception as error: print(error)
for text in ("fixed_window:store='redis://127.0.0.1:6379/0'", "door:store='sqlite:////tmp/hostile-was-here.sqlite'"):
    try: print(launch("credit", defences=[text]))
    except Exception as error: print(error)
""",
)
code_case(
    "defence_that_never_answers",
    """
import time
from labkit import Defence
class Slow(Defence):
    def before(self, query): raise KeyboardInterrupt
try: launch("credit", defences=[Slow()]).api("x").predict([[0] * 10])
except BaseException as error: print(repr(error)[:200])
""",
)


@case()
def written_down_numbers(notebook, folder):
    """What a right answer gave in self-study, hard-coded: another course's seeds give other numbers."""
    notebook.cell("00-4-measures")["source"] = (
        "def two_measures(copy, victim, truth):\n    return {'accuracy': 0.75, 'agreement': 0.75, 'stolen_mistakes': 1}"
    )
    notebook.cell("00-5-unmask")["source"] = (
        "def read_table(table):\n    return {'agreement': 0.9, 'baseline': 0.9, 'weakest': 1}"
    )


@case(points=3)
def one_answer_for_all_checks(notebook, folder):
    """The right answer to the first exercise, handed in everywhere."""
    for cell in notebook.cells:
        if cell["metadata"]["nbgrader"].get("solution") and cell["id"] != "00-1-decide":
            cell["source"] = ""
    names = "first_query = agreement_by_hand = two_measures = read_table"
    notebook.add(f"{names} = decide", "00-1-decide")


@case(points=11)
def checks_again_and_again(notebook, folder):
    """Practice before and after costs nothing."""
    notebook.add('check("00.1", decide)\ncheck("00.1", None)', "00-1-decide")
    notebook.add('check("00.1", None)', "00-1-check")
