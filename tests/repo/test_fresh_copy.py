"""A newcomer's first minute: a new folder, `make lab`, and the course home page stands there with a working kernel."""

from __future__ import annotations

import json
import shutil
import socket

import pytest

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed; on Windows use tools/bootstrap.py")
def test_make_lab_opens_the_course_home(fresh_copy, plain_environment, jupyter):
    port = free_port()
    command = ["make", "lab", f"LAB_ARGS=--no-browser --port {port}"]
    with jupyter(command, fresh_copy, plain_environment) as server:
        assert server.url == f"http://127.0.0.1:{port}"
        assert server.contents("README.md")["content"] == (fresh_copy / "labs" / "README.md").read_text(
            encoding="utf-8"
        )
        shown = {entry["name"] for entry in server.contents("")["content"]}
        assert {"README.md", "labkit"} <= shown
        assert not shown & {"solutions", "grading", "targets", "tests"}
        settings = json.loads(server.get("/lab/api/settings/@jupyter-widgets/jupyterlab-manager:plugin"))
        assert settings["schema"]["properties"]["saveState"]["default"] is True
        said = server.run(
            "import labkit, os, sys; print(labkit.__path__[0], sys.prefix, os.environ['MKL_NUM_THREADS'])"
        )
        assert said.split() == [str(fresh_copy / "labs" / "labkit"), str(fresh_copy / ".venv"), "1"]
    assert (fresh_copy / ".venv" / ".made-learner").is_file()
