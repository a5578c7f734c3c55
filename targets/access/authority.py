"""The key authority: issues, rotates, revokes and verifies keys, and writes down each time it does."""

from __future__ import annotations

import secrets
import time as _time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from targets.access.audit import Line
from targets.access.checks import check_name, check_span, check_ticket, detail, must_find
from targets.access.keys import KeyRecord, NewKey, fingerprint, id_of, make_key, peppered, read_fingerprint, same
from targets.access.policy import DEFAULT_POLICY, Policy
from targets.access.store import AccessStore, Change

DAY = 86_400.0
REFUSALS_A_MINUTE = 60  # lines; a flood of bad keys must not fill the trail, the query log counts on
_NOBODY = bytes(32)


@dataclass(frozen=True)
class Identity:
    """A verified caller: the public id of the key, the account that answers for it, its role."""

    key_id: str
    account: str
    role: str


class KeyRefused(Exception):
    """No entry. ``str`` is for the caller; ``next_step`` says what to do."""

    def __init__(self, message: str, next_step: str):
        super().__init__(message)
        self.next_step = next_step


class KeyAuthority:
    """Keys, roles and trail of one firm; safe to share between threads and, on one store, between processes.

    ``pepper``: at least 16 secret bytes that are not in the store (None: random, for a store in memory). ``first_key``:
    ``id:fingerprint`` of a key administrator's key made elsewhere, so that its secret never travels. Clock: seconds
    since 1970; time never runs backwards here, so that a clock that is set back revives no key.
    What another process changes on a shared store counts here within ``cache_seconds``, what this one changes at once.
    Raises ValueError naming a wrong setting.
    """

    def __init__(
        self,
        url: str = "sqlite://",
        *,
        pepper: bytes | None = None,
        policy: Policy = DEFAULT_POLICY,
        first_key: str | None = None,
        cache_seconds: float = 1.0,
        clock: Callable[[], float] = _time.time,
    ):
        self._pepper = secrets.token_bytes(32) if pepper is None else bytes(pepper)
        peppered(_NOBODY, self._pepper)  # refuses one that is too short
        self._store = AccessStore(url, cache_seconds)
        if pepper is None and not self._store.in_memory:
            raise ValueError("a key store that lasts needs a pepper that lasts: pass at least 16 secret bytes")
        self._store.accept(self._pepper)
        self.policy = policy
        self._clock = clock
        self._lock = Lock()
        last = self._store.last_line()
        self._latest = 0.0 if last is None else last.time
        self._minute, self._refusals = -1, 0
        if first_key is not None:
            self._adopt(first_key)

    def now(self) -> float:
        """The clock, or the latest time ever seen if the clock fell behind it."""
        with self._lock:
            self._latest = max(self._latest, float(self._clock()))
            return self._latest

    def issue(self, account: str, role: str, *, actor: str, days: float = 90.0, ticket: str = "") -> NewKey:
        """Make a key for ``account``; the only moment its secret is seen. Raises ValueError naming a wrong argument."""
        check_name("account", account)
        check_name("actor", actor)
        check_ticket(ticket)
        self.policy.role(role)
        lifetime = check_span("days", days, 3650) * DAY
        now = self.now()
        with self._store.change() as change:
            return self._make(change, account, role, now, now + lifetime, actor, "issued", ticket)

    def rotate(self, id: str, *, actor: str, overlap: float = DAY, ticket: str = "") -> NewKey:
        """Replace an active key by a new one of the same account, role and lifetime.

        The old one works ``overlap`` seconds more, never longer than it would have. Raises ValueError for a key that is
        not active, or that was rotated before: one overlap, not a chain of them.
        """
        check_name("actor", actor)
        check_ticket(ticket)
        overlap = check_span("overlap", overlap, 30 * DAY)
        now = self.now()
        with self._store.change() as change:
            old = must_find(change, id)
            if old.state(now) != "active" or old.replaced_by is not None:
                state = old.state(now) if old.replaced_by is None else f"replaced by {old.replaced_by} already"
                raise ValueError(f"key {id} is {state}; issue a new key instead")
            expires = now + (old.expires - old.issued)
            new = self._make(change, old.account, old.role, now, expires, actor, "rotated", ticket, old=id)
            change.update(id, expires=min(old.expires, now + overlap), replaced_by=new.record.id)
            return new

    def revoke(self, id: str, *, actor: str, ticket: str = "") -> KeyRecord:
        """End a key now, for good; doing it twice changes nothing. Raises ValueError for an unknown id."""
        check_name("actor", actor)
        check_ticket(ticket)
        now = self.now()
        with self._store.change() as change:
            record = must_find(change, id)
            if record.revoked is not None:
                return record
            change.line(now, actor, "revoked", id, detail(record, ticket))
            return change.update(id, revoked=now)

    def verify(self, key: str, *, source: str = "") -> Identity:
        """Whose key this is. Raises KeyRefused, in the same words for an unknown id and a wrong secret.

        Every outcome goes the same way: one look-up by id, one digest, one comparison in constant time. Its time may
        tell that an id exists (a remembered one is found sooner); ids are public, and nothing of a secret shows.
        """
        record, fits = self._compare(key)
        if record is None or not fits:
            known = "no such key" if record is None else "secret does not fit"
            self._refused("" if record is None else record.id, known, source)
            raise KeyRefused("this API key is not known", "Send the key you were given in the header X-API-Key")
        # From here on the caller has proved to hold the key: saying more helps the owner and tells a guesser nothing.
        state = record.state(self.now())
        if state != "active":
            self._refused(record.id, state, source)
            raise KeyRefused(f"this API key is {state}", "Ask your key administrator for a new one")
        return Identity(record.id, record.account, record.role)

    def recognise(self, key: str) -> Identity | None:
        """Whose active key this is, or None; for pages that are open to all, so nothing is put on record."""
        record, fits = self._compare(key)
        if record is None or not fits or record.state(self.now()) != "active":
            return None
        return Identity(record.id, record.account, record.role)

    def denied(self, identity: Identity, endpoint: str, source: str) -> None:
        """Put on record that a known caller knocked at a door its role does not open."""
        self._refused(identity.key_id, f"{identity.role} may not {endpoint}", source, actor=identity.account)

    def has(self, id: str) -> bool:
        """Whether a key of this id was ever issued."""
        return self._store.find(id) is not None

    def account_of(self, key_id: str) -> str:
        """The account that answers for a key id; the id itself when it is not known."""
        record = self._store.find(key_id)
        return key_id if record is None else record.account

    def records(self, account: str | None = None) -> list[KeyRecord]:
        """Every key's record, or one account's, oldest first."""
        return self._store.keys(account)

    def trail(self, after: int = 0) -> list[Line]:
        """The audit trail from line ``after`` + 1 on; check it with ``audit.first_broken``."""
        return self._store.lines(after)

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    def _compare(self, key: str) -> tuple[KeyRecord | None, bool]:
        record = self._store.find(id_of(key) or "")
        presented = peppered(fingerprint(key), self._pepper)
        return record, same(_NOBODY if record is None else record.digest, presented)

    def _make(
        self, change: Change, account: str, role: str, now: float, expires: float, actor: str, event: str,
        ticket: str, old: str = "",
    ) -> NewKey:  # fmt: skip
        id, key = make_key()
        record = KeyRecord(id, account, role, peppered(fingerprint(key), self._pepper), now, expires)
        change.add(record)
        change.line(now, actor, event, id, detail(record, ticket, old))
        return NewKey(record, key)

    def _adopt(self, text: str) -> None:
        id, print_ = read_fingerprint(text)
        now = self.now()
        with self._store.change() as change:
            if change.find(id) is None:
                digest = peppered(print_, self._pepper)
                record = KeyRecord(id, "first administrator", "key_admin", digest, now, now + 365 * DAY)
                self.policy.role(record.role)
                change.add(record)
                change.line(now, "configuration", "issued", id, detail(record, ""))

    def _refused(self, id: str, why: str, source: str, actor: str = "unknown") -> None:
        now = self.now()
        with self._lock:
            if int(now // 60) != self._minute:
                self._minute, self._refusals = int(now // 60), 0
            self._refusals += 1
            count = self._refusals
        if count > REFUSALS_A_MINUTE:
            return
        last = "; further ones this minute are counted by the query log alone" if count == REFUSALS_A_MINUTE else ""
        with self._store.change() as change:
            change.line(now, actor, "refused", id, f"{why}, from {source[:40] or 'in process'}{last}"[:200])

    def __repr__(self) -> str:
        return f"KeyAuthority({self._store!r}, roles={', '.join(self.policy.roles)})"
