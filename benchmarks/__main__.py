"""``python -m benchmarks [NAME …]``: run these benchmarks, or every one; each writes its page in results/."""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks.gradebench import environment as graders
from benchmarks.servers import environment as servers

NAMES = ("theft", "defences", "detection", "watermarks", "serving", "grading", "cluster")

# Rivals that live in an environment of their own.
APART = {"serving": servers, "grading": graders}


def main() -> int:
    """Run them one after the other, each in a process of its own; the exit code of the first that fails, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(NAMES)} (default: all)")
    names = parser.parse_args().names
    if unknown := [name for name in names if name not in NAMES]:
        parser.error(f"no benchmark is named {unknown[0]!r}; choose from {', '.join(NAMES)}")
    for name in names or NAMES:
        if not names and name in APART and not APART[name].prepared():
            print(f"{name} left out: python -m benchmarks.{name} --prepare makes its environment", file=sys.stderr)
        elif code := subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
