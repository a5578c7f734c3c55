"""A class graded: several submissions at once, one writer, what is done stays done whatever kills the run."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grading.engine import sandbox
from grading.engine.attempt import Patience
from grading.engine.examine import Examiner
from grading.engine.grade import Graded, fingerprint, grade, table_row
from grading.engine.gradebook import Writer, write_whole
from grading.engine.released import Release
from grading.engine.submission import read

SECRET = "MODEL_THEFT_LABS_SECRET"
KEPT = ".model-theft-labs/graded"


@dataclass
class Summary:
    """What a run did: results that are new, learners whose unchanged result was kept, and failures of the engine's."""

    graded: list[Graded] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    walls: list[str] = field(default_factory=list)


@dataclass
class Settings:
    """How a class is graded. ``force`` grades unchanged submissions again; ``trust`` runs them without a sandbox."""

    jobs: int = 0
    trust: bool = False
    force: bool = False
    patience: Patience = field(default_factory=Patience)
    progress: bool = True
    say: Callable[[str], None] = lambda text: None


def autograde(coursedir: Any, lab: str, settings: Settings, config: Any = None) -> Summary:
    """Grade every submission of ``lab`` that ``coursedir`` (nbgrader's CourseDirectory) holds.

    Raises NotOurs, NoSandbox or FileNotFoundError with a sentence before anything is run.
    """
    release = find_release(coursedir, lab)
    waiting = dict(submissions(coursedir, lab))
    if not waiting:
        pattern = coursedir.format_path(coursedir.submitted_directory, coursedir.student_id, lab)
        raise FileNotFoundError(f"No submission was found at {pattern}. Put each learner's notebook there.")
    secret = os.environ.get(SECRET) or ""
    records = Records(Path(coursedir.root) / KEPT / lab, coursedir, lab)
    summary = Summary()
    if not settings.force:
        for student, folder in list(waiting.items()):
            if records.is_current(student, fingerprint(read(folder, lab), release, student, secret or "self-study")):
                summary.kept.append(student)
                del waiting[student]
    if waiting:
        release.verify()
        plan = sandbox.choose(trust=settings.trust)
        _run(plan, release, waiting, records, summary, settings, (coursedir, config, secret))
    return summary


def find_release(coursedir: Any, lab: str) -> Release:
    """The lab as it was handed out; made from the source if it was not yet."""
    place = Path(coursedir.format_path(coursedir.release_directory, ".", lab)) / f"{lab}.ipynb"
    if not place.exists():
        raise FileNotFoundError(
            f"There is no released lab at {place}. Make it first: nbgrader generate_assignment {lab}"
        )
    return Release.read(place)


def submissions(coursedir: Any, lab: str) -> Iterator[tuple[str, Path]]:
    """Each learner's name and folder."""
    import fnmatch

    chosen = coursedir.student_id
    left_out = set((coursedir.student_id_exclude or "").split(","))
    root = Path(coursedir.format_path(coursedir.submitted_directory, "learner", lab)).parents[1]
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        place = folder / lab
        if folder.name.startswith(".") or folder.name in left_out or not fnmatch.fnmatch(folder.name, chosen):
            continue
        if place.is_dir():
            yield folder.name, place


class Records:
    """What was graded, on disk: one small file a learner, written last."""

    def __init__(self, folder: Path, coursedir: Any, lab: str):
        self._folder, self._coursedir, self._lab = folder, coursedir, lab

    def is_current(self, student: str, content: str) -> bool:
        """Whether this very submission was graded by this very code, and its graded notebook is still there."""
        graded = self._coursedir.format_path(self._coursedir.autograded_directory, student, self._lab)
        if not (Path(graded) / f"{self._lab}.ipynb").exists():
            return False
        try:
            kept = json.loads(self._file(student).read_text(encoding="utf-8"))
            return (
                kept["content"] == content and kept["gradebook"] == self._coursedir.db_url and self._gradebook_there()
            )
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def keep(self, result: Graded) -> None:
        """Note that ``result`` is in the gradebook."""
        self._folder.mkdir(parents=True, exist_ok=True)
        row = {**table_row(result), "content": result.content, "gradebook": self._coursedir.db_url}
        write_whole(self._file(result.student), json.dumps(row, indent=1))

    def rows(self) -> list[dict]:
        """Every learner's line."""
        found = []
        for file in sorted(self._folder.glob("*.json")):
            with contextlib.suppress(OSError, ValueError):
                found.append(json.loads(file.read_text(encoding="utf-8")))
        return sorted(found, key=lambda row: row["learner"])

    def write_table(self) -> Path:
        """The instructor's table: what each earned, what was wrong with the file, what was repaired."""
        place = self._folder.parent / f"{self._lab}.csv"
        with place.open("w", encoding="utf-8", newline="", errors="replace") as file:
            table = csv.DictWriter(
                file, ["learner", "points", "of", "wrong with the file", "repaired", "seconds"], extrasaction="ignore"
            )
            table.writeheader()
            # A cell that starts with = would be a formula to a spreadsheet.
            table.writerows(
                {k: f"'{v}" if str(v).startswith(("=", "+", "-", "@")) else v for k, v in row.items()}
                for row in self.rows()
            )
        return place

    def _file(self, student: str) -> Path:
        name = hashlib.sha256(student.encode("utf-8", "replace")).hexdigest()[:24]
        return self._folder / f"{name}.json"

    def _gradebook_there(self) -> bool:
        url = self._coursedir.db_url
        return not url.startswith("sqlite:///") or Path(url.removeprefix("sqlite:///")).exists()


def _run(plan, release, waiting, records, summary, settings, course) -> None:
    coursedir, config, secret = course
    jobs = max(1, min(settings.jobs or os.cpu_count() or 1, len(waiting)))
    setup = [c["source"] for c in release.notebook["cells"] if c["cell_type"] == "code"][: release.locked_first]
    slots = _Slots(jobs)
    with (
        Examiner(plan, secret=secret, patience=settings.patience, setup=setup) as examiner,
        ThreadPoolExecutor(jobs) as pool,
        _bar(len(waiting), settings) as bar,
        Writer(coursedir, release, config) as writer,
    ):

        def one(student: str, folder: Path) -> Graded:
            with slots.taken() as slot:
                return grade(examiner, release, folder, student, slot=slot)

        running: dict[Future[Graded], str] = {pool.submit(one, s, f): s for s, f in waiting.items()}
        try:
            while running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    settings.say(_finish(future, running.pop(future), writer, records, summary))
                    bar.update()
        except BaseException:
            for future in running:
                future.cancel()
            examiner.close()
            raise
    records.write_table()


def _finish(future: Future[Graded], student: str, writer: Writer, records: Records, summary: Summary) -> str:
    """Save one result, and say it. Whatever goes wrong with one learner stops nobody else."""
    try:
        result = future.result()
        writer.save(result)
        records.keep(result)
    except Exception as error:
        summary.failed[student] = f"{type(error).__name__}: {error}"[:500]
        return f"{student}: not graded"
    summary.graded.append(result)
    summary.walls = summary.walls or result.walls
    return f"{student}: {result.earned:g} of {sum(result.points.values()):g} points"


class _Slots:
    """Numbers 0 to n - 1, lent to runs at the same time: each has its own uid."""

    def __init__(self, count: int):
        self._free, self._lock = list(range(count)), threading.Lock()

    @contextlib.contextmanager
    def taken(self) -> Iterator[int]:
        with self._lock:
            slot = self._free.pop()
        try:
            yield slot
        finally:
            with self._lock:
                self._free.append(slot)


def _bar(total: int, settings: Settings) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, desc="grading", unit="submission", disable=not settings.progress)
