"""The pages people read: every command exists, every link leads somewhere, every table is made from its source."""

from __future__ import annotations

import json
import re
import shutil
from urllib.parse import unquote

import pytest

from tools import lab_tables

LINK = re.compile(r"\]\(<?([^)\s>]+)>?\)|(?:href|src)=\"([^\"]+)\"")
DISCLAIMER = (
    "CompTIA and SecurityX are trademarks of CompTIA, Inc. This independent open-source course is not affiliated with, "
    "endorsed by or approved by CompTIA (or ITU Online, MITRE, OWASP, NIST). It contains no actual exam questions."
)


def prose(path):
    """Markdown of a page or a notebook, without code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def test_relative_links_resolve(files, root):
    pages = [path for path in files if path.suffix in {".md", ".ipynb"}]
    assert len(pages) >= 4
    broken = []
    for page in pages:
        for match in LINK.finditer(prose(page)):
            target = (match[1] or match[2]).split("#")[0]
            if target and not re.match(r"[a-z]+:", target) and not (page.parent / unquote(target)).exists():
                broken.append(f"{page.relative_to(root)}: {target}")
    assert broken == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "labs/README.md", "CHANGELOG.md"])
def test_commands_on_the_pages_exist(root, page):
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = (root / page).read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`|^    |&& )make ([a-z-]+)", text, re.MULTILINE))
    assert named <= targets
    for script in re.findall(r"\btools/\w+\.py\b", text):
        assert (root / script).is_file(), script
    if page == "README.md":
        assert {"lab", "test"} <= named


def test_every_make_target_says_what_it_does(root):
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    declared = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[1].split()
    assert set(declared) == set(re.findall(r"^([a-z-]+):.*## \w", makefile, re.MULTILINE))


def test_tables_of_labs_are_what_make_labs_writes():
    for path, text in lab_tables.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is out of date: run `make labs`"


def test_every_lab_is_on_both_pages(root):
    front = (root / "README.md").read_text(encoding="utf-8")
    home = (root / "labs" / "README.md").read_text(encoding="utf-8")
    for lab in lab_tables.all_labs():
        assert f"](labs/{lab.path})" in front
        assert f"]({lab.path})" in home
        assert lab_tables.binder_link(lab_tables.slug(), lab.path) in front


def write_lab(root, metadata, heading="# 03 · Steal the file\n\nWords."):
    folder = root / "solutions" / "03_steal_file"
    folder.mkdir(parents=True)
    cells = [{"cell_type": "markdown", "source": [heading]}]
    (folder / "03_steal_file.ipynb").write_text(json.dumps({"metadata": metadata, "cells": cells}), encoding="utf-8")


def test_a_new_lab_and_a_new_home_reach_both_pages(tmp_path, root):
    for name in ("README.md", "labs/README.md", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(root / name, tmp_path / name)
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text(
        re.sub(r'Source = ".*"', 'Source = "https://github.com/me/mine"', pyproject.read_text("utf-8"))
    )
    write_lab(tmp_path, {"model_theft_labs": {"minutes": 50, "outcome": "read a model out of a file"}})
    front, home = lab_tables.pages(tmp_path).values()
    assert (
        "| [03 · Steal the file](labs/03_steal_file/03_steal_file.ipynb) | read a model out of a file | 50 |" in front
    )
    assert "mybinder.org/v2/gh/me/mine/HEAD?urlpath=lab%2Ftree%2F03_steal_file%2F03_steal_file.ipynb" in front
    assert "model-theft-labs/HEAD" not in front
    assert "| [03 · Steal the file](03_steal_file/03_steal_file.ipynb) |" in home


@pytest.mark.parametrize(
    ("metadata", "heading", "complaint"),
    [
        ({}, "# 03 · Steal", r'03_steal_file.ipynb: metadata\["model_theft_labs"\]\["minutes"\] is missing'),
        ({"model_theft_labs": {"minutes": "50", "outcome": "x"}}, "# 03 · Steal", "minutes.*no int"),
        ({"model_theft_labs": {"minutes": 50}}, "# 03 · Steal", "outcome.*missing"),
        ({"model_theft_labs": {"minutes": 50, "outcome": "x"}}, "## Too low", "no title"),
    ],
)
def test_a_lab_without_its_facts_is_named(tmp_path, metadata, heading, complaint):
    write_lab(tmp_path, metadata, heading)
    with pytest.raises(SystemExit, match=complaint):
        lab_tables.all_labs(tmp_path)


def test_the_changelog_has_a_place_for_the_next_change(root):
    assert "\n## [Unreleased]\n" in (root / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_front_page_disclaims_and_the_template_asks(root):
    assert DISCLAIMER in " ".join((root / "README.md").read_text(encoding="utf-8").split())
    template = (root / ".github/pull_request_template.md").read_text(encoding="utf-8")
    assert re.search(r"- \[ \] \*\*No recalled exam items", template)
