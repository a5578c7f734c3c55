"""A class graded on a Dask cluster: many submissions a task, and no task is ever run twice.

Each task is pinned to one worker and its process: what dies with a worker comes back here, where the scheduler would
hand it to the next worker and the next. Those submissions are tried once more, each alone on a worker; the one that
loses its worker again is named, everybody else is graded.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import sys
import time
import warnings
from collections import deque
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from grading.engine import dask_worker
from grading.engine.dask_crew import Crew
from grading.engine.grade import Graded, fingerprint
from grading.engine.received import received
from grading.engine.released import Release
from grading.engine.run import Results, Settings, Stopped
from grading.engine.submission import read
from grading.engine.warm import EngineFailed

MOST, MOST_BYTES = 8, 4 << 20
INSTALL = (
    "Grading on a cluster needs Dask, which is not installed here. The environment that python3 tools/bootstrap.py env "
    '--full makes has it; elsewhere: pip install "model-theft-labs[cluster]".'
)


@dataclass
class Task:
    """Submissions that are with a worker: {learner: the fingerprint of what was sent}. ``alone``: a second try."""

    worker: str
    alone: bool
    students: dict[str, str] = field(default_factory=dict)
    packed: list[dict] = field(default_factory=list)
    bytes: int = 0


class OnDask:
    """One run on the cluster at ``settings.dask``. Raises Stopped with a sentence if there is none to be had."""

    wait = 90.0  # seconds without any worker before the run stops
    first = 60.0  # the same at its start: who starts a worker and this command one after the other waits for both

    def __init__(self, release: Release, waiting: dict[str, Path], settings: Settings, secret: str, notes: list[str]):
        self._release, self._folders, self._secret = release, waiting, secret
        self._fresh, self._suspects = deque(waiting), deque[str]()
        self._flying: dict[Any, Task] = {}
        self._client = connect(settings.dask)
        run = secrets.token_hex(8)
        asked = dask_worker.terms(run, release.name, release, settings, secret)
        self._crew = Crew(self._client, run, asked, notes)
        self._address = settings.dask
        try:
            self._have_a_first_worker(notes)
        except OSError as error:
            raise Stopped(f"The scheduler at {self._address} is gone ({error}).") from None
        finally:
            if not self._crew.threads:
                self._client.close()

    def _have_a_first_worker(self, notes: list[str]) -> None:
        until, told = time.monotonic() + self.first, False
        while not self._crew.look():
            if notes or time.monotonic() > until:
                why = " ".join(notes) or f"Start some: dask worker {self._address}"
                raise Stopped(f"No worker of the cluster at {self._address} can grade this lab. {why}")
            if not told:
                why = f"No worker has come to {self._address} yet; waiting {self.first:.0f} s for one."
                print(why, file=sys.stderr, flush=True)
            told = True
            time.sleep(0.5)

    def results(self) -> Results:
        """Each learner as they come. Raises Stopped when no worker is left."""
        try:
            while self._fresh or self._suspects or self._flying:
                self._have_workers()
                self._hand_out()
                yield from self._lost_with_their_worker()
                yield from self._collect()
        except OSError as error:
            raise self._stopped(f"The scheduler at {self._address} is gone ({error})") from None
        finally:
            # What still runs ends with its examiner.
            with contextlib.suppress(Exception):
                self._client.cancel(list(self._flying), force=True)
                self._crew.dismiss()
            self._client.close()

    def _have_workers(self) -> None:
        until = time.monotonic() + self.wait
        while not self._crew.look():
            if time.monotonic() > until:
                raise self._stopped(f"No worker is left at {self._address}")
            time.sleep(0.5)

    def _stopped(self, why: str) -> Stopped:
        left = len(self._fresh) + len(self._suspects) + sum(len(t.students) for t in self._flying.values())
        return Stopped(
            f"{why}; {left} submissions wait. Start it and run the same command again: what is graded stays graded."
        )

    def _hand_out(self) -> None:
        """Fill the workers' hands. While there are suspects only they go out, one at a time to an idle worker."""
        while self._suspects or self._fresh:
            alone = bool(self._suspects)
            address = self._crew.free(self._load(), alone)
            if address is None:
                return
            share = 1 if alone else -(-len(self._fresh) // (4 * self._crew.threads))
            task = self._pack(address, alone, self._suspects if alone else self._fresh, min(share, MOST))
            self._flying[self._crew.send(address, json.dumps(task.packed).encode())] = task
            task.packed = []

    def _pack(self, address: str, alone: bool, names: deque[str], most: int) -> Task:
        task = Task(address, alone)
        while names and len(task.packed) < most and task.bytes < MOST_BYTES:
            student = names.popleft()
            found = read(self._folders[student], self._release.name)
            task.students[student] = fingerprint(found, self._release, student, self._secret or dask_worker.PUBLIC)
            task.bytes += len(found.content)
            findings = [asdict(finding) for finding in found.findings]
            task.packed.append({"student": student, "cells": found.cells, "files": found.files,
                                "findings": findings, "readable": found.readable})  # fmt: skip
        return task

    def _load(self) -> dict[str, list[bool]]:
        """Of each worker with work: for each of its tasks whether it must be alone."""
        load: dict[str, list[bool]] = {}
        for task in self._flying.values():
            load.setdefault(task.worker, []).append(task.alone)
        return load

    def _lost_with_their_worker(self) -> Results:
        for future, task in list(self._flying.items()):
            if not self._crew.has(task.worker) and future.status != "finished":
                yield from self._lost(future)

    def _collect(self) -> Results:
        from distributed import wait

        if not self._flying:
            return
        with contextlib.suppress(TimeoutError):
            wait(list(self._flying), timeout=1, return_when="FIRST_COMPLETED")
        for future in [one for one in self._flying if one.done()]:
            try:
                # A worker that dies after its work takes the result along; then nobody would answer, ever.
                answer = json.loads(future.result(timeout=20))
                answers = answer.get("results")
                if answer.get("elsewhere"):
                    self._crew.forget(self._flying[future].worker)
            except TimeoutError:
                if not self._crew.has(self._flying[future].worker):
                    yield from self._lost(future)
                continue
            except Exception:  # KilledWorker, CancelledError, what a worker short of memory raises
                answers = None
            if answers is None or len(answers) != len(self._flying[future].students):
                yield from self._lost(future)
                continue
            for (student, content), data in zip(self._drop(future).students.items(), answers, strict=True):
                yield student, partial(_result, data, self._release, student, content)

    def _lost(self, future: Any) -> Results:
        """Of a lost task everybody gets a second try, alone; who had that is named."""
        task = self._drop(future)
        if not task.alone:
            self._suspects.extend(task.students)
            return
        for student in task.students:
            yield student, _worker_died

    def _drop(self, future: Any) -> Task:
        task = self._flying.pop(future)
        self._client.cancel([future], force=True)
        return task


def connect(address: str) -> Any:
    """Dask's client. Its TLS files come from Dask's own configuration. Raises Stopped with a sentence."""
    try:
        from distributed import Client
    except ImportError:
        raise Stopped(INSTALL) from None
    warnings.filterwarnings("ignore", message="Sending large graph")  # submissions are what is sent
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # what goes wrong is said in our words
    try:
        return Client(address, timeout=10)
    except (OSError, ValueError, TypeError, RuntimeError, AssertionError) as error:
        # AssertionError: on a machine so busy that Dask's event loop takes more than ten seconds to start.
        why = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise Stopped(
            f"No Dask scheduler can be reached at {address!r} ({why}). An address looks like tcp://127.0.0.1:8786; "
            "dask scheduler --host 127.0.0.1 starts one and prints it."
        ) from None


def _result(data: Any, release: Release, student: str, content: str) -> Graded:
    if isinstance(data, dict) and "failed" in data:
        raise EngineFailed(str(data["failed"])[:500])
    return received(data, release, student, content)


def _worker_died() -> Graded:
    raise EngineFailed("the worker died twice while it had this submission, the second time with nothing else in hand")
