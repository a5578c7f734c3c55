"""Our target, bare and with its defences, beside FastAPI and MLflow: ``python -m benchmarks.serving [--rounds 40]``.

``--prepare`` makes the environment of FastAPI and MLflow once (about 650 MB). All servers run at the same time, each in
a process of its own; a round asks each of them in turn, so that a busy moment of the machine hits all alike. Every
reply must be 200 with the victim's own labels. Writes ``benchmarks/results/serving.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skops.io

from benchmarks.servers import environment, report
from benchmarks.servers.load import Block, Question, ask
from benchmarks.servers.processes import Running, running
from benchmarks.servers.stack import LAYERS, key_for
from targets import Victim, load_victim

RESULT = Path(__file__).parent / "results" / "serving.md"
HERE = Path(__file__).parent / "servers"
SIZES = {1: 100, 100: 30, 1000: 6}  # rows a request: requests a block; short, so that neighbours share the weather
CONNECTIONS = 4
RIVALS = ("FastAPI", "FastAPI, direct arithmetic", "MLflow")


@dataclass(frozen=True)
class Server:
    """One contestant: where it answers and how it wants to be asked."""

    name: str
    running: Running
    path: str
    field: str
    headers: dict[str, str]

    def questions(self, batches: list[np.ndarray], victim: Victim) -> list[Question]:
        """The batches of rows as this server wants them."""
        return [Question(json.dumps({self.field: rows.tolist()}).encode(), victim.labels(rows)) for rows in batches]


def batches(victim: Victim, size: int, count: int) -> list[np.ndarray]:
    """``count`` batches of ``size`` rows: rows of the pool and the test part, moved a little, so that none repeats."""
    rng = np.random.default_rng(size)
    rows = np.vstack([victim.pool.X, victim.test.X])
    spread = 0.01 * rows.std(axis=0)
    return [
        rows[rng.integers(len(rows), size=size)] + rng.normal(0, 1, (size, rows.shape[1])) * spread
        for _ in range(count)
    ]


@contextlib.contextmanager
def servers(victim: Victim, rivals: bool) -> Iterator[list[Server]]:
    """Start everything; stop everything at the end."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = []
        for layer in LAYERS:
            home = folder / layer
            home.mkdir()
            command = [sys.executable, "-m", "benchmarks.servers.ours", layer, str(home)]
            process = stack.enter_context(running(command, folder / f"{layer}.log"))
            headers = {"Content-Type": "application/json", "X-API-Key": key_for(layer, home)}
            found.append(Server(layer, process, "/v1/predict", "rows", headers))
        if rivals:
            found += [stack.enter_context(server) for server in _rivals(victim, folder)]
        yield found


def _rivals(victim: Victim, folder: Path) -> Iterator[contextlib.AbstractContextManager[Server]]:
    model, saved = folder / "model.skops", folder / "mlflow"
    skops.io.dump(victim.estimator, model)
    python, plain = str(environment.PYTHON), {"Content-Type": "application/json"}
    for name, extra in zip(RIVALS[:2], ([], ["--direct"]), strict=True):
        command = [python, str(HERE / "fastapi_app.py"), str(model), *extra]
        yield _server(command, folder / f"{name}.log", name, "/v1/predict", "rows", plain)
    subprocess.run([python, str(HERE / "mlflow_model.py"), str(model), str(saved)], check=True, capture_output=True)
    command = [str(environment.BIN / "mlflow"), "models", "serve", "-m", str(saved), "-h", "127.0.0.1"]
    command += ["-p", str(_free_port()), "--env-manager", "local", "-w", "1"]
    yield _server(command, folder / "mlflow.log", RIVALS[2], "/invocations", "instances", plain)


@contextlib.contextmanager
def _server(
    command: list[str], log: Path, name: str, path: str, field: str, headers: dict[str, str]
) -> Iterator[Server]:
    with running(command, log, environment.variables()) as process:
        yield Server(name, process, path, field, headers)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:  # MLflow takes no port 0
        return int(probe.getsockname()[1])


def measure(contestants: list[Server], victim: Victim, rounds: int) -> dict[tuple[str, int], list[Block]]:
    """Blocks by (server, rows a request), one a round; the first round warms up and is not kept."""
    kept: dict[tuple[str, int], list[Block]] = {}
    asked = {size: batches(victim, size, min(requests, 40)) for size, requests in SIZES.items()}
    questions = {(s.name, size): s.questions(rows, victim) for size, rows in asked.items() for s in contestants}
    for number in range(rounds + 1):
        turn = number // 2 % len(contestants)
        order = contestants[turn:] + contestants[:turn]
        for size, requests in SIZES.items():
            for server in order if number % 2 else order[::-1]:
                block = ask(
                    server.running, server.path, server.headers, questions[server.name, size],
                    requests=requests, connections=CONNECTIONS,
                )  # fmt: skip
                if number:
                    kept.setdefault((server.name, size), []).append(block)
        print(f"round {number} of {rounds}", file=sys.stderr, flush=True)
    return kept


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prepare", action="store_true", help="make the environment of FastAPI and MLflow, then stop")
    parser.add_argument("--rounds", type=int, default=40, help="rounds that count (default 40)")
    parser.add_argument("--ours", action="store_true", help="our layers alone; writes no file")
    options = parser.parse_args()
    if options.prepare:
        return environment.prepare()
    if not options.ours and not environment.prepared():
        sys.exit("FastAPI and MLflow have an environment of their own: python -m benchmarks.serving --prepare")
    victim = load_victim("tumour", model="linear")
    with servers(victim, rivals=not options.ours) as contestants:
        blocks = measure(contestants, victim, options.rounds)
    text = report.report(blocks, options.rounds, CONNECTIONS, list(LAYERS))
    print(text)
    if not options.ours:
        RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
