"""How an alert leaves the house: a webhook on this machine, a log in a standard schema, and the courier to both.

At least once: an alert stays in the outbox until the channel has confirmed it. A process killed between a delivery and
its note delivers that alert once more; it carries the same ``event.id``, so that a receiver can tell.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from targets.serving import is_loopback
from targets.watch.outbox import Entry, Outbox
from targets.watch.schema import ecs

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0  # seconds until a failed delivery is tried again; doubled each time
_log = logging.getLogger(__name__)


class DeliveryFailed(Exception):
    """A channel did not take an alert. ``gone``: nobody is there, so the later ones need not be tried either."""

    def __init__(self, why: str, *, gone: bool = True):
        super().__init__(why)
        self.gone = gone


class Channel(Protocol):
    """Somewhere alerts go."""

    name: str

    def send(self, document: dict[str, Any]) -> None:
        """Deliver; returns when the other side has it. Raises DeliveryFailed."""
        ...


class Webhook:
    """POSTs each alert to ``url``, which must be on this machine: what goes further goes through a relay of yours.

    Any answer of 200 to 299 confirms. Raises ValueError for a URL that is none or leads elsewhere.
    """

    def __init__(self, url: str, *, timeout: float = 10.0):
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"a webhook is a URL such as http://127.0.0.1:9000/alerts, not {url!r}")
        if not is_loopback(parts.hostname):
            raise ValueError(f"a webhook must be on this machine, and {parts.hostname} is not; put a relay here")
        self.name = url
        self._address, self._timeout = (parts.hostname, parts.port or 80), timeout
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def send(self, document: dict[str, Any]) -> None:
        """POST ``document``. Raises DeliveryFailed."""
        connection = http.client.HTTPConnection(*self._address, timeout=self._timeout)
        try:
            connection.request("POST", self._path, json.dumps(document), {"Content-Type": "application/json"})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryFailed(f"{self.name} does not answer: {error}") from None
        finally:
            connection.close()
        if not 200 <= status < 300:
            raise DeliveryFailed(f"{self.name} answered {status}", gone=False)


class LogFile:
    """Appends each alert as one line of JSON (NDJSON), on disk when ``send`` returns."""

    def __init__(self, path: str):
        self._path = Path(path).absolute()
        if not self._path.parent.is_dir():
            raise ValueError(f"the alert log {path} has no folder; make {self._path.parent} first")
        self.name = str(self._path)

    def send(self, document: dict[str, Any]) -> None:
        """Append ``document``. Raises DeliveryFailed when the disk does not take it."""
        line = json.dumps(document, separators=(",", ":")).encode() + b"\n"
        try:
            with self._path.open("a+b") as file:
                if file.tell() and not _ends_a_line(file):
                    line = b"\n" + line  # a power cut left half a line; it stays one bad line, not two
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DeliveryFailed(f"{self.name} cannot be written: {error.strerror}") from None


def _ends_a_line(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")


def open_channel(address: str) -> Channel:
    """A Webhook for a URL, a LogFile for a path that ends in .ndjson. Raises ValueError naming what is neither."""
    if "://" in address:
        return Webhook(address)
    if address.endswith(".ndjson"):
        return LogFile(address)
    raise ValueError(f"alerts go to a URL on this machine or to a file named *.ndjson, not to {address!r}")


class Courier:
    """Takes alerts from ``outbox`` to every channel, each channel in order, a failing one again and again."""

    def __init__(self, outbox: Outbox, channels: Iterable[Channel] = ()):
        self.outbox = outbox
        self._channels: list[Channel] = []
        self._round, self._woken, self._closed = threading.Lock(), threading.Event(), False
        self._thread: threading.Thread | None = None
        for channel in channels:
            self.add(channel)

    def add(self, channel: Channel) -> None:
        """Deliver to ``channel`` too, from now on; one of the same name is replaced."""
        self.outbox.open_channel(channel.name)
        with self._round:
            self._channels = [*(known for known in self._channels if known.name != channel.name), channel]
        self._woken.set()

    @property
    def channels(self) -> list[str]:
        """Their names."""
        return [channel.name for channel in self._channels]

    def deliver(self) -> bool:
        """One round over all channels; whether everything is delivered now."""
        with self._round:
            complete = [self._deliver_to(channel) for channel in self._channels]  # each, whatever the others do
        return all(complete)

    def _deliver_to(self, channel: Channel) -> bool:
        complete = True
        for entry in self.outbox.pending(channel.name):
            try:
                self._hand_over(entry, channel)
            except DeliveryFailed as failure:
                _log.warning("alert %s is still to be delivered: %s", entry.uid, failure)
                complete = False
                if failure.gone:
                    break
        return complete

    def _hand_over(self, entry: Entry, channel: Channel) -> None:
        self.outbox.attempt(entry.number, channel.name)
        channel.send(ecs(entry.uid, entry.alert))
        self.outbox.delivered(entry.number, channel.name)

    def start(self) -> None:
        """Deliver in the background, at once and whenever an alert is raised, until ``close``; twice is once."""
        if self._thread is not None:
            return
        self.outbox.on_alert = self._woken.set
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish the round that is under way; what is undelivered stays in the outbox."""
        self._closed = True
        self._woken.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._closed:
            self._woken.clear()
            try:
                complete = self.deliver()
            except Exception:  # a database that is away for a moment must not end the deliveries
                _log.exception("alerts could not be delivered; the courier tries again")
                complete = False
            self._woken.wait(None if complete else pause)
            pause = FIRST_PAUSE if complete else min(2 * pause, LONGEST_PAUSE)
