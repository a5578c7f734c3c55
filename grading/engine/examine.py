"""Submissions from cells to ledger: the confined kernels run, judges outside decide, the examiner keeps time."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence

from grading.engine import sandbox
from grading.engine.attempt import Attempt, Cell, Outcome, Patience, drain
from grading.engine.warm import EngineFailed, Judges, Zygote

PUBLIC_SECRET = "self-study"  # grading.world.PUBLIC_SECRET, without importing every victim


class Examiner:
    """Holds the warm processes, and runs submissions, several at once from several threads. Close it when done.

    ``setup`` are the lab's locked first cells: run once, inherited by every submission that leaves them untouched.
    """

    def __init__(
        self,
        plan: sandbox.Plan,
        *,
        secret: str | None = None,
        patience: Patience | None = None,
        setup: Sequence[str] = (),
    ):
        self.plan, self.secret, self.setup = plan, secret or PUBLIC_SECRET, tuple(setup)
        self.patience = patience or Patience()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._zygote: Zygote | None = None
        self._judges: Judges | None = None
        self._closed = False

    def run(
        self,
        cells: Sequence[Cell],
        *,
        learner: str = "",
        files: dict[str, str] | None = None,
        warm: bool = False,
        slot: int = 0,
    ) -> Outcome:
        """Run ``cells`` in order for ``learner``. ``warm``: the first are the set-up cells, and run already.

        ``files`` {name: base64} are put into the private working folder. ``slot`` tells runs at the same time apart.
        Never raises for what a submission does; RuntimeError if the engine itself fails twice.
        """
        for again in (True, False):
            zygote, judges = self._ready()
            outcome, began = Outcome(), time.monotonic()
            learner = learner if self.secret != PUBLIC_SECRET else ""
            run = Attempt(
                self.patience,
                self.plan.kind == "namespaces",
                zygote,
                outcome,
                began + self.patience.whole,
                next(self._numbers),
                slot,
            )
            try:
                run.start(files or {}, judges.fork(self.secret, learner))
                run.cells(cells, zygote.warm if warm else 0)
            except EngineFailed:
                if not again:
                    raise
                continue
            finally:
                run.end()
            if (zygote.alive and not run.judge_gone) or not again:
                break
        outcome.seconds = time.monotonic() - began
        judges.preload(outcome.opened)
        return outcome

    def _ready(self) -> tuple[Zygote, Judges]:
        """The warm processes, started if they are not there (any more)."""
        with self._lock:
            if self._closed:
                raise EngineFailed("the run was ended")
            if self._judges is None or not self._judges.alive:
                if self._judges:
                    self._judges.close()
                self._judges = Judges()
            if self._zygote is None or not self._zygote.alive:
                if self._zygote:
                    self._zygote.close()
                self._zygote = Zygote(self.plan)
                # Without namespaces what they leave in the one /tmp would be out of a submission's reach.
                namespaces = self.plan.kind == "namespaces"
                if self.setup and namespaces and not self._warm_up(self._zygote, self._judges):
                    self._zygote.close()
                    self._zygote = Zygote(self.plan)
            return self._zygote, self._judges

    def _warm_up(self, zygote: Zygote, judges: Judges) -> bool:
        """Run the set-up cells once; without luck (an error, a thread) every submission runs them for itself."""
        kernel, ledger = judges.fork(self.secret, "")
        with kernel, ledger:
            forkable = zygote.warm_up(self.setup, kernel)
            judges.preload([line["opened"] for line in drain(ledger) if "opened" in line])
        return forkable

    def close(self) -> None:
        """End the warm processes, and with them the submissions under way."""
        self._closed = True
        for process in (self._zygote, self._judges):
            if process is not None:
                process.close()
        self._zygote = self._judges = None

    def __enter__(self) -> Examiner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
