"""What the sandbox promises, in each of its kinds, and what happens where there is none."""

from __future__ import annotations

import subprocess
import sys

import pytest

from grading.engine import sandbox
from grading.engine.attempt import Cell, Patience
from grading.engine.examine import Examiner
from grading.engine.inside import landlock

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="sandboxes are Linux's"),
]
KINDS = ["namespaces", "walls"]


@pytest.fixture(scope="module", params=KINDS)
def examiner(request):
    with Examiner(sandbox.choose(kind=request.param), patience=Patience(cell=30)) as one:
        yield one


def said(examiner, source):
    """What a cell prints."""
    outcome = examiner.run([Cell("a", source)])
    return "".join(o.get("text", "") + o.get("evalue", "") for o in outcome.outputs["a"]), outcome


def test_the_report_names_the_walls(examiner):
    _, outcome = said(examiner, "1")
    assert "seccomp" in outcome.walls
    assert any(w.startswith("landlock") for w in outcome.walls)
    assert any("no capabilities" in w for w in outcome.walls)
    assert ("namespaces" in outcome.walls) == (examiner.plan.kind == "namespaces")


@pytest.mark.parametrize("source", [
    "open('/etc/hostile', 'w')", "import os; os.setuid(0); open('/etc/x', 'w')", "open('/etc/shadow').read()",
    "import ctypes, os; c = ctypes.CDLL(None, use_errno=True); assert c.unshare(0x10000000) == 0",
    "import socket; socket.create_connection(('1.1.1.1', 53), timeout=2)",
    "import os; os.kill(2, 9)" if sys.platform == "linux" else "", "import grading.exercises",
])  # fmt: skip
def test_what_is_outside_is_out_of_reach(examiner, source):
    words, _ = said(examiner, f"try:\n    {source}\n    print('REACHED')\nexcept BaseException as e: print(type(e))")
    assert "REACHED" not in words
    assert "class" in words


def test_a_learners_own_folder_is_theirs_and_empty_for_the_next(examiner):
    words, _ = said(
        examiner, "import os\nprint(os.listdir('.'))\nopen('mine', 'w').write('x')\nprint(open('mine').read())"
    )
    assert words == "[]\nx\n"
    assert said(examiner, "import os\nprint(os.listdir('.'))")[0] == "[]\n"


def test_two_submissions_draw_different_numbers(examiner):
    source = "import random, numpy, os\nprint(random.random(), numpy.random.rand(), os.urandom(4))"
    assert said(examiner, source)[0] != said(examiner, source)[0]


def test_no_secret_is_in_the_environment(monkeypatch):
    monkeypatch.setenv("MODEL_THEFT_LABS_SECRET", "sesame")
    assert "sesame" not in str(sandbox.environment(sandbox.choose()))


def test_without_any_sandbox_grading_refuses_and_says_what_to_install(monkeypatch):
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    with pytest.raises(sandbox.NoSandbox, match="Install bubblewrap"):
        sandbox.choose()
    assert sandbox.choose(trust=True).kind == "none"


def test_a_broken_bubblewrap_falls_back_to_walls(monkeypatch):
    def refuse(*args, **kwargs):
        return subprocess.CompletedProcess(args, 1, b"", b"No permissions to create a new namespace")

    monkeypatch.setattr(sandbox.subprocess, "run", refuse)
    assert sandbox.choose().kind == "walls"


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_the_set_up_cell_wrote_are_there_and_each_submission_has_its_own(kind):
    setup = (
        "import tempfile\nfrom pathlib import Path\nplace = Path(tempfile.mkdtemp()) / 'leak'\nplace.write_text('loot')"
    )
    own = "print(place.read_text())\nplace.write_text('spoiled')"
    with Examiner(sandbox.choose(kind=kind), setup=[setup]) as one:
        for _ in range(2):
            outcome = one.run([Cell("setup", setup), Cell("a", own)], warm=True)
            assert outcome.outputs["a"][0].get("text") == "loot\n", outcome.outputs


def test_an_environment_in_tmp_stands_elsewhere_in_the_sandbox(monkeypatch):
    """There /tmp is empty and private: a checkout in /tmp would be out of sight, and its copies would fill the disk."""
    monkeypatch.setattr(sandbox.sys, "executable", "/tmp/clone/.venv/bin/python")
    monkeypatch.setattr(sandbox.sys, "prefix", "/tmp/clone/.venv")
    command = sandbox.Plan("namespaces", ("/",)).command(3)
    assert "/moved/tmp/clone/.venv/bin/python" in command
    bound = [tuple(command[i + 1 : i + 3]) for i, word in enumerate(command) if word == "--ro-bind-try"]
    assert ("/tmp/clone/.venv", "/moved/tmp/clone/.venv") in bound
    assert not any(inside.startswith("/tmp/") for _, inside in bound)
