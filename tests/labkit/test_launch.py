"""Targets in a process of their own: they answer, and they are gone when they should be."""

import subprocess
import sys

import numpy as np
import pytest

from labkit import TargetGone, launch
from labkit.launch import stop_all
from labkit.metrics import fingerprints


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_THEFT_LABS_HOME", str(tmp_path))
    yield tmp_path
    stop_all()


def test_a_target_answers_and_its_log_counts(home):
    with launch("tumour") as target:
        pool, test = target.data("pool"), target.data("test")
        target.api("me", budget=5).predict(pool.X[:5])
        assert target.usage("me")["rows"] == 5
        assert not fingerprints(pool.X) & fingerprints(test.X)
        assert not fingerprints(test.X) & target.fingerprints()
        assert len(list((home / "queries").glob("*.sqlite"))) == 1
    with pytest.raises(TargetGone, match="Start the target again"):
        target.model()


def test_the_victims_own_rows_are_not_to_be_had():
    with launch("tumour") as target, pytest.raises(ValueError, match="secret"):
        target.data("train")


def test_starting_the_same_target_again_replaces_the_first():
    first = launch("tumour")
    second = launch("tumour")
    assert second.usage("x")["rows"] == 0
    with pytest.raises(TargetGone):
        first.model()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"victim": "tumor"}, "tumor"),
        ({"victim": "tumour", "defences": ["wall"]}, "no defence is named 'wall'"),
        ({"victim": "tumour", "model": "oracle"}, "oracle"),
    ],
)
def test_a_target_that_cannot_start_says_why_in_one_line(arguments, words):
    with pytest.raises(ValueError, match=words) as caught:
        launch(**arguments)
    assert "\n" not in str(caught.value)


def _is_gone_in_the_end(transport):
    for _ in range(100_000):
        try:
            transport.send("GET", "/health")
        except TargetGone:
            return True
    return False


def test_the_target_dies_with_a_killed_notebook(tmp_path):
    code = (
        "import os, signal; from labkit import launch; t = launch('tumour'); print(t.where, flush=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    from labkit.transport import HttpTransport

    transport = HttpTransport(done.stdout.strip())
    # The lifeline closed with the kill; the target needs a moment to notice, so ask until it is gone.
    assert _is_gone_in_the_end(transport)
    transport.close()


def test_saved_answers_outlive_the_target(tmp_path):
    path = tmp_path / "loot.sqlite"
    with launch("tumour") as target:
        rows = target.data("pool").X[:4]
        before = target.api("me", budget=4, save=str(path)).predict(rows)
    with launch("tumour") as target:
        api = target.api("me", budget=4, save=str(path))
        assert np.array_equal(api.predict(rows).probabilities, before.probabilities)
        assert api.spent == 0
