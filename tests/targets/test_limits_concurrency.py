"""N threads × M processes get exactly what was granted: in memory within a process, in Redis among them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from targets import Query, Refused
from targets.defences.cluster_budget import ClusterBudget
from targets.defences.counters import CountersGone, MemoryCounters, counters_for
from targets.defences.daily_budget import DailyBudget
from targets.defences.delay import Delay
from targets.defences.fixed_window import FixedWindow
from targets.defences.global_budget import GlobalBudget
from targets.defences.limiting import Limit
from targets.defences.sliding_window import SlidingWindow
from targets.defences.token_bucket import TokenBucket

NOW = 20_833 * 86_400.0 + 30
THREADS, PROCESSES, EACH = 8, 4, 60
LIMIT = 997  # fewer than asked (1,920), and not a multiple of anything here

MAKERS: dict[str, Callable[[str], Limit]] = {
    "fixed_window": lambda store: FixedWindow(LIMIT, 60, store=store),
    "sliding_window": lambda store: SlidingWindow(LIMIT, 60, store=store),
    "token_bucket": lambda store: TokenBucket(LIMIT, 1.0, store=store),
    "daily_budget": lambda store: DailyBudget(LIMIT, store=store),
    "delay": lambda store: Delay(LIMIT, 1.0, longest=0, store=store),
    "global_budget": lambda store: GlobalBudget(LIMIT, store=store),
    "cluster_budget": lambda store: ClusterBudget(LIMIT, store=store),
}


@pytest.fixture
def quick_switching() -> Iterator[None]:
    """Threads change places thousands of times more often than usual: races that hide for a year show at once."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def hammer(limit: Any, threads: int, each: int, rows: int = 1) -> int:
    """How many of threads × each queries were granted, all asked at once at one moment of the clock."""
    granted = [0] * threads
    gate = threading.Barrier(threads)
    query = Query(np.zeros((rows, 1)), "k", "192.0.2.1", NOW)

    def client(number: int) -> None:
        gate.wait()
        for _ in range(each):
            try:
                limit.before(query)
                granted[number] += 1
            except Refused:
                pass

    workers = [threading.Thread(target=client, args=(i,)) for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(granted)


@pytest.mark.usefixtures("quick_switching")
@pytest.mark.parametrize("name", MAKERS)
def test_in_memory_the_threads_of_a_process_get_exactly_the_limit(name: str) -> None:
    assert hammer(MAKERS[name]("memory://"), THREADS * PROCESSES, EACH) == LIMIT


@pytest.mark.usefixtures("quick_switching")
def test_in_memory_batches_are_all_or_none() -> None:
    assert hammer(FixedWindow(LIMIT, 60), THREADS, 100, rows=7) == LIMIT // 7
    assert hammer(SlidingWindow(LIMIT, 60), THREADS, 100, rows=7) == LIMIT // 7
    assert hammer(TokenBucket(LIMIT, 1.0), THREADS, 100, rows=7) == LIMIT // 7


class Unlocked(MemoryCounters):
    """What a limit is without its lock: two threads look before either counts."""

    def __init__(self) -> None:
        super().__init__()
        self._gate = threading.Barrier(2)

    def _change(self, key: str, now: float, life: float, rule: Callable[[Any], tuple[Any, Any]]) -> Any:
        outcome, state = rule(self._states[key][1] if key in self._states else None)
        self._gate.wait()
        self._states[key] = (now + life, state)
        return outcome


def test_the_hammer_finds_a_limit_without_a_lock() -> None:
    limit = FixedWindow(1, 60)
    limit._counters = Unlocked()
    assert hammer(limit, 2, 1) == 2


class Redis:
    """A real server on a unix socket of its own; what it holds survives ``restart`` (append-only file)."""

    def __init__(self, folder: Path):
        self._folder, self._process = folder, None
        self.url = f"redis+unix://{folder}/redis.sock"
        self.start()

    def start(self) -> None:
        command = ["redis-server", "--port", "0", "--unixsocket", "redis.sock", "--save", "", "--appendonly", "yes"]
        command += ["--appendfsync", "always", "--dir", str(self._folder), "--daemonize", "no"]
        process = subprocess.Popen(command, cwd=self._folder, stdout=subprocess.PIPE, text=True)
        self._process = process
        assert process.stdout is not None
        for line in process.stdout:
            if "ready to accept connections" in line:
                return
        raise AssertionError("redis-server ended before it was ready")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
            self._process = None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed; install the package redis-server to test limits in Redis")
    redis = Redis(tmp_path_factory.mktemp("redis"))
    yield redis
    redis.stop()


@pytest.fixture
def empty(server: Redis) -> Redis:
    """The server, with nothing in it."""
    counters: Any = counters_for(server.url)
    counters._redis.flushall()
    counters._redis.close()
    return server


CLIENTS = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("clients", {__file__!r})
clients = importlib.util.module_from_spec(spec)
spec.loader.exec_module(clients)
limits = {{name: make(sys.argv[1]) for name, make in clients.MAKERS.items()}}
print("ready", flush=True)
for name in sys.stdin:
    print(clients.hammer(limits[name.strip()], clients.THREADS, clients.EACH), flush=True)
"""


@pytest.fixture(scope="module")
def crowd(server: Redis) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that hammer the limit named on their standard input; started once, because imports are slow."""
    command, pipe = [sys.executable, "-c", CLIENTS, server.url], subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(PROCESSES)]
    assert [_line(process) for process in processes] == ["ready"] * PROCESSES
    yield processes
    for process in processes:
        process.communicate()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("name", MAKERS)
def test_in_redis_8_threads_in_each_of_4_processes_get_exactly_the_limit(
    empty: Redis, crowd: list[subprocess.Popen[str]], name: str
) -> None:
    for process in crowd:
        assert process.stdin is not None
        process.stdin.write(f"{name}\n")
        process.stdin.flush()
    granted = [int(_line(process)) for process in crowd]
    assert sum(granted) == LIMIT
    assert sum(count > 0 for count in granted) > 1, "the processes did not compete"


events = st.lists(st.tuples(st.floats(-2, 90), st.integers(1, 10)), min_size=1, max_size=25)


@pytest.mark.parametrize("rule", ["fixed", "sliding", "pour"])
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=40
)
@given(gaps_and_rows=events)
def test_redis_and_memory_say_the_same(empty: Redis, rule: str, gaps_and_rows: list[tuple[float, int]]) -> None:
    memory, redis = MemoryCounters(), counters_for(empty.url)
    redis._redis.flushall()  # type: ignore[attr-defined]
    time = NOW
    for gap, rows in gaps_and_rows:
        time += gap
        terms = (10, 0.2) if rule == "pour" else (10, 60)
        here, there = (getattr(counters, rule)("k", rows, *terms, time) for counters in (memory, redis))
        assert there == pytest.approx(here, abs=1e-5)
    redis._redis.close()  # type: ignore[attr-defined]


def test_a_huge_and_an_empty_key_are_keys_like_any_other(empty: Redis) -> None:
    limit = FixedWindow(1, 60, store=empty.url)
    for key in ("", "k" * 1_000_000, "\x00\r\n", "\ud800"):
        limit.before(Query(np.zeros((1, 1)), key, "192.0.2.1", NOW))
        with pytest.raises(Refused):
            limit.before(Query(np.zeros((1, 1)), key, "192.0.2.1", NOW))
    names = limit._counters._redis.keys()  # type: ignore[attr-defined]
    assert len(names) == 4
    assert max(map(len, names)) < 60


def test_what_is_counted_in_redis_does_not_stay_for_ever(empty: Redis) -> None:
    for name, make in MAKERS.items():
        limit: Any = make(empty.url)
        limit.before(Query(np.zeros((1, 1)), name, "192.0.2.1", NOW))
    store = limit._counters._redis
    assert len(store.keys()) == len(MAKERS)
    assert all(0 < store.ttl(key) <= 2 * 86_400 for key in store.scan_iter())


@pytest.mark.parametrize("make", [FixedWindow, SlidingWindow, TokenBucket])
def test_while_redis_is_away_nothing_is_granted_and_afterwards_nothing_is_forgotten(empty: Redis, make: Any) -> None:
    limit = make(2, store=empty.url)
    query = Query(np.zeros((1, 1)), "k", "192.0.2.1", NOW)
    limit.before(query)
    empty.stop()
    with pytest.raises(CountersGone, match="the rate counters cannot be reached, so nothing is answered"):
        limit.before(query)
    empty.start()
    limit.before(query)
    with pytest.raises(Refused):
        limit.before(query)


def test_a_target_without_its_redis_answers_503_and_says_why(
    empty: Redis, client_for: Callable[..., Any], row: list[float]
) -> None:
    client = client_for(defences=(DailyBudget(5, store=empty.url),))
    assert client.post("/v1/predict", json={"rows": [row]}).status_code == 200
    empty.stop()
    reply = client.post("/v1/predict", json={"rows": [row]})
    assert reply.status_code == 503
    assert "DailyBudget" in reply.json["detail"]
    assert "the rate counters cannot be reached" in reply.json["detail"]
    assert "sock" not in reply.text
    empty.start()
    assert client.post("/v1/predict", json={"rows": [row] * 4}).status_code == 200
    assert client.post("/v1/predict", json={"rows": [row]}).status_code == 429


def test_a_redis_that_does_not_answer_is_given_up_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        limit: Any = FixedWindow(store=f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        settings = limit._counters._redis.connection_pool.connection_kwargs
        assert settings["socket_timeout"] <= 2
        assert settings["socket_connect_timeout"] <= 2


def test_a_store_that_was_never_there_is_a_503_too(client_for: Callable[..., Any], row: list[float]) -> None:
    client = client_for(defences=(DailyBudget(store="redis+unix:///nowhere/redis.sock"),))
    assert client.post("/v1/predict", json={"rows": [row]}).status_code == 503
    assert client.get("/health").status_code == 200
