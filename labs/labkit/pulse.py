"""A clock for panels: one piece of work again and again, beside the notebook's cells and never beyond the kernel."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Pulse:
    """Calls ``work`` in a thread of its own; it returns the seconds until the next call, or None to end.

    What ``work`` raises ends the pulse and is given to ``on_error``. The thread is a daemon: it dies with the kernel,
    however that ends, and it sleeps only where ``close`` and ``hurry`` can wake it.
    """

    def __init__(self, work: Callable[[], float | None], on_error: Callable[[Exception], None] = lambda error: None):
        self._work, self._on_error = work, on_error
        self._woken, self._closed = threading.Event(), False
        self._thread: threading.Thread | None = None

    @property
    def beating(self) -> bool:
        """Whether it runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin, if it does not run already. Raises RuntimeError where there are no threads (Python in a browser)."""
        if not self.beating and not self._closed:
            self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
            self._thread.start()

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
        while not self._closed:
            self._woken.clear()
            try:
                pause = self._work()
            except Exception as error:
                self._on_error(error)
                return
            if pause is None:
                return
            self._woken.wait(pause)
