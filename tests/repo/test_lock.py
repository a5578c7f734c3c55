"""One lock feeds `make test`, `make lab` and Binder; nothing else decides a version."""

from __future__ import annotations

import re
import tomllib

import pytest

from tools import export_learner

PIN = re.compile(r"^([a-z0-9-]+)==(\S+?)((?: ; .*?)?) \\$", re.MULTILINE)


@pytest.fixture
def lock(root):
    return (root / "requirements.lock").read_text(encoding="utf-8")


@pytest.fixture
def learner(root):
    return (root / "binder" / "requirements.txt").read_text(encoding="utf-8")


def test_exporting_the_learners_part_again_changes_nothing(root, lock, learner):
    assert export_learner.learner_part(lock, (root / "pyproject.toml").read_text(encoding="utf-8")) == learner


def test_every_learner_pin_is_the_locks_pin_with_its_hashes(lock, learner):
    assert len(PIN.findall(learner)) > 80
    assert set(PIN.findall(learner)) <= set(PIN.findall(lock))
    for name, version, marker in PIN.findall(learner):
        block = learner.split(f"{name}=={version}{marker} \\\n")[1].split("\n\n")[0]
        assert re.match(r" +--hash=sha256:[0-9a-f]{64}", block), name


def test_every_dependency_of_the_project_is_pinned(root, lock, learner):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = {name for name, *_ in PIN.findall(learner)}
    named = {re.split(r"[^a-z0-9-]", line)[0] for line in project["dependencies"]}
    assert named <= pinned
    extras = {line for lines in project["optional-dependencies"].values() for line in lines}
    named_by_extras = {re.split(r"[^a-z0-9-]", line)[0] for line in extras} - {project["name"]}
    assert named_by_extras <= {name for name, *_ in PIN.findall(lock)}
    tools = {"nbgrader", "pytest", "ruff", "mypy", "playwright", "jupyter-repo2docker", "hypothesis"}
    assert tools <= named_by_extras
    assert not tools & pinned, "a learner's environment holds a developer's tool"


def test_a_dependency_the_lock_lacks_is_named():
    pyproject = '[project]\ndependencies = ["flask>=3", "notinlock>=1"]\n'
    with pytest.raises(SystemExit, match=r"lacks notinlock: run `make lock`"):
        export_learner.learner_part("flask==3.1.0 \\\n    --hash=sha256:00\n    # via model-theft-labs\n", pyproject)


def test_packages_come_along_with_whoever_asks_for_them():
    lock = (
        "a==1 \\\n    --hash=sha256:00\n    # via project\n"
        "b==1 ; python_version < '3.12' \\\n    --hash=sha256:01\n    # via\n    #   a\n    #   z\n"
        "b==2 ; python_version >= '3.12' \\\n    --hash=sha256:02\n    # via a\n"
        "c==1 \\\n    --hash=sha256:03\n    # via b[extra]\n"
        "z==1 \\\n    --hash=sha256:04\n    # via project\n"
    )
    kept = export_learner.learner_part(lock, '[project]\ndependencies = ["a"]\n')
    assert re.findall(r"^(\w==\d)", kept, re.MULTILINE) == ["a==1", "b==1", "b==2", "c==1"]


def test_binder_names_its_python_and_one_the_course_runs_on(root):
    runtime = (root / "binder" / "runtime.txt").read_text(encoding="utf-8").strip()
    classifiers = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["classifiers"]
    assert f"Programming Language :: Python :: {runtime.removeprefix('python-')}" in classifiers
