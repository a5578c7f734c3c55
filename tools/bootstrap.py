"""Prepare the project's own environment, then start what lives in it. Needs Python's standard library only.

    python3 tools/bootstrap.py lab [options of JupyterLab]    open the course
    python3 tools/bootstrap.py run COMMAND [ARGUMENTS]        run a command with everything the tests need
    python3 tools/bootstrap.py env [--full]                   prepare the environment, start nothing

On Windows write `py` for `python3`. The Makefile calls the same three commands.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STATE = ROOT / ".model-theft-labs"
UNFINISHED = VENV / ".unfinished"
WANTED = ((3, 11), (3, 12), (3, 13))
REQUIREMENTS = {"learner": ROOT / "binder" / "requirements.txt", "full": ROOT / "requirements.lock"}
MISSING_PYTHON = """Model Theft Labs needs Python 3.11, 3.12 or 3.13, and found none (this is Python {version}).
  Debian, Ubuntu   sudo apt install python3 python3-venv      (or install uv, which fetches its own Python)
  macOS            brew install python@3.12
  Windows          winget install Python.Python.3.12
Then run the same command again."""
MISSING_VENV = """{python} cannot make an environment: its `venv` or `ensurepip` module is missing.
  Debian, Ubuntu   sudo apt install python3-venv
Then run the same command again. (With uv on the PATH nothing more is needed.)"""


class Trouble(Exception):
    """Something the person at the keyboard can put right; the text says how."""


def output_of(*command: str) -> str | None:
    """Standard output of a command, or None when it is absent or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def find_uv() -> str | None:
    """Path of a uv that works, or None."""
    uv = shutil.which("uv")
    return uv if uv and output_of(uv, "--version") else None


def find_python() -> str | None:
    """Path of a Python the course runs on: this one if it fits, else the first that answers."""
    own = getattr(sys, "_base_executable", None) or sys.executable  # never the environment we may be about to replace
    names = ["python3.12", "python3.13", "python3.11", "python3", "python"]
    candidates = [[own], *([name] for name in names)]
    if os.name == "nt":
        candidates += [["py", f"-{major}.{minor}"] for major, minor in reversed(WANTED)]
    question = "import sys; print(*sys.version_info[:2], getattr(sys, '_base_executable', None) or sys.executable)"
    for candidate in candidates:
        major, minor, path = (output_of(*candidate, "-c", question) or "0 0 -").split(" ", 2)
        if (int(major), int(minor)) in WANTED:
            return path
    return None


def create(uv: str | None) -> None:
    """Make an empty environment in .venv, replacing whatever is there."""
    python = find_python()
    if python is None and uv is None:
        raise Trouble(MISSING_PYTHON.format(version=sys.version.split()[0]))
    if uv is None and output_of(str(python), "-c", "import venv, ensurepip") is None:
        raise Trouble(MISSING_VENV.format(python=python))
    if VENV.exists():
        shutil.rmtree(VENV)
    command = [uv, "venv", "-q", "--python", python or "3.12"] if uv else [str(python), "-m", "venv"]
    subprocess.run([*command, str(VENV)], check=True)


def install(requirements: Path, uv: str | None) -> None:
    """Install exactly the pinned, hashed wheels of a requirements file into .venv; nothing is ever compiled."""
    rules = ["--require-hashes", "--only-binary", ":all:", "-r", str(requirements)]
    if uv:
        # Compiled now, as pip does: otherwise the first import in a notebook takes ten seconds.
        command = [uv, "pip", "install", "--compile-bytecode", "--python", str(PYTHON), *rules]
        subprocess.run(command, cwd=str(ROOT), check=True)
        return
    if output_of(str(PYTHON), "-m", "pip", "--version") is None:  # made by uv, which leaves pip out
        subprocess.run([str(PYTHON), "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
    pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", *rules]
    total = sum("==" in line and not line.startswith((" ", "#")) for line in requirements.read_text().splitlines())
    with subprocess.Popen(pip, stdout=subprocess.PIPE, text=True, cwd=str(ROOT)) as process:
        show_progress(process.stdout, total)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, pip)


def show_progress(lines, total: int) -> None:
    """Turn pip's long log into one line that keeps moving (into nothing when nobody watches)."""
    watched, seen = sys.stderr.isatty(), 0
    for line in lines:
        seen += line.startswith("Collecting ")
        phase = "unpacking" if line.startswith("Installing collected") else f"fetching {min(seen, total)} of {total}"
        if watched:
            print(f"\r  {phase:<24}", end="", file=sys.stderr, flush=True)
    if watched:
        print("\r" + " " * 40 + "\r", end="", file=sys.stderr)


def put_project_on_path(python: str) -> None:
    """Let a Python import targets, grading and labkit from this folder (paths relative: ASCII, movable)."""
    site_packages = Path(output_of(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))") or "")
    up = os.path.relpath(str(ROOT), str(site_packages))
    (site_packages / "_mtl.pth").write_text(f"{up}\n{os.path.join(up, 'labs')}\n", encoding="ascii")


def stamp(level: str) -> str:
    """What the environment was made from: the place, the interpreter, the pins."""
    pins = hashlib.sha256(REQUIREMENTS[level].read_bytes()).hexdigest()
    interpreter = hashlib.sha256((VENV / "pyvenv.cfg").read_bytes()).hexdigest()
    return f"{ROOT}\n{interpreter}\n{pins}\n"


def stamped(level: str) -> bool:
    """Whether .venv already holds what a level needs (the full environment holds the learner's too)."""
    if not PYTHON.exists() or UNFINISHED.exists():
        return False
    marks = {one: VENV / f".made-{one}" for one in (level, "full")}
    return any(mark.exists() and mark.read_text(encoding="utf-8") == stamp(one) for one, mark in marks.items())


def usable() -> bool:
    """Whether .venv can be updated in place: finished once, made here, and by a Python the course runs on."""
    if UNFINISHED.exists() or not PYTHON.exists():
        return False
    if any(not mark.read_text(encoding="utf-8").startswith(f"{ROOT}\n") for mark in VENV.glob(".made-*")):
        return False
    version = output_of(str(PYTHON), "-c", "import sys; print(*sys.version_info[:2])")
    return version is not None and tuple(map(int, version.split())) in WANTED


@contextlib.contextmanager
def alone():
    """Hold the right to change .venv: a second `make` started meanwhile waits for the first."""
    STATE.mkdir(exist_ok=True)
    with open(STATE / "environment.lock", "a+b") as handle:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def prepare(level: str) -> None:
    """Bring .venv to a level, `learner` or `full`; returns at once when it is there already."""
    if stamped(level):
        return
    with alone():
        if stamped(level):
            return
        uv = find_uv()
        what = "the course's" if level == "learner" else "the course's and the tests'"
        print(f"Preparing {what} environment in {VENV} with {'uv' if uv else 'pip'}; once only.", file=sys.stderr)
        if not usable():
            create(uv)
        UNFINISHED.touch()
        for mark in VENV.glob(".made-*"):
            mark.unlink()
        install(REQUIREMENTS[level], uv)
        put_project_on_path(str(PYTHON))
        (VENV / f".made-{level}").write_text(stamp(level), encoding="utf-8")
        UNFINISHED.unlink()


def environment() -> dict[str, str]:
    """Variables for whatever runs in .venv: its commands first, one thread a process."""
    variables = {name: value for name, value in os.environ.items() if name not in {"PYTHONHOME", "PYTHONPATH"}}
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        variables.setdefault(name, "1")
    variables.update(VIRTUAL_ENV=str(VENV), PATH=os.pathsep.join([str(BIN), os.environ.get("PATH", "")]))
    return variables


def lab_environment() -> dict[str, str]:
    """Variables for JupyterLab: the course's own defaults, and a window layout apart from the user's other work."""
    variables = environment()
    configs = [str(ROOT / "jupyter-config"), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    variables["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, configs))
    variables.setdefault("JUPYTERLAB_WORKSPACES_DIR", str(STATE / "workspaces"))
    return variables


def lab_command(arguments: list[str]) -> list[str]:
    """The command line of `make lab`: loopback, a free port, then what the user asked for."""
    root = ["--allow-root"] if os.name != "nt" and os.geteuid() == 0 else []
    return [str(PYTHON), "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", *root, *arguments]


def start(command: list[str], variables: dict[str, str], folder: Path) -> int:
    """Become the command where the system allows it (so Ctrl-C reaches it alone); return its exit code elsewhere."""
    program = shutil.which(command[0], path=variables["PATH"])
    if program is None:
        raise Trouble(f"There is no command `{command[0]}`, neither in {BIN} nor on the PATH.")
    os.chdir(str(folder))
    if os.name == "nt":
        return subprocess.call([program, *command[1:]], env=variables)
    os.execve(program, [program, *command[1:]], variables)


def main(arguments: list[str]) -> int:
    task, rest = (arguments[0], arguments[1:]) if arguments else ("help", [])
    if task == "lab":
        prepare("learner")
        print("Starting JupyterLab in labs/. Stop it with Ctrl-C in this window.", file=sys.stderr)
        return start(lab_command(rest), lab_environment(), ROOT / "labs")
    if task == "run" and rest:
        prepare("full")
        return start(rest, environment(), ROOT)
    if task == "env" and rest in ([], ["--full"]):
        prepare("full" if rest else "learner")
        return 0
    print(__doc__)
    return 0 if task in {"help", "-h", "--help"} else 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Trouble as trouble:
        sys.exit(str(trouble))
    except subprocess.CalledProcessError as error:
        sys.exit(
            f"Preparing the environment stopped (exit code {error.returncode}): the lines above say why. Look at the\n"
            "network connection and the free disk space (1 GB), then run the same command again: it starts afresh."
        )
    except KeyboardInterrupt:
        sys.exit("\nStopped. Run the same command again to start afresh.")
