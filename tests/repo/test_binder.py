"""Binder without Docker: the Dockerfile it would build, and its steps replayed in a clean environment."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tools import bootstrap

BASE = ["ipykernel", "ipywidgets", "jupyter-offlinenotebook", "jupyter-resource-usage", "jupyterlab", "notebook"]


@pytest.fixture(scope="module")
def dockerfile(fresh_copy):
    command = [
        sys.executable,
        "-m",
        "repo2docker",
        "--no-build",
        "--debug",
        "--user-id",
        "1000",
        "--user-name",
        "jovyan",
    ]
    done = subprocess.run([*command, str(fresh_copy)], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def test_the_image_has_the_python_we_name(dockerfile, root):
    version = (root / "binder" / "runtime.txt").read_text(encoding="utf-8").strip().removeprefix("python-")
    assert f"Building conda environment for python={version}" in dockerfile


def test_requirements_are_a_layer_of_their_own(dockerfile):
    """Installed before the rest is copied, so that a changed notebook does not install everything again."""
    steps = [
        "src/binder/requirements.txt ${REPO_DIR}/binder/requirements.txt",
        'pip install --no-cache-dir -r "binder/requirements.txt"',
        " src/ ${REPO_DIR}/",
        "RUN ./binder/postBuild",
        'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"',
    ]
    places = [dockerfile.index(step) for step in steps]
    assert places == sorted(places)
    assert "apt-get -qq install --yes --no-install-recommends" not in dockerfile.split("# If scripts required")[-1]


def frozen_base(version: str) -> list[str]:
    """The Jupyter packages that Binder's base image freezes, as pins."""
    folder = Path(find_spec("repo2docker").origin).parent / "buildpacks" / "conda"
    lock = (folder / f"environment.py-{version}-linux-64.lock").read_text(encoding="utf-8")
    found = dict(re.findall(r"/([a-z_-]+)-([0-9.]+)-py[^/]+\.conda", lock))
    return [f"{name}=={found.get(name) or found[name.replace('-', '_')]}" for name in BASE]


@pytest.fixture(scope="module")
def image(fresh_copy, plain_environment):
    """The base's Jupyter, then our requirements, then postBuild: what the image holds. Returns (folder, variables)."""
    env = fresh_copy / ".binder-env"
    version = (fresh_copy / "binder" / "runtime.txt").read_text(encoding="utf-8").strip().removeprefix("python-")
    variables = plain_environment | {"PATH": f"{env / 'bin'}:{plain_environment['PATH']}"}

    def do(*command):
        subprocess.run(command, cwd=fresh_copy, env=variables, check=True, capture_output=True, text=True)

    if uv := bootstrap.find_uv():
        do(uv, "venv", "-q", "--python", version, str(env))
        install = [uv, "pip", "install", "--compile-bytecode", "--python", str(env / "bin" / "python")]
    else:
        do(f"python{version}", "-m", "venv", str(env))
        install = [str(env / "bin" / "pip"), "install"]
    do(*install, *frozen_base(version))
    do(*install, "--require-hashes", "-r", "binder/requirements.txt")
    do("./binder/postBuild")
    return fresh_copy, variables


@pytest.mark.slow
def test_a_binder_session_opens_the_course_home_with_a_kernel(image, jupyter):
    folder, variables = image
    command = ["./binder/start", "jupyter", "notebook", "--ip", "127.0.0.1", "--no-browser", "--allow-root"]
    with jupyter(command, folder, variables) as server:
        assert "<title>JupyterLab</title>" in server.get("/lab/tree/README.md")
        assert server.contents("README.md")["content"] == (folder / "labs" / "README.md").read_text(encoding="utf-8")
        theme = json.loads(server.get("/lab/api/settings/@jupyterlab/apputils-extension:themes"))
        assert theme["schema"]["properties"]["adaptive-theme"]["default"] is True
        said = server.run("import labkit, os; print(labkit.__path__[0], os.environ['OMP_NUM_THREADS'], os.getcwd())")
        assert said.split() == [str(folder / "labs" / "labkit"), "1", str(folder / "labs")]


@pytest.mark.slow
def test_answers_are_left_out(image):
    folder, _ = image
    assert not (folder / "solutions").exists()
    assert not (folder / "tests").exists()
    assert shutil.which("nbgrader", path=str(folder / ".binder-env" / "bin")) is None
