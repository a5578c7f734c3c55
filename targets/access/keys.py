"""API keys: 256 random bits, kept as a peppered digest, compared in constant time.

A key is ``mtl_<id>_<secret>``. The id (12 hexadecimal digits) is public: logs, trails and lists name a key by it. The
secret is 32 bytes from the operating system. The prefix lets scanners find a key that was pushed to a repository.

Why a fast hash is right here and wrong for passwords. Stretching (scrypt, Argon2) makes each guess dear, because people
choose passwords from a small space. Nobody guesses 256 random bits at any speed, and a door that stretches at each
request hands out a denial of service. The pepper, a server-side secret that is not in the store, makes a stolen store
useless all the same: without it nobody can test a candidate, nor write a row that would open the door.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256

_KEY = re.compile(r"mtl_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_FINGERPRINT = re.compile(r"([0-9a-f]{12}):([0-9a-f]{64})")
LEAST_PEPPER = 16


@dataclass(frozen=True)
class KeyRecord:
    """What is stored of a key: never the key. Times are seconds since 1970, None for "not yet".

    Valid from ``issued`` until just before ``expires``, unless ``revoked``. ``account`` is who answers for its use,
    ``replaced_by`` the id of the key it was rotated to.
    """

    id: str
    account: str
    role: str
    digest: bytes = field(repr=False)
    issued: float
    expires: float
    revoked: float | None = None
    replaced_by: str | None = None

    def state(self, now: float) -> str:
        """ "active", "expired" or "revoked" at ``now``; a revoked key stays revoked whatever the clock says."""
        if self.revoked is not None:
            return "revoked"
        return "active" if now < self.expires else "expired"


@dataclass(frozen=True)
class NewKey:
    """A key at the one moment it is shown; its ``repr`` shows the record alone."""

    record: KeyRecord
    key: str = field(repr=False)


def make_key() -> tuple[str, str]:
    """A fresh (id, key)."""
    id = secrets.token_hex(6)
    return id, f"mtl_{id}_{secrets.token_urlsafe(32)}"


def id_of(key: str) -> str | None:
    """The public id inside ``key``, None when this is no key of ours."""
    found = _KEY.fullmatch(key)
    return found[1] if found else None


def fingerprint(key: str) -> bytes:
    """SHA-256 of the key: enough to let it in, useless for becoming it."""
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


def read_fingerprint(text: str) -> tuple[str, bytes]:
    """(id, fingerprint) from ``id:hex``, the way a first key is named on a command line. Raises ValueError."""
    found = _FINGERPRINT.fullmatch(text)
    if found is None:
        raise ValueError(f"a key's fingerprint is written id:sha256 in hexadecimal, not {text[:20]!r}…")
    return found[1], bytes.fromhex(found[2])


def peppered(print_: bytes, pepper: bytes) -> bytes:
    """HMAC-SHA-256 of a fingerprint under the server's pepper: what is stored, 32 bytes. Raises ValueError."""
    if len(pepper) < LEAST_PEPPER:
        raise ValueError(f"a pepper is at least {LEAST_PEPPER} random bytes, not {len(pepper)}")
    mac = _keyed(pepper).copy()
    mac.update(print_)
    return mac.digest()


@lru_cache(maxsize=8)
def _keyed(pepper: bytes) -> hmac.HMAC:
    """HMAC-SHA-256 under ``pepper``, made once: at every request its set-up would cost more than the digest."""
    return hmac.new(pepper, digestmod="sha256")


def same(stored: bytes, presented: bytes) -> bool:
    """Whether two digests are equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(stored, presented)
