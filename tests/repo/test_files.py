"""What may not stand in any file, and what every file of a kind must have."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

# Spelled with a gap, so that this file does not hold what it forbids.
REGISTRIES = [name.replace("~", "") for name in ("py~pi.org", "python~hosted.org", "ana~conda.org", "npm~js.org")]
MACHINE = [place.replace("~", "") for place in ("/wo~rk/", "/home/~runner", "/ro~ot/", "C:\\Us~ers")]
SECRETS = re.compile(r"AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE KEY-----")
ROOMS = ["targets", "grading", "labs/labkit"]


@pytest.fixture(scope="module")
def texts(files):
    pictures = {".png", ".ico", ".skops", ".npz"}
    return {path: path.read_text(encoding="utf-8") for path in files if path.suffix not in pictures}


@pytest.mark.parametrize("word", REGISTRIES + MACHINE)
def test_no_file_names_a_registry_or_a_place_on_one_machine(texts, root, word):
    assert [str(path.relative_to(root)) for path, text in texts.items() if word in text] == []


def test_no_file_holds_a_secret(texts, root):
    assert [str(path.relative_to(root)) for path, text in texts.items() if SECRETS.search(text)] == []


def test_the_search_for_secrets_finds_one():
    assert SECRETS.search("key = 'AKIA" + "A" * 16 + "'")


def test_rooms_import_one_way(root):
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command, "--no-cache"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nobody_imports_solutions_tests_or_tools(root):
    strangers = {"solutions", "tests", "tools", "benchmarks"}
    for room in ROOMS:
        for path in (root / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
                assert not {name.split(".")[0] for name in names} & strangers, f"{path}: {names}"


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_has_a_page_of_one_screen(root, room):
    page = root / room / "README.md"
    assert page.is_file(), f"{room}/README.md is missing: what lives here, what may be touched, what flows through"
    assert 5 <= len(page.read_text(encoding="utf-8").splitlines()) <= 60


def test_modules_stay_small(root):
    modules = [path for room in [*ROOMS, "tools"] for path in (root / room).rglob("*.py")]
    modules = [path for path in modules if path.parent.name != "exercises"]  # one file a lab, as long as the lab
    lengths = {str(path.relative_to(root)): len(path.read_text(encoding="utf-8").splitlines()) for path in modules}
    long = {name: length for name, length in lengths.items() if length > 250}
    assert long == {}


def test_no_module_gives_one_of_its_names_to_two_things(files, root):
    """An exercise once had no floor: further down the file another exercise's constant had the same name."""
    for path in files:
        if path.suffix != ".py":
            continue
        given = Counter()
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                given[node.name] += 1
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                given.update(one.id for target in targets for one in ast.walk(target) if _is_new(one))
        assert [name for name, times in given.items() if times > 1] == [], path.relative_to(root)


def _is_new(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
