"""What the repository's own tests look at: its files, a clean copy of it, and a Jupyter server started from one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import websocket

from tools.jupyter_process import stop, wait_for_address

ROOT = Path(__file__).resolve().parents[2]


def tracked() -> list[Path]:
    """Every file that is committed or about to be (ignored ones are not)."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def files() -> list[Path]:
    return tracked()


@pytest.fixture(scope="module")
def fresh_copy(tmp_path_factory) -> Path:
    """What a clone of this project holds, in a folder of its own."""
    copy = tmp_path_factory.mktemp("clone")
    for path in tracked():
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return copy


@pytest.fixture(scope="module")
def plain_environment(tmp_path_factory) -> dict[str, str]:
    """Variables of somebody who has never used Jupyter here: an empty home, none of our own environment."""
    home = tmp_path_factory.mktemp("home")
    ours = ("JUPYTER", "VIRTUAL_ENV", "MTL_", "XDG_", "PYTHONPATH", "PYTEST", "COV_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    own_commands = str(ROOT / ".venv")
    path = [part for part in kept["PATH"].split(os.pathsep) if not part.startswith(own_commands)]
    # uv's store of wheels is worth keeping: it is a cache, and an empty one only measures the network.
    cache = os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv"))
    return kept | {"PATH": os.pathsep.join(path), "HOME": str(home), "UV_CACHE_DIR": cache}


@dataclass(frozen=True)
class JupyterServer:
    """A running server, asked over HTTP and through its kernels' web sockets as a browser would."""

    url: str
    token: str

    def get(self, path: str) -> str:
        request = urllib.request.Request(f"{self.url}{path}", headers={"Authorization": f"token {self.token}"})
        return self._open(request)

    def contents(self, path: str) -> dict:
        return json.loads(self.get(f"/api/contents/{path}"))

    def run(self, code: str, folder: str = "") -> str:
        """Start a kernel, run code in it, return what it printed (with any error's message)."""
        body = json.dumps({"name": "python3", "path": folder}).encode()
        headers = {"Authorization": f"token {self.token}", "Content-Type": "application/json"}
        kernel = json.loads(self._open(urllib.request.Request(f"{self.url}/api/kernels", body, headers)))["id"]
        address = f"{self.url.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels?token={self.token}"
        with contextlib.closing(websocket.create_connection(address, timeout=120)) as socket:
            return self._talk(socket, code)

    @staticmethod
    def _open(request: urllib.request.Request) -> str:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=60) as reply:
            return reply.read().decode()

    @staticmethod
    def _talk(socket, code: str) -> str:
        content = {"code": code, "silent": False, "allow_stdin": False, "stop_on_error": True}
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": "execute_request",
            "session": "t",
            "username": "",
            "version": "5.3",
        }
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        socket.send(json.dumps(message))
        printed = ""
        while True:
            reply = json.loads(socket.recv())
            if reply["parent_header"].get("msg_id") != header["msg_id"]:
                continue
            said = reply["content"]
            printed += said.get("text", "") if reply["msg_type"] == "stream" else ""
            printed += f"{said['ename']}: {said['evalue']}" if reply["msg_type"] == "error" else ""
            if reply["msg_type"] == "status" and said["execution_state"] == "idle":
                return printed


@pytest.fixture(scope="session")
def jupyter():
    """`with jupyter(command, folder, variables) as server`: started, found by its own messages, stopped."""

    @contextlib.contextmanager
    def started(command: list[str], folder: Path, variables: dict[str, str]) -> Iterator[JupyterServer]:
        pipe = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True}
        with subprocess.Popen(command, cwd=folder, env=variables, **pipe) as process:
            try:
                yield JupyterServer(*wait_for_address(process))
            finally:
                stop(process)

    return started
