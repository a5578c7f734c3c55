"""`make lab` and `make test` make their environment once, see when it is stale or broken, and say what is missing."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from tools import bootstrap


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A project folder of its own, in which making and filling the environment are written down instead of done."""
    venv = tmp_path / ".venv"
    for name, value in {
        "ROOT": tmp_path,
        "VENV": venv,
        "BIN": venv / "bin",
        "PYTHON": venv / "bin" / "python",
        "STATE": tmp_path / ".model-theft-labs",
        "UNFINISHED": venv / ".unfinished",
        "REQUIREMENTS": {"learner": tmp_path / "learner.txt", "full": tmp_path / "full.txt"},
    }.items():
        monkeypatch.setattr(bootstrap, name, value)
    (tmp_path / "learner.txt").write_text("flask==1\n")
    (tmp_path / "full.txt").write_text("flask==1\npytest==1\n")
    done = []

    def create(uv):
        done.append("create")
        (venv / "bin").mkdir(parents=True, exist_ok=True)
        (venv / "pyvenv.cfg").write_text("version = 3.12.1\n")
        for old in venv.glob(".*"):
            old.unlink()
        if not bootstrap.PYTHON.exists():
            bootstrap.PYTHON.symlink_to(sys.executable)

    monkeypatch.setattr(bootstrap, "create", create)
    monkeypatch.setattr(bootstrap, "install", lambda requirements, uv: done.append(requirements.name))
    monkeypatch.setattr(bootstrap, "put_project_on_path", lambda python: None)
    return done


def test_the_second_run_has_nothing_to_do(course):
    bootstrap.prepare("learner")
    bootstrap.prepare("learner")
    assert course == ["create", "learner.txt"]


def test_the_full_environment_serves_learners_too(course):
    bootstrap.prepare("full")
    bootstrap.prepare("learner")
    assert course == ["create", "full.txt"]


def test_the_learners_environment_grows_into_the_full_one(course):
    bootstrap.prepare("learner")
    bootstrap.prepare("full")
    assert course == ["create", "learner.txt", "full.txt"]


def test_changed_pins_update_in_place(course, tmp_path):
    bootstrap.prepare("learner")
    (tmp_path / "learner.txt").write_text("flask==2\n")
    bootstrap.prepare("learner")
    bootstrap.prepare("learner")
    assert course == ["create", "learner.txt", "learner.txt"]


def test_an_interrupted_installation_starts_afresh(course, monkeypatch):
    whole = bootstrap.install

    def interrupted(requirements, uv):
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "install", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bootstrap.prepare("learner")
    monkeypatch.setattr(bootstrap, "install", whole)
    bootstrap.prepare("learner")
    bootstrap.prepare("learner")
    assert course == ["create", "create", "learner.txt"]


def test_a_failed_update_of_a_full_environment_is_not_taken_for_a_whole_one(course, tmp_path, monkeypatch):
    bootstrap.prepare("full")
    (tmp_path / "full.txt").write_text("flask==2\n")

    def fails(requirements, uv):
        raise subprocess.CalledProcessError(1, ["pip"])

    monkeypatch.setattr(bootstrap, "install", fails)
    with pytest.raises(subprocess.CalledProcessError):
        bootstrap.prepare("full")
    assert not bootstrap.stamped("full")
    assert not bootstrap.usable()


def test_a_moved_folder_gets_a_new_environment(course, monkeypatch, tmp_path):
    bootstrap.prepare("learner")
    mark = bootstrap.VENV / ".made-learner"
    mark.write_text(mark.read_text().replace(str(tmp_path), "/somewhere/else"))
    bootstrap.prepare("learner")
    assert course == ["create", "learner.txt", "create", "learner.txt"]


def test_an_interpreter_that_went_away_is_replaced(course):
    bootstrap.prepare("learner")
    bootstrap.PYTHON.unlink()
    bootstrap.prepare("learner")
    assert course == ["create", "learner.txt", "create", "learner.txt"]


def test_an_environment_made_by_hand_is_adopted(course):
    bootstrap.create(None)
    bootstrap.prepare("full")
    assert course == ["create", "full.txt"]


def test_no_python_says_what_to_install(monkeypatch):
    monkeypatch.setattr(bootstrap, "output_of", lambda *command: "3 10 /usr/bin/python3")
    assert bootstrap.find_python() is None
    with pytest.raises(bootstrap.Trouble, match=r"needs Python 3\.11, 3\.12 or 3\.13.*\n.*apt install python3"):
        bootstrap.create(None)


def test_a_python_without_venv_says_what_to_install(monkeypatch):
    monkeypatch.setattr(bootstrap, "find_python", lambda: "/usr/bin/python3")
    monkeypatch.setattr(bootstrap, "output_of", lambda *command: None)
    with pytest.raises(bootstrap.Trouble, match=r"/usr/bin/python3 cannot make an environment.*\n.*python3-venv"):
        bootstrap.create(None)


@pytest.mark.parametrize("answer", [None, "3 10 /usr/bin/python3.10", "2 7 /usr/bin/python", "3 14 /opt/python3.14"])
def test_pythons_outside_the_range_are_passed_over(monkeypatch, answer):
    good = "3 13 /a place with spaces/python"
    monkeypatch.setattr(bootstrap, "output_of", lambda name, *rest: good if name == "python3.11" else answer)
    assert bootstrap.find_python() == "/a place with spaces/python"


def test_a_broken_uv_counts_as_none(monkeypatch, tmp_path):
    (tmp_path / "uv").write_text("#!/bin/sh\nexit 127\n")
    (tmp_path / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bootstrap.find_uv() is None


def test_pips_log_becomes_one_moving_line(monkeypatch):
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    bootstrap.show_progress(["Collecting flask==1\n", "  noise\n", "Installing collected packages: flask\n"], 2)
    shown = screen.getvalue()
    assert "\n" not in shown
    assert shown.index("fetching 1 of 2") < shown.index("unpacking")


def test_jupyterlab_stays_on_loopback_and_takes_the_users_options():
    command = bootstrap.lab_command(["--no-browser", "--port", "9999"])
    assert "--ServerApp.ip=127.0.0.1" in command
    assert command[-3:] == ["--no-browser", "--port", "9999"]


def test_the_environment_of_commands(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    variables = bootstrap.lab_environment()
    assert "PYTHONPATH" not in variables
    assert (variables["OMP_NUM_THREADS"], variables["MKL_NUM_THREADS"]) == ("4", "1")
    assert variables["PATH"].startswith(str(bootstrap.BIN))
    assert variables["JUPYTER_CONFIG_PATH"].startswith(str(bootstrap.ROOT / "jupyter-config"))


@pytest.mark.parametrize(
    ("arguments", "code"), [([], 0), (["--help"], 0), (["lba"], 2), (["run"], 2), (["env", "all"], 2)]
)
def test_a_wrong_call_shows_how_to_call(capsys, arguments, code):
    assert bootstrap.main(arguments) == code
    assert "bootstrap.py lab [options of JupyterLab]" in capsys.readouterr().out


def test_an_unknown_command_is_named():
    with pytest.raises(bootstrap.Trouble, match="There is no command `no-such-command`"):
        bootstrap.start(["no-such-command"], bootstrap.environment(), bootstrap.ROOT)


def test_two_runs_at_once_take_turns(course):
    """While one process changes the environment, another finds the door shut; afterwards it is open."""
    knock = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'ab'), fcntl.LOCK_EX | fcntl.LOCK_NB)"

    def enters():
        command = [sys.executable, "-c", knock, str(bootstrap.STATE / "environment.lock")]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    with bootstrap.alone():
        assert not enters()
    assert enters()
