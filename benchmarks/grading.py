"""``python -m benchmarks.grading``: our engine beside stock nbgrader, in turns, on the same submissions.

CPU seconds are the trustworthy ones on a machine with other work. Each way grades copies of the solution from nothing;
the floor is the same cells run again and again in one warm process, judged in that process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "grading.md"
STOCK = "from grading.nbgrader_settings import apply\nc = get_config()\napply(c)\n"
FLOOR = """
import json, sys, time
from pathlib import Path
from IPython.core.interactiveshell import InteractiveShell
cells = [("".join(c["source"])) for c in json.loads(Path(sys.argv[1]).read_text())["cells"] if c["cell_type"] == "code"]
shell = InteractiveShell.instance()
spent = []
for _ in range(int(sys.argv[2]) + 1):
    start = time.process_time()
    for cell in cells: shell.run_cell(cell)
    spent.append(time.process_time() - start)
print("\\nFLOOR", sum(spent[1:]) / len(spent[1:]))
"""


def make_course(folder: Path, lab: str, light: bool, count: int) -> None:
    """A course with ``count`` copies of the solution; ``light``: answers and checks without the demonstrations."""
    for step in ("solutions", "labs"):
        notebook = json.loads((ROOT / step / lab / f"{lab}.ipynb").read_text(encoding="utf-8"))
        if light:
            notebook["cells"] = [c for c in notebook["cells"] if "nbgrader" in c["metadata"]]
        places = [folder / step / lab]
        if step == "solutions":
            places += [folder / "submitted" / f"learner{i:03}" / lab for i in range(count)]
        for place in places:
            place.mkdir(parents=True)
            (place / f"{lab}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")


def run(command: list[str], folder: Path) -> tuple[float, float]:
    """Wall and CPU seconds of ``command``, with all that it started."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    made = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(command, cwd=folder, env=made, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command} failed:\n{done.stderr[-2000:]}")
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ours(course: Path, lab: str, *more: str) -> tuple[float, float]:
    """Our engine over ``course``."""
    return run([sys.executable, "-m", "grading", "autograde", lab, "--root", str(course), *more], ROOT)


def stock(course: Path, lab: str) -> tuple[float, float]:
    """Stock nbgrader over ``course``, one process for the whole batch, its gradebook made beforehand."""
    (course / "nbgrader_config.py").write_text(STOCK + f"c.CourseDirectory.root = {str(course)!r}\n")
    nbgrader = [sys.executable, "-m", "nbgrader"]
    run([*nbgrader, "generate_assignment", lab, "--force"], course)
    return run([*nbgrader, "autograde", lab], course)


def floor(lab: str, light: bool, count: int) -> float:
    """CPU seconds of the same cells in one warm process."""
    with tempfile.TemporaryDirectory() as folder:
        make_course(Path(folder), lab, light, 1)
        made = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "NBGRADER_EXECUTION": "autograde",
                "MODEL_THEFT_LABS_OPENER": "grading.openers:wsgi"}  # fmt: skip
        command = [sys.executable, "-c", FLOOR, f"{folder}/solutions/{lab}/{lab}.ipynb", str(count)]
        done = subprocess.run(command, cwd=ROOT, env=made, capture_output=True, text=True, check=True)
    return float(done.stdout.rsplit("FLOOR", 1)[1])


def measure(lab: str, light: bool, count: int, rounds: int) -> list[str]:
    """Lines of the table for one lab."""
    walls: dict[str, list[float]] = {"ours": [], "stock": [], "again": []}
    cpus: dict[str, list[float]] = {"ours": [], "stock": [], "again": []}
    for _ in range(rounds):
        for way in ("ours", "stock"):
            course = Path(tempfile.mkdtemp())
            make_course(course, lab, light, count)
            runs = {way: (ours if way == "ours" else stock)(course, lab)}
            if way == "ours":
                runs["again"] = ours(course, lab)
            for name, (wall, cpu) in runs.items():
                walls[name].append(wall / count)
                cpus[name].append(cpu / count)
            shutil.rmtree(course, ignore_errors=True)
    name = f"{lab}, {'answers and checks' if light else 'whole'}, {count} submissions"
    low = floor(lab, light, min(count, 4))
    wall, cpu = ({k: statistics.median(v) for k, v in d.items()} for d in (walls, cpus))
    rows = [
        ("stock nbgrader, batch", wall["stock"], cpu["stock"]), ("our engine", wall["ours"], cpu["ours"]),
        ("our engine, class unchanged", wall["again"], cpu["again"]),
    ]  # fmt: skip
    lines = [f"| {name} | {what} | {w:.2f} | {c:.2f} |" for what, w, c in rows]
    lines.append(f"| {name} | floor: one warm process | – | {low:.2f} |")
    faster, again = wall["stock"] / wall["ours"], wall["ours"] / wall["again"]
    cheaper, over = cpu["stock"] / cpu["ours"], cpu["ours"] / low
    lines.append(
        f"| {name} | **ratios** | **{faster:.1f} ×** stock; again {again:.0f} × "
        f"| **{cheaper:.1f} ×** stock; {over:.2f} × the floor |"
    )
    return lines


def main() -> None:
    """Measure, print, and write results/grading.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grading", description=__doc__)
    parser.add_argument("--submissions", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--light-only", action="store_true", help="leave out whole lab 01, which takes most of the time"
    )
    options = parser.parse_args()
    lines = measure("00_start_here", True, options.submissions, options.rounds)
    if not options.light_only:
        lines += measure("01_steal_by_query", False, options.submissions, options.rounds)
    load = os.getloadavg()[0]
    text = "\n".join([
        "# Grading: our engine beside stock nbgrader", "",
        f"Medians of {options.rounds} rounds in turns. Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"load {load:.1f} at the end. Seconds a submission, start-up included.", "",
        "| lab | way | wall s | CPU s |", "| :-- | :-- | --: | --: |", *lines, "",
    ])  # fmt: skip
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
