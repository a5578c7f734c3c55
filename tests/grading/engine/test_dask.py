"""A class on a Dask cluster: a real scheduler, workers that die, certificates; and what is said where none is."""

from __future__ import annotations

import copy
import csv
import datetime
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grading.engine import dask_run, dask_worker, run
from grading.engine.attempt import Patience
from grading.engine.course import Course
from grading.engine.grade import Graded
from grading.engine.received import received
from grading.engine.released import Release
from grading.engine.submission import Finding
from tools.by_path import load

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = ROOT / "tests" / "grading" / "hostile"
SECRET = "sesame of the cluster"
linux = pytest.mark.skipif(sys.platform != "linux", reason="sandboxes are Linux's")
# Kills its own worker whenever it is to grade a certain learner: no submission can do that from inside its sandbox.
KILLER = """
import os, signal
from pathlib import Path
from grading.engine import dask_worker

# Dask loads this twice, in the nanny and in the worker, and a worker that is forked has it already.
grade = getattr(dask_worker, "honest_grade", dask_worker.Desk.grade)
dask_worker.honest_grade = grade

def deadly(self, one):
    if one["student"] == "kills its worker":
        with open(os.environ["DEATHS"], "a") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGKILL)
    return grade(self, one)

dask_worker.Desk.grade = deadly
"""


kit = load("hostile_kit", HOSTILE / "kit.py")
load("hostile_exhausting", HOSTILE / "exhausting.py")


@pytest.fixture(scope="module")
def release():
    return Release.of(kit.LAB, kit.graded_part("labs"))


@pytest.fixture
def course(tmp_path):
    """Ten honest learners' folders, and a function that adds hostile ones."""
    for folder in ("solutions", "labs"):
        place = tmp_path / folder / kit.LAB
        place.mkdir(parents=True)
        (place / f"{kit.LAB}.ipynb").write_text(json.dumps(kit.graded_part(folder)), encoding="utf-8")
    for i in range(10):
        kit.Notebook(solved=True).save(tmp_path / "submitted" / f"learner {i}" / kit.LAB)
    return tmp_path


def add(course, name, hostile=None):
    case = kit.CASES[hostile] if hostile else None
    notebook = kit.Notebook(solved=True)
    if case:
        case.make(notebook, course / "submitted" / name / kit.LAB)
    notebook.save(course / "submitted" / name / kit.LAB)


class Cluster:
    """A scheduler on loopback and its workers, each a process of its own; all dead afterwards."""

    def __init__(self, folder, **environment):
        self.folder, self._processes = folder, []
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        self.environment.pop("MODEL_THEFT_LABS_SECRET", None)
        self.tls = ["--protocol", "tls"] if "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION" in environment else []
        place = folder / "scheduler.json"
        self._start("scheduler", "--port", "0", "--scheduler-file", str(place), *self.tls)
        self.address = json.loads(_waited_for(place.read_text, OSError, ValueError))["address"]

    def worker(self, *more, secret=SECRET):
        """Start a worker; returns its process."""
        self.environment["MODEL_THEFT_LABS_SECRET"] = secret
        return self._start("worker", self.address, "--nthreads", "1", *self.tls, *(more or ["--no-nanny"]))

    def grade(self, course, secret=SECRET, **how):
        """Start the command over ``course``; its process."""
        command = [sys.executable, "-m", "grading", "autograde", kit.LAB, "--root", str(course), "--cell-seconds", "10"]
        return subprocess.Popen(
            [*command, "--dask", self.address], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**self.environment, "MODEL_THEFT_LABS_SECRET": secret}, **how,
        )  # fmt: skip

    def logs(self):
        return "".join(file.read_text(errors="replace") for file in self.folder.glob("*.log"))

    def close(self):
        for process in self._processes:
            with process:
                os.killpg(process.pid, signal.SIGKILL)

    def _start(self, what, *arguments):
        log = (self.folder / f"{what}{len(self._processes)}.log").open("wb")
        dask = [str(Path(sys.executable).parent / "dask"), what, *arguments]
        with log:
            process = subprocess.Popen(
                [*dask, "--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"], cwd=self.folder, stdout=log,
                stderr=log, env=self.environment, start_new_session=True,
            )  # fmt: skip
        self._processes.append(process)
        return process


def _waited_for(ask, *errors):
    deadline = time.monotonic() + 120
    while True:
        try:
            return ask()
        except errors:
            assert time.monotonic() < deadline
            time.sleep(0.2)


@pytest.fixture
def cluster(tmp_path_factory):
    one = Cluster(tmp_path_factory.mktemp("cluster"))
    yield one
    one.close()


def points(course):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        return {s.student.id: sum(g.auto_score or 0 for n in s.notebooks for g in n.grades)
                for s in book.assignment_submissions(kit.LAB)}  # fmt: skip


HONEST = {f"learner {i}": kit.FULL for i in range(10)}


@linux
@pytest.mark.slow
def test_one_of_two_workers_killed_in_the_middle_costs_nobody_anything(cluster, course):
    add(course, "exits at once", "exits_at_once")
    add(course, "loops", "loops_in_c")
    doomed, _ = cluster.worker(), cluster.worker()
    with cluster.grade(course) as process:
        said = process.stdout.readline()
        doomed.kill()
        said += process.stdout.read()
        errors = process.stderr.read()
    assert process.returncode == 0, said + errors
    assert points(course) == {**HONEST, "exits at once": 0, "loops": 5}
    assert "ended by itself" in said
    assert "did not stop in time" in said
    assert "12 graded, 0 unchanged since the last run and kept, 0 not graded." in said
    assert "Walls around each submission: " in said
    assert SECRET not in cluster.logs()
    assert "learner" not in cluster.logs()
    with (course / ".model-theft-labs" / "graded" / f"{kit.LAB}.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 12


@linux
@pytest.mark.slow
def test_what_kills_its_worker_is_named_and_kills_two_and_no_more(cluster, course, monkeypatch):
    """Dask alone would hand it to four workers one after the other, and lose whoever shared a task with it."""
    add(course, "kills its worker")
    deaths = cluster.folder / "deaths"
    cluster.environment["DEATHS"] = str(deaths)
    (cluster.folder / "killer.py").write_text(KILLER)
    for _ in range(2):
        cluster.worker("--preload", "killer.py")
    with cluster.grade(course) as process:
        said, errors = process.communicate()
    assert process.returncode == 1, said + errors
    assert points(course) == HONEST
    assert said.count("NOT GRADED") == 1
    assert "kills its worker: NOT GRADED" in said
    assert "the worker died twice" in said
    assert deaths.read_text() == "xx"


@linux
@pytest.mark.slow
def test_over_tls_a_killed_run_goes_on_where_it_was(tmp_path_factory, course):
    folder = tmp_path_factory.mktemp("tls")
    one = Cluster(folder, **certificates(folder))
    try:
        assert one.address.startswith("tls://")
        one.worker()
        with one.grade(course) as process:
            assert "11 of 11 points" in process.stdout.readline()
            process.kill()
        with one.grade(course) as process:
            said, errors = process.communicate()
        assert process.returncode == 0, said + errors
        assert points(course) == HONEST
        assert ", 0 unchanged since" not in said
    finally:
        one.close()


@linux
@pytest.mark.slow
def test_a_worker_without_the_courses_secret_grades_nothing(cluster, course):
    worker = cluster.worker(secret="another")
    _waited_for(lambda: cluster.logs().index("Starting established connection"), ValueError)
    with cluster.grade(course) as process:
        said, errors = process.communicate()
    assert process.returncode == 2, said + errors
    assert "is left out: its MODEL_THEFT_LABS_SECRET is not yours" in errors
    assert "Traceback" not in errors
    assert not (course / "gradebook.db").exists()
    assert worker.poll() is None


def certificates(folder):
    """A key and its own certificate, and the settings that have Dask use them everywhere."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now,
                                   now + datetime.timedelta(days=1))  # fmt: skip
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())  # fmt: skip
    (folder / "one.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(private)
    start = "DASK_DISTRIBUTED__COMM__"
    places = {f"{start}TLS__{who}__{what}": str(folder / f"{file}.pem") for who in ("SCHEDULER", "WORKER", "CLIENT")
              for what, file in (("CERT", "one"), ("KEY", "key"))}  # fmt: skip
    return {**places, f"{start}TLS__CA_FILE": str(folder / "one.pem"), f"{start}REQUIRE_ENCRYPTION": "True"}


# Without a cluster.


@pytest.mark.parametrize("address", ["nonsense", "foo://127.0.0.1:1", "tcp://127.0.0.1:1", "tcp://127.0.0.1:port"])
def test_a_bad_address_gets_a_sentence(address, monkeypatch):
    import distributed

    client = distributed.Client
    monkeypatch.setattr(distributed, "Client", lambda address, timeout: client(address, timeout=0.2))
    with pytest.raises(run.Stopped, match=r"No Dask scheduler can be reached at .* looks like tcp://"):
        dask_run.connect(address)


def test_without_dask_the_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(run.Stopped, match=r'pip install "model-theft-labs\[cluster\]"'):
        dask_run.connect("tcp://127.0.0.1:1")


def test_dask_is_imported_only_when_asked_for():
    code = "import sys, grading.engine.run, grading.engine.cli; sys.exit('distributed' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def asked(release, secret="", **change):
    order = json.loads(dask_worker.terms("run", kit.LAB, release, run.Settings(patience=Patience()), secret))
    return json.dumps({**order, **change}).encode()


def problem(order):
    answer = json.loads(dask_worker.check_in(order))
    dask_worker.check_out("run")
    assert answer["token"] == dask_worker.TOKEN
    return answer["problem"]


@linux
def test_a_worker_says_what_it_lacks(release, monkeypatch):
    monkeypatch.setenv("MODEL_THEFT_LABS_SECRET", SECRET)
    assert problem(asked(release, SECRET)) == ""
    assert "is not yours" in problem(asked(release, "another"))
    assert "is not yours" in problem(asked(release))
    assert "another version of this course" in problem(asked(release, SECRET, code="old"))
    assert "scikit-learn" in problem(asked(release, SECRET, versions={"scikit-learn": "1.0"}))
    monkeypatch.setattr(dask_worker.sys, "platform", "win32")
    assert "no Linux" in problem(asked(release, SECRET))


def test_the_terms_hold_no_secret(release):
    assert SECRET.encode() not in asked(release, SECRET)
    assert (
        json.loads(asked(release, SECRET))["proof"]
        != json.loads(dask_worker.terms("another run", kit.LAB, release, run.Settings(), SECRET))["proof"]
    )


def test_an_error_of_the_workers_own_comes_as_words(monkeypatch):
    monkeypatch.setitem(dask_worker._desks, "run", None)
    assert json.loads(dask_worker.grade_some("run", dask_worker.TOKEN, b"[]")) == {"elsewhere": True}
    monkeypatch.setitem(dask_worker._desks, "run", object())
    answer = json.loads(dask_worker.grade_some("run", dask_worker.TOKEN, b"[1]"))
    assert answer == {"broken": "AttributeError: 'object' object has no attribute 'grade'"}


def test_a_task_that_was_meant_for_another_process_grades_nothing():
    assert json.loads(dask_worker.grade_some("run", "a token of before", b"[]")) == {"elsewhere": True}


@pytest.fixture(scope="module")
def result(release):
    cells = copy.deepcopy(release.notebook["cells"])
    for cell in cells:
        cell["outputs"] = []
    worth = {
        id: float(next(c for c in cells if c["id"] == cell)["metadata"]["nbgrader"]["points"])
        for cell, id in release.exercises.items()
    }
    finding = [Finding("renamed", "words", "cell")]
    graded = Graded("anna", "", dict(worth), worth, finding, ["limits"], 1.0, {"cells": cells})
    return json.loads(json.dumps(graded.as_data()))


def test_a_good_result_is_taken_whole(result, release):
    graded = received(result, release, "anna", "content")
    assert (graded.earned, graded.content, graded.walls) == (kit.FULL, "content", ["limits"])
    assert graded.findings == [Finding("renamed", "words", "cell")]
    assert graded.notebook["metadata"] == release.notebook["metadata"]


@pytest.mark.parametrize("spoil", [
    lambda r: r.update(student="ben"), lambda r: r["scores"].update({"00.1": 300.0}),
    lambda r: r["scores"].update({"00.1": float("nan")}), lambda r: r["scores"].update({"00.1": True}),
    lambda r: r["scores"].update({"00.1": "2"}), lambda r: r["scores"].pop("00.1"),
    lambda r: r["points"].update({"00.1": 300.0}), lambda r: r.update(notebook=None),
    lambda r: r["notebook"]["cells"][0].update(source="# changed"), lambda r: r["notebook"]["cells"].pop(0),
    lambda r: r["notebook"]["cells"][0].update(outputs="x"), lambda r: r.update(findings=[{"kind": 1}]),
    lambda r: r.update(walls=None), lambda r: r.update(seconds="long"),
])  # fmt: skip
def test_a_result_out_of_shape_is_refused(result, release, spoil):
    spoiled = copy.deepcopy(result)
    spoil(spoiled)
    with pytest.raises(ValueError, match="worker"):
        received(spoiled, release, "anna", "content")


ANY = st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=3)


@settings(deadline=None, max_examples=60)
@example(data={"findings": None})
@example(data={"findings": []})
@given(data=ANY | st.dictionaries(st.sampled_from(["student", "scores", "points", "notebook", "findings"]), ANY))
def test_whatever_comes_is_a_result_or_refused(release, result, data):
    came = {**result, **data} if isinstance(data, dict) and data else data
    graded, refusal = None, ""
    try:
        graded = received(came, release, "anna", "")
    except ValueError as error:
        refusal = str(error)
    if graded is None:
        assert "worker" in refusal
    else:  # what came differs in nothing but findings that are there, and well made
        assert set(data) == {"findings"}
        assert isinstance(data["findings"], list)
        assert graded.scores == result["scores"]


class NoWorkers:
    """A scheduler that nobody works for, or not yet."""

    def __init__(self, workers, checks_in=False):
        self.workers, self.closed, self.checks_in = workers, False, checks_in

    def scheduler_info(self, n_workers):
        return self.workers.pop(0)

    def run(self, function, asked, workers, on_error):
        return {one: json.dumps({"problem": "", "token": "x"}) for one in workers} if self.checks_in else {}

    def cancel(self, *args, **kwargs):
        pass

    def close(self):
        self.closed = True


@pytest.mark.parametrize(("told", "words"), [({"workers": {}}, "No worker of the cluster"), ({}, "answers no more")])
def test_a_cluster_without_workers_or_scheduler_stops_the_run_with_a_sentence(
    release, monkeypatch, told, words, tmp_path
):
    client = NoWorkers([told])
    monkeypatch.setattr(dask_run, "connect", lambda address: client)
    monkeypatch.setattr(dask_run.OnDask, "first", -1.0)
    with pytest.raises(run.Stopped, match=words):
        dask_run.OnDask(release, {"anna": tmp_path}, run.Settings(dask="tcp://x"), "", [])
    assert client.closed


def test_the_run_waits_for_a_worker_that_was_started_a_moment_ago(release, monkeypatch, tmp_path, capsys):
    late = {"tcp://late": {"nthreads": 1, "nanny": None}}
    client = NoWorkers([{"workers": {}}, {"workers": {}}, {"workers": late}], checks_in=True)
    monkeypatch.setattr(dask_run, "connect", lambda address: client)
    monkeypatch.setattr(dask_run.time, "sleep", lambda seconds: None)
    dask_run.OnDask(release, {"anna": tmp_path}, run.Settings(dask="tcp://x"), "", [])
    assert not client.closed
    assert capsys.readouterr().err.count("No worker has come to tcp://x yet") == 1


class Kept:
    """A gradebook's writer that writes nothing."""

    def __init__(self, *args):
        pass

    def save(self, result):
        pass

    def close(self):
        pass


def test_a_run_that_stops_early_keeps_what_it_has(course, monkeypatch):
    def results(*args):
        yield "learner 1", lambda: Graded("learner 1", "content", {"00.1": 2.0}, {"00.1": 2.0})
        raise run.Stopped("No worker is left")

    monkeypatch.setattr(run, "_here", results)
    monkeypatch.setattr(run.sandbox, "choose", lambda **how: None)
    monkeypatch.setattr(run, "Writer", Kept)
    where = Course(str(course), release_directory="labs")
    summary = run.autograde(where, kit.LAB, run.Settings(progress=False))
    assert (len(summary.graded), summary.stopped) == (1, "No worker is left")
    assert "learner 1" in (course / ".model-theft-labs" / "graded" / f"{kit.LAB}.csv").read_text()


def test_a_run_in_which_everything_fails_still_writes_its_table(course, monkeypatch):
    def fails():
        raise OSError("no disk")

    monkeypatch.setattr(run, "_here", lambda *args: (one for one in [("learner 1", fails)]))
    monkeypatch.setattr(run.sandbox, "choose", lambda **how: None)
    monkeypatch.setattr(run, "Writer", Kept)
    summary = run.autograde(Course(str(course), release_directory="labs"), kit.LAB, run.Settings(progress=False))
    assert summary.failed == {"learner 1": "OSError: no disk"}
