"""The worker's side of a class graded on Dask. What comes in and what goes out is JSON in bytes.

No secret travels: a worker has the course's in its own environment, and proves it. One process of a worker keeps one
warm examiner a run; Dask's own threads call it.
"""

from __future__ import annotations

import atexit
import hashlib
import hmac
import json
import os
import secrets
import sys
import threading
import time
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

SECRET, PUBLIC = "MODEL_THEFT_LABS_SECRET", "self-study"
# Tells this process from another that is started at the same address later.
TOKEN = secrets.token_hex(8)
IDLE = 900.0
_LIBRARIES = ("numpy", "scipy", "scikit-learn")
_desks: dict[str, Desk] = {}
_lock = threading.Lock()


def proof(secret: str, run: str) -> str:
    """Shows who has ``secret``, and tells it to nobody; slow on purpose, so that guessing from it is, too."""
    return hashlib.scrypt(secret.encode(), salt=run.encode(), n=2**14, r=8, p=1).hex()


def versions() -> dict[str, str]:
    """Of what private draws and fitted models follow from: the same on both sides, or grades would differ."""
    return {"Python": ".".join(map(str, sys.version_info[:2])), **{name: version(name) for name in _LIBRARIES}}


def terms(run: str, lab: str, release: Any, settings: Any, secret: str) -> bytes:
    """What a run asks of a worker, for check_in."""
    from grading.engine.grade import code_version

    return json.dumps({
        "run": run, "lab": lab, "notebook": release.notebook, "trust": settings.trust,
        "patience": asdict(settings.patience), "proof": proof(secret or PUBLIC, run),
        "code": code_version(lab[:2]).hex(), "versions": versions(),
    }).encode()  # fmt: skip


def check_in(asked: bytes) -> bytes:
    """Make ready for a run; says which process this is, and in words why it cannot grade ("" if it can)."""
    order = json.loads(asked)
    _clear()
    try:
        problem = _problem(order)
        if not problem:
            desk = Desk(order)
            with _lock:
                _desks.setdefault(order["run"], desk)
    except Exception as error:  # NoSandbox above all
        problem = str(error)[:1000] or type(error).__name__
    return json.dumps({"token": TOKEN, "problem": problem}).encode()


def check_out(run: str) -> None:
    """End a run's warm processes here, and whatever it still had under way."""
    with _lock:
        desk = _desks.pop(run, None)
    if desk:
        desk.examiner.close()


def grade_some(run: str, token: str, given: bytes) -> bytes:
    """Grade submissions one after the other; for each its result, or in words how the engine failed.

    A process that is not the one which was meant grades nothing: the other died with them, and once is enough.
    """
    desk = _desks.get(run)
    if token != TOKEN or desk is None:
        return b'{"elsewhere": true}'
    try:
        return json.dumps({"results": [desk.grade(one) for one in json.loads(given)]}).encode()
    except Exception as error:  # in words: Dask would send it as a pickle, and some cannot be read again
        return json.dumps({"broken": f"{type(error).__name__}: {error}"[:500]}).encode()


class Desk:
    """A run's examiner in this process. Raises NoSandbox where none can be had."""

    def __init__(self, order: dict):
        from grading.engine import sandbox
        from grading.engine.attempt import Patience
        from grading.engine.examine import Examiner
        from grading.engine.released import Release

        self.release = Release.of(order["lab"], order["notebook"])
        plan = sandbox.choose(trust=order["trust"])
        secret, patience = os.environ.get(SECRET) or PUBLIC, Patience(**order["patience"])
        # Its processes start with the first submission.
        self.examiner = Examiner(plan, secret=secret, patience=patience, setup=self.release.setup)
        self.busy, self.used = 0, time.monotonic()

    def grade(self, one: dict) -> dict:
        """One submission, as grading.engine.dask_run packs it."""
        from grading.engine import slots
        from grading.engine.grade import Graded, grade_what_was_read
        from grading.engine.submission import Finding, Submission

        findings = [Finding(**finding) for finding in one["findings"]]
        submission = Submission(one["cells"], one["files"], findings, readable=one["readable"])
        self.busy += 1
        try:
            with slots.taken() as slot:
                result = Graded(one["student"], "")
                return grade_what_was_read(self.examiner, self.release, submission, result, slot=slot).as_data()
        except Exception as error:
            return {"failed": f"{type(error).__name__}: {error}"[:500]}
        finally:
            self.busy -= 1
            self.used = time.monotonic()


def _problem(order: dict) -> str:
    from grading.engine.grade import code_version

    if sys.platform != "linux":
        return "it is no Linux machine, and sandboxes are Linux's"
    if not hmac.compare_digest(proof(os.environ.get(SECRET) or PUBLIC, order["run"]), order["proof"]):
        return f"its {SECRET} is not yours: start it with the same one in its environment"
    ours = versions()
    other = [f"{name} {ours.get(name)} (here {theirs})" for name, theirs in order["versions"].items()
             if ours.get(name) != theirs]  # fmt: skip
    if other:
        return f"it has {', '.join(other)}: install the same requirements.lock there"
    if code_version(order["lab"][:2]).hex() != order["code"]:
        return "it has another version of this course: check out the same one there"
    return ""


def _clear() -> None:
    """End what runs left here whose client was killed."""
    with _lock:
        old = [run for run, desk in _desks.items() if not desk.busy and time.monotonic() - desk.used > IDLE]
    for run in old:
        check_out(run)


@atexit.register
def _end() -> None:
    for run in list(_desks):
        check_out(run)
