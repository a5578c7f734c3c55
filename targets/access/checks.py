"""What an authority accepts as names, spans and ids, and how its trail words a key. All errors name the argument."""

from __future__ import annotations

import re

from targets.access.keys import KeyRecord
from targets.access.store import Change

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}")


def must_find(change: Change, id: str) -> KeyRecord:
    """The record of ``id``. Raises ValueError when there is none."""
    record = change.find(id)
    if record is None:
        raise ValueError(f"no key has the id {id[:20]!r}")
    return record


def detail(record: KeyRecord, ticket: str, old: str = "") -> str:
    """The words of a line in the trail: role, account, what it replaces, the ticket that asked for it."""
    rest = f", instead of {old}" if old else ""
    return f"{record.role} for {record.account}{rest}, ticket {ticket or 'none'}"


def check_name(what: str, value: str) -> None:
    """Raises ValueError unless ``value`` can stand in a log line: no line break, no markup, 1 to 64 characters."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"{what} is 1 to 64 letters, digits, spaces and . _ @ -, not {str(value)[:30]!r}")


def check_ticket(ticket: str) -> None:
    """Raises ValueError unless ``ticket`` is empty or a short name."""
    if ticket:
        check_name("ticket", ticket)
        if len(ticket) > 24:
            raise ValueError("ticket is at most 24 characters")


def check_span(what: str, value: float, most: float) -> float:
    """``value`` as a float. Raises ValueError unless it is a number from 0 to ``most``."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= most
    if not good:
        raise ValueError(f"{what} is a number from 0 to {most:g}, not {value!r}")
    return float(value)
