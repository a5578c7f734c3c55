"""A key authority by text, for the command line and for labs: ``door:first_key=ID:FINGERPRINT``."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable

from targets.access import DEFAULT_POLICY, KeyAuthority, Policy
from targets.defences.base import Defence

PEPPER = "MODEL_THEFT_LABS_PEPPER"


class Door(Defence):
    """Stands for an authority until ``TargetConfig`` opens it as its ``keys``; in the pipeline it does nothing.

    ``first_key`` is "id:sha256" of the first administrator's key, which never travels itself. ``policy`` is a policy as
    JSON in URL-safe Base64 (empty: the labs' own). ``store`` is an SQLAlchemy URL; one that lasts takes its pepper, in
    hexadecimal, from the environment variable MODEL_THEFT_LABS_PEPPER.

    Stops: whoever has no key, and whoever wants more than a role's endpoints, digits and rows a day.
    Does not stop: an insider whose role sees enough, a stolen key until it is revoked, accounts that pool their rows.
    Costs the honest customer: a secret to keep and to rotate, and digits or rows that the role was not given.
    """

    def __init__(self, first_key: str = "", policy: str = "", store: str = "sqlite://"):
        self.first_key, self.policy, self.store = str(first_key), str(policy), str(store)
        self._read_policy()

    def open(self, clock: Callable[[], float]) -> KeyAuthority:
        """The authority. Raises ValueError naming a wrong setting."""
        pepper = os.environ.get(PEPPER)
        try:
            secret = None if pepper is None else bytes.fromhex(pepper)
        except ValueError:
            raise ValueError(f"{PEPPER} is not hexadecimal text") from None
        first, policy = self.first_key or None, self._read_policy()
        return KeyAuthority(self.store, pepper=secret, policy=policy, first_key=first, clock=clock)

    def _read_policy(self) -> Policy:
        if not self.policy:
            return DEFAULT_POLICY
        try:
            data = json.loads(base64.urlsafe_b64decode(self.policy + "=" * (-len(self.policy) % 4)))
        except (ValueError, RecursionError):
            raise ValueError("policy is JSON in URL-safe Base64, which this is not") from None
        return Policy.from_data(data)

    def __repr__(self) -> str:
        return f"Door({self.store!r}, roles={', '.join(self._read_policy().roles)})"
