"""Rewrite the tables of labs in README.md and labs/README.md from the notebooks themselves; `make labs` runs this.

A solution notebook's first heading is the lab's title. Its metadata holds the rest, the outcome worded so that it
completes "By the end you can …": `"model_theft_labs": {"minutes": 50, "outcome": "copy a model through its API"}`.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- labs: written by make labs -->", "<!-- end of labs -->"


@dataclass(frozen=True)
class Lab:
    """What the tables say about one lab."""

    folder: str
    title: str
    minutes: int
    outcome: str

    @property
    def number(self) -> str:
        return self.folder[:2]

    @property
    def path(self) -> str:
        """The learner's notebook, relative to labs/."""
        return f"{self.folder}/{self.folder}.ipynb"


def read_lab(notebook: Path) -> Lab:
    """Title, minutes and outcome of one solution notebook; a missing one stops with its name."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    facts = content["metadata"].get("model_theft_labs", {})
    prose = ("".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "markdown")
    heading = next((match for text in prose if (match := re.search(r"^# (?:\d\d\W+)?(.+)$", text, re.MULTILINE))), None)
    if heading is None:
        raise SystemExit(f"{notebook}: no text cell starts with a `# ` heading, so the lab has no title.")
    for field, kind in (("minutes", int), ("outcome", str)):
        if not isinstance(facts.get(field), kind):
            raise SystemExit(f'{notebook}: metadata["model_theft_labs"]["{field}"] is missing or no {kind.__name__}.')
    return Lab(notebook.parent.name, heading[1].strip(), facts["minutes"], facts["outcome"])


def all_labs(root: Path = ROOT) -> list[Lab]:
    """Every lab that exists, in order."""
    return [read_lab(path) for path in sorted(root.glob("solutions/[0-9][0-9]_*/*.ipynb"))]


def slug(root: Path = ROOT) -> str:
    """owner/name of the repository, from [project.urls] Source in pyproject.toml."""
    source = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Source"]
    return source.rstrip("/").split("github.com/")[-1]


def binder_link(repository: str, path: str) -> str:
    """Address that opens one file of labs/ on Binder."""
    return f"https://mybinder.org/v2/gh/{repository}/HEAD?urlpath={quote(f'lab/tree/{path}', safe='')}"


def front_table(labs: list[Lab], repository: str) -> str:
    """The table of the repository's front page, with a Binder link a lab."""
    head = "| Lab | By the end you can | Minutes | Try it |\n| :-- | :-- | --: | :-- |\n"
    rows = (
        f"| [{lab.number} · {lab.title}](labs/{lab.path}) | {lab.outcome} | {lab.minutes} "
        f"| [Open {lab.number} on Binder]({binder_link(repository, lab.path)}) |\n"
        for lab in labs
    )
    return head + "".join(rows)


def home_table(labs: list[Lab]) -> str:
    """The table of the course home page, whose links open in JupyterLab."""
    head = "| Lab | By the end you can | Minutes |\n| :-- | :-- | --: |\n"
    rows = (f"| [{lab.number} · {lab.title}]({lab.path}) | {lab.outcome} | {lab.minutes} |\n" for lab in labs)
    return head + "".join(rows)


def with_table(page: str, table: str) -> str:
    """A page with the text between its markers replaced."""
    before, rest = page.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    return f"{before}{BEGIN}\n\n{table}\n{END}{after}"


def pages(root: Path = ROOT) -> dict[Path, str]:
    """Each page that holds a table of labs, as it ought to read."""
    labs, repository = all_labs(root), slug(root)
    front, home = root / "README.md", root / "labs" / "README.md"
    front_text = with_table(front.read_text(encoding="utf-8"), front_table(labs, repository))
    front_text = re.sub(
        r"https://mybinder\.org/v2/gh/[^/]+/[^/]+/", f"https://mybinder.org/v2/gh/{repository}/", front_text
    )
    return {front: front_text, home: with_table(home.read_text(encoding="utf-8"), home_table(labs))}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8", newline="\n")
