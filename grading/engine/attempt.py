"""One submission on its way through the confined kernel: time, memory and output are watched, the ledger is kept."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from grading.engine.inside import frames
from grading.engine.memory import Watch
from grading.engine.outputs import clean_outputs
from grading.engine.warm import EngineFailed, Zygote

LARGEST_REPLY, LARGEST_RUN = 8 << 20, 48 << 20
NOT_RUN = "Not run: no graded cell needs anything that this cell makes. Your own run shows it.\n"


@dataclass(frozen=True)
class Cell:
    """One code cell: its id, its source, the exercise it may score, from the release, its place among the code cells
    (0: as it comes), and whether any score may depend on it.
    """

    id: str
    source: str
    exercise: str | None = None
    number: int = 0
    needed: bool = True


@dataclass(frozen=True)
class Patience:
    """Seconds for a cell, for the whole submission, and bytes of memory for all its processes.

    ``every_cell`` runs also the demonstrations that no score depends on (see islands.py).
    """

    cell: float = 120.0
    whole: float = 600.0
    memory: int = 2_500 << 20
    after_interrupt: float = 5.0
    every_cell: bool = False


@dataclass
class Outcome:
    """What came of a submission: outputs by cell id, the ledger by exercise, and what went wrong in the run."""

    outputs: dict[str, list[dict]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    ledger: dict[str, dict] = field(default_factory=dict)
    incidents: list[tuple[str, str]] = field(default_factory=list)
    walls: list[str] = field(default_factory=list)
    opened: list[dict] = field(default_factory=list)
    seconds: float = 0.0


class Attempt:
    """One submission on its way."""

    def __init__(
        self, patience: Patience, namespaces: bool, zygote: Zygote, outcome: Outcome, until: float, id: int, slot: int
    ):
        self.patience, self.namespaces = patience, namespaces
        self.zygote, self.outcome, self.until, self.id, self.slot = zygote, outcome, until, id, slot
        self.received = 0
        self.alive = self.judge_gone = self._judge_ended = False
        self._judge: int | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def start(self, files: dict[str, str], judge: tuple[socket.socket, socket.socket]) -> None:
        kernel, self.ledger = judge
        self.work, theirs = socket.socketpair()
        order = {"op": "run", "id": self.id, "slot": self.slot, "reseed": True, "folder": self._make_folder()}
        with kernel, theirs:
            self.zygote.tell(order, [theirs.fileno(), kernel.fileno()])
        pid = self.zygote.hear("started", 60, self.id)["pid"]
        self.watch = Watch(self.zygote.pid, pid, self.patience.memory)
        self.alive = True
        hello = self._receive(60.0)
        if hello is None:
            raise EngineFailed("a confined process did not start")
        select.select([self.ledger], [], [], 60.0)  # the judge's first line says which process it is
        self._read_ledger()
        self.outcome.walls = [str(w) for w in hello.get("ready", [])]
        self.setup = hello.get("setup", [])
        if files:
            frames.send(self.work, {"files": files})

    def cells(self, cells: Sequence[Cell], warm: int) -> None:
        for i, cell in enumerate(cells):
            if i < warm and self.alive:
                self.outcome.outputs[cell.id] = self.setup[i] if i < len(self.setup) else []
                self.outcome.counts[cell.id] = i + 1
                continue
            if not self.alive or not cell.source.strip():
                continue
            if cell.needed or self.patience.every_cell:
                self._one(cell)
            else:
                self.outcome.outputs[cell.id] = [{"output_type": "stream", "name": "stdout", "text": NOT_RUN}]

    def _one(self, cell: Cell) -> None:
        try:
            # Said before the cell is handed out, so that the check cannot come first.
            self.ledger.send(json.dumps({"window": cell.exercise}).encode())
        except OSError:
            self._judge_lost(cell.id)
            return
        self.work.settimeout(30)
        try:
            frames.send(self.work, {"cell": cell.id, "source": cell.source, "number": cell.number})
        except (OSError, frames.TooLong):
            self._lost(cell.id)
            return
        reply = self._receive(self.patience.cell, cell.id)
        if reply is not None:
            self.outcome.outputs[cell.id] = clean_outputs(reply.get("outputs"))
            count = reply.get("count")
            self.outcome.counts[cell.id] = count if isinstance(count, int) and 0 < count < 10_000 else 1
        self._read_ledger()
        if self._judge_ended and self.alive:
            self._judge_lost(cell.id)

    def _receive(self, seconds: float, cell: str = "") -> dict | None:
        """The kernel's next message; None once it is lost. Interrupts a cell that takes too long, then kills."""
        deadline = min(time.monotonic() + seconds, self.until)
        interrupted = False
        while True:
            ready, _, _ = select.select([self.work], [], [], 0.25 if cell else seconds)
            if ready:
                break
            over = self.watch.over()
            if over or (time.monotonic() > deadline and interrupted):
                self._kill(cell, "memory" if over else "time", over)
                return None
            if time.monotonic() > deadline:
                if time.monotonic() > self.until or not cell:
                    self._kill(cell, "time", "")
                    return None
                self.outcome.incidents.append(
                    ("time", f"cell {cell} ran longer than {seconds:g} s and was interrupted")
                )
                interrupted = True
                self.zygote.signal(self.id, signal.SIGINT)
                deadline = time.monotonic() + self.patience.after_interrupt
        try:
            message = frames.receive(self.work, limit=LARGEST_REPLY, until=time.monotonic() + 20)
        except (EOFError, OSError):
            self._lost(cell)
            return None
        except (frames.TooLong, TimeoutError, ValueError, RecursionError) as error:
            self._kill(
                cell, "protocol", f"the kernel answered with something else than outputs ({type(error).__name__})"
            )
            return None
        self.received += len(str(message)) if cell else 0
        if not isinstance(message, dict) or self.received > LARGEST_RUN or (cell and message.get("cell") != cell):
            self._kill(cell, "protocol", "the kernel answered with something else than the cell's outputs")
            return None
        return message

    def _lost(self, cell: str) -> None:
        self.alive = False
        if not self.zygote.alive:
            return  # not its fault: it is run again
        self.outcome.incidents.append(("died", f"the kernel ended by itself in cell {cell or 'before the first'}"))

    def _judge_lost(self, cell: str) -> None:
        self.alive = False
        self._read_ledger()
        if not any(kind == "protocol" for kind, _ in self.outcome.incidents):
            self.judge_gone = True
            self.outcome.incidents.append(("judge", f"the line to the judge was closed before or in cell {cell}"))

    def _kill(self, cell: str, kind: str, why: str) -> None:
        self.alive = False
        why = why or f"cell {cell} did not stop in time; the submission was ended there"
        self.outcome.incidents.append((kind, why))

    def _read_ledger(self) -> None:
        for line in drain(self.ledger):
            if "verdict" in line:
                self.outcome.ledger.setdefault(line["verdict"]["exercise"], line["verdict"])
            elif "opened" in line:
                self.outcome.opened.append(line["opened"])
            elif "built" in line:
                self.outcome.opened += line["built"]
            elif "pid" in line:
                with contextlib.suppress(OSError):
                    self._judge = os.pidfd_open(line["pid"])
            elif "ended" in line:
                self._judge_ended = True
            elif "broken" in line:
                self.outcome.incidents.append(("protocol", f"the judge's line was misused: {line['broken']}"))

    def end(self) -> None:
        """Whatever happened: kill the submission with everything it started, keep what the judge wrote down."""
        with contextlib.suppress(OSError, EngineFailed):
            self.zygote.signal(self.id, signal.SIGKILL)
            self.zygote.hear("ended", 20, self.id)
        if hasattr(self, "work"):
            self.work.close()
        if hasattr(self, "ledger"):
            self._read_ledger()
            self.ledger.close()
        if self._judge is not None:
            # It may still be thinking about an answer that nobody waits for.
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self._judge, signal.SIGKILL)
            os.close(self._judge)
        if self._folder is not None:
            self._folder.cleanup()

    def _make_folder(self) -> str:
        """The private folder; inside namespaces it is an empty file system of the submission's own."""
        if self.namespaces:
            return "/tmp"
        self._folder = tempfile.TemporaryDirectory(prefix="graded-", ignore_cleanup_errors=True)
        if os.getuid() == 0:
            os.chmod(self._folder.name, 0o777)
        return self._folder.name


def drain(ledger: socket.socket) -> list[dict]:
    """Every line that the judge has sent so far; the last is {"ended": True} if it is gone."""
    lines: list[dict] = []
    ended = False
    ledger.setblocking(False)
    # A judge that ended with something unread is reported before what it had said; that is still there.
    for _ in range(2):
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while data := ledger.recv(1 << 20):
                lines.append(json.loads(data))
            ended = True
    ledger.setblocking(True)
    return [*lines, {"ended": True}] if ended else lines
