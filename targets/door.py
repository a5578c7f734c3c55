"""The door: who is calling, and may they? Asked of every request before anything else looks at it.

Three kinds of door, by ``TargetConfig.keys``: None lets anybody in; a set of keys lets their holders ask rows; an
authority (targets.access) also knows roles, and opens nothing that its policy does not name.
"""

from __future__ import annotations

import hmac
from typing import NoReturn

from flask import current_app, g, request

from targets.access import Identity, KeyAuthority, KeyRefused
from targets.problems import Problem
from targets.sources import source_of
from targets.target import Target

LONGEST_KEY = 128
_SEND = "Send the key you were given in the header X-API-Key"


def admit() -> Identity:
    """Who is calling, once a request. Raises Problem 401 (who are you?) or 403 (not you)."""
    caller: Identity | None = g.get("caller")
    if caller is None:
        target: Target = current_app.extensions["target"]
        keys = target.config.keys
        caller = _known_by(keys) if isinstance(keys, KeyAuthority) else _holder_of(keys)
        g.caller = caller
    return caller


def guard() -> None:
    """Refuse what the policy does not allow; runs before every route of a target with an authority."""
    # A refused prediction goes into the query log, so its own route knocks at the door.
    if request.url_rule is None or request.endpoint == "api.predict":
        return
    target: Target = current_app.extensions["target"]
    keys = target.config.keys
    if isinstance(keys, KeyAuthority) and not keys.policy.is_public(_endpoint()):
        admit()


def caller_if_known() -> Identity | None:
    """Who is calling a public endpoint, None for a stranger or without an authority; nothing is refused or recorded."""
    target: Target = current_app.extensions["target"]
    if not isinstance(target.config.keys, KeyAuthority) or "X-API-Key" not in request.headers:
        return None
    return target.config.keys.recognise(request.headers["X-API-Key"])


def source() -> str:
    """The address this request came from, as far as it cannot be forged."""
    proxies = current_app.extensions["target"].config.proxy_networks
    forwarded = request.headers.getlist("X-Forwarded-For") if proxies else ()
    return source_of(request.remote_addr or "in process", forwarded, proxies)


def _known_by(authority: KeyAuthority) -> Identity:
    try:
        caller = authority.verify(_sent_key() or _missing(), source=source())
    except KeyRefused as refused:
        raise Problem(401, str(refused), refused.next_step, field="X-API-Key") from None
    endpoint = _endpoint()
    if not authority.policy.allows(caller.role, endpoint):
        authority.denied(caller, endpoint, source())
        detail = f"your role, {caller.role}, may not {endpoint}"
        raise Problem(403, detail, "Ask your key administrator for a role that may, if your work needs it")
    return caller


def _holder_of(keys: frozenset[str] | None) -> Identity:
    key = _sent_key()
    if key is None:
        return Identity("anonymous", "anonymous", "") if keys is None else _missing()
    if not (1 <= len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        detail = f"an API key is 1 to {LONGEST_KEY} printable ASCII characters"
        raise Problem(401, detail, _SEND, field="X-API-Key")
    # Every known key is compared, so that the time does not tell which one came near.
    if keys is not None and not sum(hmac.compare_digest(key.encode(), known.encode()) for known in keys):
        raise Problem(401, "this API key is not known", _SEND, field="X-API-Key")
    return Identity(key, key, "")


def _sent_key() -> str | None:
    return request.headers.get("X-API-Key")


def _missing() -> NoReturn:
    raise Problem(401, "this target wants an API key", _SEND, field="X-API-Key")


def _endpoint() -> str:
    method = "GET" if request.method == "HEAD" else request.method
    return f"{method} {request.url_rule}"
