"""What the tests of the defender's room share: a cache of their own, small clients, a target in another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from targets import TargetConfig, create_app


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder for this run, so that no test leans on what an earlier run left behind."""
    before = os.environ.get("MTL_CACHE")
    folder = tmp_path_factory.mktemp("victims")
    os.environ["MTL_CACHE"] = str(folder)
    yield folder
    del os.environ["MTL_CACHE"]
    if before is not None:
        os.environ["MTL_CACHE"] = before


@pytest.fixture
def client_for() -> Iterator[Callable[..., FlaskClient]]:
    """Make a client of a fresh target: ``client_for(victim="tumour", defences=(…))``."""
    logs = []

    def make(**settings: Any) -> FlaskClient:
        app = create_app(TargetConfig(**{"victim": "tumour", **settings}))
        logs.append(app.extensions["query_log"])
        return app.test_client()

    yield make
    for log in logs:
        log.close()


@pytest.fixture
def client(client_for: Callable[..., FlaskClient]) -> FlaskClient:
    """A client of the tumour target: 30 features, two classes, a linear model."""
    return client_for()


@pytest.fixture
def row(client: FlaskClient) -> list[float]:
    """One sound row for ``client``."""
    rows: list[list[float]] = json.loads(client.get("/lab/data/pool").data)["rows"]
    return rows[0]


@pytest.fixture
def start(cache: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Serve a target in another process: ``process, url = start("tumour", "--key", "k")``."""
    yield from _launcher()


@pytest.fixture(scope="module")
def running(cache: Path) -> Iterator[str]:
    """The URL of a tumour target that tests share and leave alive."""
    for launch in _launcher():
        yield launch("tumour")[1]


def _launcher() -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    started: list[subprocess.Popen[str]] = []

    def launch(*arguments: str) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "targets", "serve", *arguments]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().split(" ")[0]

    yield launch
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            stream.close()
