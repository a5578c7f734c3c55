"""``python -m benchmarks.cluster``: a large class on Dask with two workers, one of them killed in the middle.

Lab 00 without its demonstrations; four learners of five handed in the solution, one the lab as it was. Memory is
sampled over the whole run; growth is the slope over the second half of the class.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "cluster.md"
LAB, FULL = "00_start_here", 11.0
PAGE = os.sysconf("SC_PAGE_SIZE")
LOOPBACK = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]


def make_course(course: Path, count: int) -> None:
    """``count`` submissions; every fifth earns nothing."""
    texts = {}
    for step in ("solutions", "labs"):
        notebook = json.loads((ROOT / step / LAB / f"{LAB}.ipynb").read_text(encoding="utf-8"))
        notebook["cells"] = [cell for cell in notebook["cells"] if "nbgrader" in cell["metadata"]]
        texts[step] = json.dumps(notebook)
        write(course / step / LAB, texts[step])
    for i in range(count):
        write(course / "submitted" / f"learner{i:05}" / LAB, texts["labs" if i % 5 == 4 else "solutions"])


def write(folder: Path, text: str) -> None:
    """One notebook in its folder."""
    folder.mkdir(parents=True)
    (folder / f"{LAB}.ipynb").write_text(text, encoding="utf-8")


class Cluster:
    """A scheduler and workers of one thread each, on loopback."""

    def __init__(self, folder: Path, workers: int):
        self.folder = folder
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1", "MODEL_THEFT_LABS_SECRET": "a thousand"}
        # Dask's own profiler keeps what it sees for an hour: as worker memory, that would hide ours.
        self.environment["DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED"] = "False"
        place = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--port", "0", "--scheduler-file", str(place))
        while not place.exists() or not place.read_text():
            time.sleep(0.2)
        self.address = json.loads(place.read_text())["address"]
        self.workers = [self._start("worker", self.address, "--nthreads", "1", "--no-nanny") for _ in range(workers)]

    def grade(self, course: Path) -> subprocess.Popen[str]:
        """The command that grades ``course``."""
        command = [sys.executable, "-m", "grading", "autograde", LAB, "--root", str(course), "--dask", self.address]
        return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, text=True)

    def close(self) -> None:
        """End it."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def _start(self, what: str, *arguments: str) -> subprocess.Popen[bytes]:
        dask = [str(Path(sys.executable).parent / "dask"), what, *arguments, *LOOPBACK]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(dask, env=self.environment, cwd=self.folder, stdout=log, stderr=log)


class Sampler(threading.Thread):
    """Notes every two seconds how many are graded and what each process uses, in MB; with its children where named."""

    def __init__(self, processes: dict[str, int]):
        super().__init__(daemon=True)
        self.processes, self.graded, self.over = processes, 0, threading.Event()
        self.samples: list[tuple[int, dict[str, float]]] = []

    def run(self) -> None:
        """Sample until the run is over."""
        while not self.over.wait(2):
            used = {}
            for name, pid in self.processes.items():
                used[name] = private([pid])
                if name.startswith("worker"):
                    used[f"{name} and its sandboxes"] = private(below(pid))
            self.samples.append((self.graded, used))

    def line(self, name: str, count: int) -> str:
        """A row of the table: first, largest, last, and the slope over the second half."""
        points = [(done, used[name]) for done, used in self.samples if used[name] > 0]
        late = np.array([point for point in points if point[0] >= count / 2])
        values = [used for _, used in points]
        slope = f"{100 * np.polyfit(late[:, 0], late[:, 1], 1)[0]:+.1f}" if len(set(late[:, 0])) > 2 else "–"
        return f"| {name} | {values[0]:.0f} | {max(values):.0f} | {values[-1]:.0f} | {slope} |"


def below(pid: int) -> list[int]:
    """A process and all that it started."""
    try:
        lists = [file.read_text().split() for file in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        lists = []
    return [pid, *(deeper for words in lists for word in words for deeper in below(int(word)))]


def private(pids: list[int]) -> float:
    """MB that these processes share with nobody."""
    total = 0
    for pid in pids:
        try:
            resident, shared = Path(f"/proc/{pid}/statm").read_text().split()[1:3]
        except OSError:
            continue
        total += (int(resident) - int(shared)) * PAGE
    return total / (1 << 20)


def measure(count: int) -> tuple[str, list[str]]:
    """Grade a class of ``count``; the sentence that says what came of it, and the table of memory."""
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder) / "course"
        make_course(course, count)
        cluster = Cluster(Path(folder), 2)
        try:
            start = time.perf_counter()
            process = cluster.grade(course)
            names = {"scheduler": cluster.scheduler.pid, "writer": process.pid}
            names |= {f"worker {i + 1}": worker.pid for i, worker in enumerate(cluster.workers)}
            sampler = Sampler(names)
            sampler.start()
            lines = follow(process, sampler, lambda: cluster.workers[0].kill(), count)
            wall = time.perf_counter() - start
            sampler.over.set()
            sampler.join()
        finally:
            cluster.close()
        points = in_gradebook(course)
    right = points == Counter({FULL: count - count // 5, 0.0: count // 5})
    said = f"{sum(points.values()):,} of {count:,} are in the gradebook, "
    said += "each with the points it deserves" if right else f"NOT with the points they deserve ({dict(points)})"
    said += f", after {wall / 60:.1f} minutes ({wall / count:.2f} s each). The command's last words: {lines[-2]}"
    rows = [name for name in sampler.samples[0][1] if not name.startswith("worker 1")]
    return said, [sampler.line(name, count) for name in rows]


def follow(process: subprocess.Popen[str], sampler: Sampler, kill, count: int) -> list[str]:
    """Read what the command says, and kill a worker half way."""
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line.strip())
        if line.startswith("learner") and line.rstrip().endswith("points"):
            sampler.graded += 1
            if sampler.graded == count // 2:
                kill()
    if process.wait():
        raise SystemExit("\n".join(lines[-20:]))
    return lines


def in_gradebook(course: Path) -> Counter[float]:
    """How many earned what, by the gradebook."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        made = book.assignment_submissions(LAB)
        return Counter(float(sum(g.auto_score or 0 for n in one.notebooks for g in n.grades)) for one in made)


def main() -> None:
    """Measure, print, and write results/cluster.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--submissions", type=int, default=1000)
    count = parser.parse_args().submissions
    said, rows = measure(count)
    text = "\n".join([
        "# A class on Dask, measured", "",
        f"Written by `python -m benchmarks.cluster --submissions {count}` on {datetime.now(UTC):%Y-%m-%d}; Python "
        f"{platform.python_version()}, distributed {version('distributed')}, {os.cpu_count()} shared cores, load "
        f"{os.getloadavg()[0]:.1f} at the end.", "",
        f"{count:,} submissions of lab 00 without its demonstrations, one scheduler, two workers of one thread each, "
        "every process on this machine; worker 1 gets SIGKILL when half of the class is graded and is not replaced; "
        "Dask's profiler is off (`DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False`). "
        f"**{said}**", "",
        "Memory that a process shares with nobody, sampled every two seconds; growth is the slope of a straight line "
        "over the second half of the class. The writer is the command itself, with the gradebook.", "",
        "| process | first MB | largest MB | last MB | growth, MB per 100 submissions |",
        "| :-- | --: | --: | --: | --: |", *rows, "",
    ])  # fmt: skip
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
