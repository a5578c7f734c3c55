"""How a request travels. A transport is anything with one method, ``send``; labs run unchanged on all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from labkit.errors import TargetGone


@dataclass(frozen=True)
class Reply:
    """What came back: HTTP status, JSON body, and the headers a client may act on (lower-case names)."""

    status: int
    body: Any
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Reply({self.status})"


class Transport(Protocol):
    """Carries one request to a target and brings its reply back."""

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply: ...


class HttpTransport:
    """Real HTTP to ``url``; one kept-alive connection. Raises TargetGone when nobody answers there."""

    def __init__(self, url: str, *, timeout: float = 60.0):
        self.url = url
        # trust_env off: a proxy variable must never carry lab traffic off this machine.
        self._client = httpx.Client(base_url=url, timeout=timeout, trust_env=False)

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        if self._client.is_closed:
            raise TargetGone(f"the target at {self.url} was stopped. Start the target again: run its launch cell")
        try:
            reply = self._client.request(method, path, **_request(body, headers))
        except httpx.TimeoutException:
            raise TargetGone(
                f"the target at {self.url} took too long to answer; ask for fewer rows at a time"
            ) from None
        except httpx.TransportError as error:
            raise TargetGone(
                f"nothing answers at {self.url} ({type(error).__name__}). Start the target again: run its launch cell"
            ) from None
        return _reply(reply)

    def close(self) -> None:
        self._client.close()

    def __repr__(self) -> str:
        return f"HttpTransport({self.url!r})"


class WsgiTransport:
    """Calls a WSGI application in this process: no socket, no thread. For fast tests and for Python in the browser."""

    def __init__(self, app: Any, *, source: str = "127.0.0.1"):
        transport = httpx.WSGITransport(app=app, raise_app_exceptions=True, remote_addr=source)
        self._client = httpx.Client(transport=transport, base_url="http://target.invalid")

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        return _reply(self._client.request(method, path, **_request(body, headers)))

    def close(self) -> None:
        self._client.close()

    def __repr__(self) -> str:
        return "WsgiTransport()"


def _request(body: Any, headers: Mapping[str, str] | None) -> dict[str, Any]:
    if body is None:
        return {"headers": dict(headers or {})}
    return {
        "headers": {"Content-Type": "application/json", **(headers or {})},
        "content": json.dumps(body, separators=(",", ":")).encode(),
    }


def _reply(reply: httpx.Response) -> Reply:
    kind = reply.headers.get("content-type", "")
    body = reply.json() if "json" in kind else reply.text
    return Reply(reply.status_code, body, dict(reply.headers))
