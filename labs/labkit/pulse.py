"""A clock for panels: one piece of work again and again, beside the notebook's cells and never beyond the kernel."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable


class Pulse:
    """Calls ``work`` in a thread of its own; it returns the seconds until the next call, or None to end.

    What ``work`` raises ends the pulse and is given to ``on_error``. The thread is a daemon: it dies with the kernel,
    however that ends, and it sleeps only where ``close`` and ``hurry`` can wake it. Where there are no threads (Python
    in a browser) it beats between the cells, on the kernel's event loop.
    """

    def __init__(self, work: Callable[[], float | None], on_error: Callable[[Exception], None] = lambda error: None):
        self._work, self._on_error = work, on_error
        self._woken, self._closed = threading.Event(), False
        self._thread: threading.Thread | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def beating(self) -> bool:
        """Whether it runs."""
        on_loop = self._task is not None and not self._task.done()
        return on_loop or (self._thread is not None and self._thread.is_alive())

    def start(self) -> None:
        """Begin, if it does not run already."""
        if self.beating or self._closed:
            return
        thread = threading.Thread(target=self._run, name="pulse", daemon=True)
        try:
            thread.start()
            self._thread = thread
        except RuntimeError:  # no threads here
            self._task = asyncio.get_running_loop().create_task(self._run_on_loop())

    def hurry(self) -> None:
        """Beat now instead of after the pause."""
        self._woken.set()

    def close(self) -> None:
        """End for good; returns when no work is under way any more."""
        self._closed = True
        self._woken.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while (pause := self._beat()) is not None:
            self._woken.wait(pause)

    async def _run_on_loop(self) -> None:
        while (pause := self._beat()) is not None:
            await asyncio.sleep(pause)

    def _beat(self) -> float | None:
        """One piece of work; the pause after it, None at the end."""
        if self._closed:
            return None
        self._woken.clear()
        try:
            return self._work()
        except Exception as error:
            self._on_error(error)
            return None
