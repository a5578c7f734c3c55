"""Serving: one line with the address, clear words when it cannot be, a clean end, and a log that survives kill -9."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from targets.__main__ import main
from targets.querylog import QueryLog
from targets.serving import is_loopback

Start = Callable[..., tuple[subprocess.Popen[str], str]]
ROW = [1.0] * 30


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Give the test process its own handlers back: ``main`` installs one. A run in a shell's background ignores
    interrupts, and its children would with it.
    """
    before, interrupted = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)
    signal.signal(signal.SIGINT, interrupted)


def ask(url: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    content = None if body is None else json.dumps(body)
    connection.request(
        "GET" if body is None else "POST", path, content, {"Content-Type": "application/json", **(headers or {})}
    )
    reply = connection.getresponse()
    answer = reply.status, reply.headers.get_content_type(), reply.read()
    connection.close()
    return answer


def test_a_target_serves_and_a_signal_ends_it(start: Start) -> None:
    process, url = start("tumour", "--defence", "rounding:decimals=2", "--defence", "label_only", "--key", "k")
    assert url.startswith("http://127.0.0.1:")
    status, _, body = ask(url, "/v1/predict", {"rows": [ROW]}, {"X-API-Key": "k"})
    assert (status, json.loads(body)["probabilities"]) == (200, None)
    assert ask(url, "/v1/predict", {"rows": [ROW]})[0] == 401
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_interrupting_ends_it_without_a_traceback(start: Start) -> None:
    process, url = start("tumour")
    assert ask(url, "/health")[0] == 200
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_acknowledged_queries_survive_kill_9(start: Start, tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'log.db'}"
    process, url = start("tumour", "--log", address)
    for n in range(1, 6):
        assert ask(url, "/v1/predict", {"rows": [ROW] * n}, {"X-API-Key": "thief"})[0] == 200
    process.kill()
    process.communicate()
    log = QueryLog(address)
    assert [record.rows for record in log.records("thief")] == [1, 2, 3, 4, 5]
    assert log.rows("thief") == 15
    log.close()


def test_it_ends_when_its_parent_lets_go(start: Start) -> None:
    process, url = start("tumour", "--exit-with-parent")
    assert ask(url, "/health")[0] == 200
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=60) == 0


_PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-m", "targets", "serve", "tumour", "--exit-with-parent"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
print(child.stdout.readline().split(" ")[0], flush=True)
input()
"""


def test_it_ends_when_its_parent_is_killed(cache: Path) -> None:
    pipe = subprocess.PIPE
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdin=pipe, stdout=pipe, text=True)
    assert parent.stdout is not None
    url = parent.stdout.readline().strip()
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        parent.kill()
        parent.communicate()
        assert _is_closed(connection)  # the target is gone


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_taken_port_is_one_clear_line(running: str, capsys: pytest.CaptureFixture[str]) -> None:
    port = running.rsplit(":", 1)[1]
    assert main(["serve", "tumour", "--port", port]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == f"targets: port {port} is taken; choose another, or use --port 0 for a free one\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["wine"], "no victim is named 'wine'; choose one of digits, tumour, fraud, credit, mail"),
        (["mail", "--model", "svm"], "no model is named 'svm'; choose one of linear, tree, forest, network, boosting"),
        (["mail", "--defence", "magic"], "no defence is named 'magic'; choose one of label_only, rounding"),
        (["mail", "--defence", "rounding:decimals=x"], "decimals is a whole number from 0 to 15, not 'x'"),
        (["mail", "--seed", "-1"], "a seed is a whole number from 0 up, not -1"),
        (["mail", "--host", "0.0.0.0"], "0.0.0.0 can be reached by others; add --expose"),
        (["mail", "--host", "example.org"], "example.org can be reached by others; add --expose"),
        (["mail", "--host", "127.0.0.300", "--expose"], "cannot listen on 127.0.0.300:0: "),
        (["mail", "--port", "70000"], "a port is a number from 0 to 65535, not 70000"),
        (["mail", "--log", "nonsense"], "the query log cannot be opened"),
        (["mail", "--log", "sqlite:////no/such/folder/log.db"], "the query log cannot be opened"),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_clear_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments]) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.3.2.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_loopback_is_told_from_the_rest(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize("megabytes", [3, 70])
def test_a_body_too_large_is_a_problem_over_real_http(running: str, megabytes: int) -> None:
    connection = http.client.HTTPConnection(running.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", "/v1/predict")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(megabytes * 1024 * 1024))
    connection.endheaders()
    if megabytes < 64:  # beyond that the target answers before the body is sent
        connection.send(b" " * (megabytes * 1024 * 1024))
    reply = connection.getresponse()
    document = json.loads(reply.read())
    connection.close()
    assert (reply.status, reply.headers.get_content_type()) == (413, "application/problem+json")
    assert document["status"] == 413
    assert "fewer rows" in document["next_step"] or "at most 1,000 rows" in document["next_step"]
    assert ask(running, "/health")[0] == 200


def test_a_request_that_is_not_http_gets_a_problem_too(running: str) -> None:
    host, port = running.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"POST /v1/predict HTTP/1.1\r\nContent-Length: many\r\n\r\n")
        reply = b"".join(iter(lambda: connection.recv(4096), b""))
    assert reply.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b"application/problem+json" in reply
