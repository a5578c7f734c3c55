"""A class graded: several submissions at once, one writer, what is done stays done whatever kills the run."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grading.engine import sandbox, slots
from grading.engine.attempt import Patience
from grading.engine.examine import Examiner
from grading.engine.grade import Graded, fingerprint, grade
from grading.engine.gradebook import Writer
from grading.engine.reassemble import reassemble
from grading.engine.records import Records
from grading.engine.released import Release
from grading.engine.submission import read

SECRET = "MODEL_THEFT_LABS_SECRET"
KEPT = ".model-theft-labs/graded"
# Each learner, and a function that gives the result or raises what stood in its way.
Results = Generator[tuple[str, Callable[[], Graded]], None, None]


@dataclass
class Summary:
    """What a run did: results that are new (without their notebooks), learners whose unchanged result was kept,
    failures of the engine's, the walls that stood and around how many, and why a run stopped early, if it did.
    """

    graded: list[Graded] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    walls: Counter[tuple[str, ...]] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    stopped: str = ""


@dataclass
class Settings:
    """How a class is graded. ``force`` grades unchanged submissions again; ``trust`` runs them without a sandbox;
    ``dask`` is the address of a scheduler whose workers grade in place of this machine.
    """

    jobs: int = 0
    trust: bool = False
    force: bool = False
    patience: Patience = field(default_factory=Patience)
    progress: bool = True
    say: Callable[[str], None] = lambda text: None
    dask: str = ""


class Stopped(Exception):
    """A run cannot go on, for a reason that is nobody's submission; what is graded stays graded."""


def autograde(coursedir: Any, lab: str, settings: Settings, config: Any = None) -> Summary:
    """Grade every submission of ``lab`` that ``coursedir`` (nbgrader's CourseDirectory) holds.

    Raises NotOurs, NoSandbox, FileNotFoundError or Stopped with a sentence before anything is run.
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
        # Those last would leave the other cores nothing to do beside them.
        waiting = dict(sorted(waiting.items(), key=lambda one: not _runs_every_cell(release, one[1])))
        with contextlib.closing(_results(release, waiting, settings, secret, summary)) as results:
            _save(results, len(waiting), (coursedir, release, config), records, summary, settings)
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


def _runs_every_cell(release: Release, folder: Path) -> bool:
    """Whether no cell of a submission can be left out, so that it takes many times as long as most."""
    try:
        return not reassemble(release, read(folder, release.name)).left_out
    except Exception:  # whoever grades it will say
        return False


def _results(release: Release, waiting: dict[str, Path], settings: Settings, secret: str, summary: Summary) -> Results:
    """Whoever grades: this machine's cores, or a cluster's. What makes it impossible is raised here, at once."""
    if settings.dask:
        from grading.engine.dask_run import OnDask

        return OnDask(release, waiting, settings, secret, summary.notes).results()
    return _here(sandbox.choose(trust=settings.trust), release, waiting, settings, secret)


def _here(plan: sandbox.Plan, release: Release, waiting: dict[str, Path], settings: Settings, secret: str) -> Results:
    """Results from this machine, in the order in which they come."""
    jobs = max(1, min(settings.jobs or os.cpu_count() or 1, len(waiting)))
    with (
        Examiner(plan, secret=secret, patience=settings.patience, setup=release.setup) as examiner,
        ThreadPoolExecutor(jobs) as pool,
    ):

        def one(student: str, folder: Path) -> Graded:
            with slots.taken() as slot:
                return grade(examiner, release, folder, student, slot=slot)

        running: dict[Future[Graded], str] = {pool.submit(one, s, f): s for s, f in waiting.items()}
        try:
            while running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), future.result
        except BaseException:
            for future in running:
                future.cancel()
            examiner.close()
            raise


def _save(
    results: Results, total: int, course: tuple[Any, Release, Any], records: Records, summary: Summary,
    settings: Settings,
) -> None:  # fmt: skip
    """The one writer: each result as it comes. A run that is stopped leaves the table of what it has."""
    # While the first submissions run: opening a gradebook takes nbgrader longer than many of them.
    with _bar(total, settings) as bar, ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as stack:
        opening = pool.submit(_open, course)
        stack.callback(_close, opening)
        try:
            for student, result in results:
                settings.say(_finish(student, result, opening.result(), records, summary))
                bar.update()
        except Stopped as reason:
            summary.stopped = str(reason)
    records.write_table()


def _open(course: tuple[Any, Release, Any]) -> Writer:
    """The gradebook, opened by a thread that leaves the cores to what everybody waits for, the warm processes."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
    return Writer(*course)


def _close(opening: Future[Writer]) -> None:
    if opening.exception() is None:
        opening.result().close()


def _finish(student: str, result: Callable[[], Graded], writer: Writer, records: Records, summary: Summary) -> str:
    """Save one result, and say it. Whatever goes wrong with one learner stops nobody else."""
    try:
        graded = result()
        writer.save(graded)
        records.keep(graded)
    except Exception as error:
        summary.failed[student] = f"{type(error).__name__}: {error}"[:500]
        return f"{student}: not graded"
    graded.notebook = {}  # it is on disk; a class of thousands need not fit into memory
    summary.graded.append(graded)
    if graded.walls:  # none around what could not be run
        # A number in it (the uid) tells submissions apart, not walls.
        summary.walls[tuple(re.sub(r"^uid \d+", "a uid of its own", wall) for wall in graded.walls)] += 1
    return f"{student}: {graded.earned:g} of {sum(graded.points.values()):g} points"


def _bar(total: int, settings: Settings) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, desc="grading", unit="submission", disable=not settings.progress)
