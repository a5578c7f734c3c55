"""The client: a few kept-alive connections, bodies made beforehand, answers kept and checked after the clock stops."""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.servers.processes import Running, cpu_seconds


class WrongAnswer(Exception):
    """A reply that is not 200, or whose labels are not the victim's: the figures would be worth nothing."""


@dataclass(frozen=True)
class Question:
    """One request: its body and the victim's own labels for its rows."""

    body: bytes
    labels: np.ndarray


@dataclass(frozen=True)
class Block:
    """What one burst of requests measured: a latency a request (ms), wall seconds, CPU seconds of the server, rows."""

    latencies: list[float]
    wall: float
    cpu: float
    rows: int


def ask(
    server: Running, path: str, headers: dict[str, str], questions: list[Question], *, requests: int, connections: int
) -> Block:
    """Send ``requests`` over ``connections`` at once, each waiting for its reply. Raises WrongAnswer."""
    replies: list[list[tuple[int, int, bytes, float]]] = [[] for _ in range(connections)]
    ready = threading.Barrier(connections + 1)

    def customer(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.connect()
        ready.wait()
        for turn in range(number, requests, connections):
            which = turn % len(questions)
            begin = time.perf_counter()
            connection.request("POST", path, questions[which].body, headers)
            reply = connection.getresponse()
            content = reply.read()
            replies[number].append((which, reply.status, content, time.perf_counter() - begin))
        connection.close()

    crowd = [threading.Thread(target=customer, args=(number,), daemon=True) for number in range(connections)]
    for one in crowd:
        one.start()
    ready.wait(60)
    cpu, begin = cpu_seconds(server.pid), time.perf_counter()
    for one in crowd:
        one.join()
    wall, cpu = time.perf_counter() - begin, cpu_seconds(server.pid) - cpu
    everything = [reply for own in replies for reply in own]
    if len(everything) != requests:
        raise WrongAnswer(f"{requests} requests sent, {len(everything)} answered")
    rows = sum(check(questions[which], status, content) for which, status, content, _ in everything)
    return Block([1000 * seconds for *_, seconds in everything], wall, cpu, rows)


def check(question: Question, status: int, content: bytes) -> int:
    """How many rows were answered. Raises WrongAnswer unless the reply is 200 with the victim's labels."""
    if status != 200:
        raise WrongAnswer(f"status {status}, not 200: {content[:300]!r}")
    labels = _labels(json.loads(content))
    if not np.array_equal(labels, question.labels):
        raise WrongAnswer(f"{np.size(labels)} labels, of which some are not the victim's: {content[:300]!r}")
    return len(labels)


def _labels(answer: dict[str, Any]) -> np.ndarray:
    if "labels" in answer:
        return np.asarray(answer["labels"])
    return np.asarray(answer["predictions"]).argmax(axis=1)  # MLflow gives the probabilities alone
