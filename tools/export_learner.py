"""Write binder/requirements.txt: the part of requirements.lock that a learner needs, pin for pin and hash for hash.

`make lock` runs this after resolving. No network: the lock names, under each pin, the packages that ask for it.
"""

from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PIN = re.compile(r"^[A-Za-z0-9._-]+==", re.MULTILINE)
HEADER = """\
# What a learner needs, for Binder and `make lab`: cut out of requirements.lock by `make lock`. Do not edit.
"""


def normal(name: str) -> str:
    """A package name the way indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def blocks(lock: str) -> list[tuple[str, str]]:
    """(package name, its lines in the lock: pin, hashes, who asks for it); a name may come twice, with markers."""
    starts = [match.start() for match in PIN.finditer(lock)] + [len(lock)]
    parts = (lock[begin:end] for begin, end in itertools.pairwise(starts))
    return [(normal(part.split("==")[0]), part) for part in parts]


def askers(block: str) -> set[str]:
    """Names after `# via`: the packages because of which this one is in the lock."""
    comments = re.findall(r"^ +#(?: via)? *(\S+)", block.replace("# via\n", "#\n"), re.MULTILINE)
    return {normal(name.split("[")[0]) for name in comments}


def learner_part(lock: str, pyproject: str) -> str:
    """The lock reduced to pyproject's plain dependencies and everything they bring."""
    packages = blocks(lock)
    dependencies = tomllib.loads(pyproject)["project"]["dependencies"]
    wanted = {normal(re.split(r"[^A-Za-z0-9._-]", line)[0]) for line in dependencies}
    if missing := wanted - {name for name, _ in packages}:
        raise SystemExit(f"requirements.lock lacks {', '.join(sorted(missing))}: run `make lock`.")
    while grown := {name for name, block in packages if name not in wanted and askers(block) & wanted}:
        wanted |= grown
    pins = (re.sub(r"^ +#.*\n?", "", block, flags=re.MULTILINE) for name, block in packages if name in wanted)
    return HEADER + "".join(pins)


def main() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (ROOT / "binder" / "requirements.txt").write_text(learner_part(lock, pyproject), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
