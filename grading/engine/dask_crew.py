"""The workers of a Dask cluster as one run sees them: who has checked in, who is free, who is gone."""

from __future__ import annotations

import contextlib
import itertools
import json
from dataclasses import dataclass
from typing import Any

from grading.engine import dask_worker

ELSEWHERE = "{address} is left out: {why}."


@dataclass(frozen=True)
class Worker:
    """One process: Dask's address, our token of it, and how many submissions it grades at once."""

    address: str
    token: str
    threads: int


class Crew:
    """Checks in each worker that comes, for run ``run`` on the terms ``asked``; ``notes`` say whom it left out."""

    def __init__(self, client: Any, run: str, asked: bytes, notes: list[str]):
        self._client, self._run, self._asked, self._notes = client, run, asked, notes
        self._workers: dict[str, Worker] = {}
        self._unfit: set[tuple[str, Any]] = set()
        self._numbers = itertools.count()

    @property
    def threads(self) -> int:
        """Submissions that all of them grade at once."""
        return sum(worker.threads for worker in self._workers.values())

    def look(self) -> bool:
        """See who came and who went; whether anybody is there. Raises OSError when the scheduler is gone."""
        there = self._client.scheduler_info(n_workers=-1).get("workers")
        if there is None:
            raise ConnectionError("it answers no more")
        self._workers = {address: worker for address, worker in self._workers.items() if address in there}
        # A worker's name and address may be used again; its time of start is not told, its nanny's port is new.
        new = [a for a in there if a not in self._workers and (a, there[a]["nanny"]) not in self._unfit]
        if new:
            said = self._client.run(dask_worker.check_in, self._asked, workers=new, on_error="return")
            for address, answer in said.items():
                self._take(address, there[address], answer)
        return bool(self._workers)

    def _take(self, address: str, facts: dict, answer: Any) -> None:
        if isinstance(answer, (OSError, TimeoutError)):
            return  # it went again at once
        if isinstance(answer, BaseException):
            why = f"it cannot load this course ({type(answer).__name__}: {str(answer)[:200]})"
        else:
            said = json.loads(answer)
            why = str(said["problem"])
            if not why:
                self._workers[address] = Worker(address, str(said["token"]), max(1, int(facts["nthreads"])))
                return
        self._unfit.add((address, facts["nanny"]))
        self._notes.append(ELSEWHERE.format(address=address, why=why.rstrip(".")))

    def has(self, address: str) -> bool:
        """Whether the worker is still there."""
        return address in self._workers

    def forget(self, address: str) -> None:
        """Another process answers there now: it checks in like any new one."""
        self._workers.pop(address, None)

    def free(self, load: dict[str, list[bool]], alone: bool) -> str | None:
        """A worker that can take a task more, the idlest; for one that must be ``alone``, one with nothing in hand.

        Each may have one task more than it runs at once, so that none waits for us.
        """
        best, least = None, float("inf")
        for address, worker in self._workers.items():
            held = load.get(address, [])
            share = len(held) / worker.threads
            if (alone and held) or any(held) or len(held) > worker.threads or share >= least:
                continue
            best, least = address, share
        return best

    def send(self, address: str, given: bytes) -> Any:
        """Hand a task to this very worker; its future."""
        key = f"grade-{self._run}-{next(self._numbers)}"  # a dashboard shows keys: no names in them
        return self._client.submit(
            dask_worker.grade_some, self._run, self._workers[address].token, given,
            key=key, workers=[address], allow_other_workers=False, retries=0, pure=False,
        )  # fmt: skip

    def dismiss(self) -> None:
        """Tell everybody that the run is over."""
        with contextlib.suppress(Exception):
            self._client.run(dask_worker.check_out, self._run, workers=list(self._workers), on_error="ignore")
