"""The pages in benchmarks/results are what the commands wrote about the code as it is; those measure what they say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from benchmarks import defences, serving
from benchmarks.defending import settings, thieves, traffic
from benchmarks.defending.field import GROUNDS, Ground
from benchmarks.defending.measuring import best_of, customers_cost, thieves_agreement
from benchmarks.defending.table import report as defence_page
from benchmarks.defending.words import HEADINGS, promises
from benchmarks.servers import report
from benchmarks.servers.load import Block, Question, WrongAnswer, ask, check
from benchmarks.servers.processes import NotStarted, Running, cpu_seconds, running, tree
from benchmarks.servers.stack import LAYERS, key_for
from labkit.api import Answers
from targets import Defence, Refused, load_victim
from targets.defences import DEFENCES, LabelOnly, Rounding

TUMOUR = GROUNDS[0]


@pytest.fixture(scope="module")
def numbers() -> dict:
    return json.loads(defences.NUMBERS.read_text(encoding="utf-8"))


# The defence table


def test_every_defence_has_a_row_and_every_row_a_defence(numbers):
    assert list(numbers["defences"]) == list(DEFENCES), "run python -m benchmarks.defences --only NAME"


def test_the_page_is_its_numbers_and_the_docstrings_words(numbers):
    page = defences.PAGE.read_text(encoding="utf-8")
    assert page == defence_page(numbers, DEFENCES), "run python -m benchmarks.defences --words"
    for defence in DEFENCES.values():
        for words in promises(defence).values():
            assert words.replace("|", "\\|") in page


def test_a_defence_without_a_row_fails(numbers):
    with pytest.raises(KeyError, match="newcomer"):
        defence_page(numbers, {"newcomer": Rounding})


@pytest.mark.parametrize("missing", HEADINGS)
def test_a_docstring_without_a_promise_is_named(missing):
    lines = [f"{name}: something." for name in HEADINGS if name != missing]
    silent = type("Silent", (Defence,), {"__doc__": "Promise.\n\n" + "\n".join(lines)})
    with pytest.raises(ValueError, match=f"Silent's docstring has no line that starts with '{missing}:'"):
        promises(silent)


@pytest.mark.parametrize("name", DEFENCES)
def test_every_defence_is_measured_on_what_it_does(numbers, name):
    found = numbers["defences"][name]
    assert found["setting"] == settings.described(name, TUMOUR)
    assert ("victims" in found) == settings.changes_answers(name, TUMOUR)
    assert ("limit" in found) == settings.limits(name, TUMOUR)
    assert "victims" in found or "limit" in found
    assert len(found.get("victims", GROUNDS)) >= 3


def test_the_customers_cost_is_what_the_command_measured(numbers):
    for name in ("rounding", "door"):
        costs = [
            customers_cost(TUMOUR, seed, (settings.build(name, TUMOUR, seed),)) for seed in range(numbers["seeds"])
        ]
        kept = numbers["defences"][name]["victims"]["tumour"]["customer"]
        assert kept == {key: round(float(np.mean([cost[key] for cost in costs])), 4) for key in costs[0]}


def test_a_limit_costs_what_the_command_measured(numbers):
    kept = numbers["defences"]["daily_budget"]["limit"]
    needed = {name: times["rows"] for name, times in kept["time"].items()}
    assert json.loads(json.dumps(defences.limit("daily_budget", numbers["seeds"], needed))) == kept


def test_thieves_agree_as_much_as_the_command_measured(numbers):
    small = Ground("tumour", "linear", "linear", TUMOUR.budgets, 31)
    seeds = range(numbers["seeds"])
    best = best_of([thieves_agreement(small, seed, (LabelOnly(),)) for seed in seeds], 992)
    kept = numbers["defences"]["label_only"]["victims"]["tumour"]["thieves"]["992"]
    assert best["agreement"] == pytest.approx(kept["agreement"], abs=0.02)  # another processor rounds another way
    assert best["agreement"] > 0.95


def test_no_thief_is_left_out_unseen():
    """A thief whom the answers do not allow drops out in silence, so here each one has to appear."""
    for ground in GROUNDS[:2]:
        few = Ground(ground.name, ground.model, ground.kind, (ground.budgets[4],), ground.budgets[4])
        everybody = {
            *thieves.fits(few.kind, 10),
            *thieves.choosers(few, few.victim(0), few.victim(0).pool.X),
        }
        assert set(thieves_agreement(few, 0, ())) == everybody
        without_digits = thieves_agreement(few, 0, (LabelOnly(),))
        assert without_digits
        assert not {"equations", "network", "each row four times"} & set(without_digits)


def test_the_best_thief_is_one_for_all_seeds():
    thefts = [{"steady": {10: 0.8}, "lucky": {10: 0.99}}, {"steady": {10: 0.8}, "lucky": {10: 0.5}, "once": {10: 1.0}}]
    assert best_of(thefts, 10) == {"thief": "steady", "agreement": 0.8, "low": 0.8, "high": 0.8}


def test_a_cut_tail_is_filled_in():
    filled = thieves.completed(Answers(np.array([0, 0]), np.array([[0.9, 0.0, 0.0], [0.9, 0.0, 0.1]])))
    np.testing.assert_allclose(filled.probabilities, [[0.9, 0.05, 0.05], [0.9, 0.0, 0.1]])


class OneADay(Defence):
    """Grants one row a key and day."""

    def __init__(self):
        self.last: dict[str, float] = {}

    def before(self, query):
        ready = self.last.get(query.key, -np.inf) + traffic.DAY
        if query.time < ready:
            raise Refused("tomorrow", retry_after=ready - query.time)
        self.last[query.key] = query.time


def test_a_thief_waits_as_long_as_the_limit_says():
    rows = 3 * traffic.BATCH
    assert traffic.seconds_to(OneADay(), rows, traffic.keys(1, 1)) == 2 * traffic.DAY
    assert traffic.seconds_to(OneADay(), rows, traffic.keys(3, 1)) == 0
    assert traffic.seconds_to(OneADay(), 100 * traffic.BATCH, traffic.keys(1, 1)) is None


def test_refusals_are_counted_in_rows_of_each_group():
    week = [
        traffic.Request(traffic.START + time, key, "10.0.0.1", rows)
        for time, key, rows in [(1, "people 0", 1), (2, "people 0", 3), (3, "nightly 0", 5), (4, "heavy 0", 1)]
    ]
    assert traffic.refused(OneADay(), week) == {"people": 0.75, "nightly": 0.0, "heavy": 0.0}


# Serving


QUESTION = Question(b"{}", np.array([1, 0]))


def test_a_reply_counts_its_rows():
    assert check(QUESTION, 200, b'{"labels": [1, 0]}') == 2
    assert check(QUESTION, 200, b'{"predictions": [[0.1, 0.9], [0.8, 0.2]]}') == 2


@pytest.mark.parametrize(
    ("status", "content"),
    [(429, b'{"labels": [1, 0]}'), (503, b""), (200, b'{"labels": [1, 1]}'), (200, b'{"labels": [1]}')],
)
def test_a_wrong_reply_ends_the_benchmark(status, content):
    with pytest.raises(WrongAnswer):
        check(QUESTION, status, content)


class _Refusing(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(500)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_server_that_fails_fast_is_not_a_fast_server():
    with HTTPServer(("127.0.0.1", 0), _Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(WrongAnswer, match="status 500"):
            ask(Running(server.server_port, os.getpid()), "/", {}, [QUESTION], requests=2, connections=2)
        server.shutdown()


def test_cpu_time_covers_children_and_agrees_with_proc():
    burn = "import time\nwhile time.process_time() < 0.3: pass\ninput()"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        while cpu_seconds(process.pid) < 0.3:
            assert process.poll() is None
        ticks = os.sysconf("SC_CLK_TCK")
        stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in tree(process.pid)]
        assert len(stats) == 2
        told = sum(int(fields[11]) + int(fields[12]) for fields in stats) / ticks
        assert cpu_seconds(process.pid) == pytest.approx(told, abs=0.2)
        process.kill()


@pytest.mark.parametrize("layer", ["bare", "full"])
def test_our_layers_answer_as_the_victim_does(layer, tmp_path):
    victim = load_victim("tumour", model="linear")
    command = [sys.executable, "-m", "benchmarks.servers.ours", layer, str(tmp_path)]
    headers = {"Content-Type": "application/json", "X-API-Key": key_for(layer, tmp_path)}
    with running(command, tmp_path / "server.log") as process:
        server = serving.Server(layer, process, "/v1/predict", "rows", headers)
        questions = server.questions(serving.batches(victim, 7, 3), victim)
        block = ask(process, server.path, headers, questions, requests=6, connections=2)
        assert (block.rows, len(block.latencies)) == (42, 6)
        assert block.cpu > 0
        if layer == "full":
            with pytest.raises(WrongAnswer, match="status 401"):
                ask(process, server.path, headers | {"X-API-Key": "no"}, questions, requests=1, connections=1)


def test_a_server_that_does_not_start_says_why(tmp_path):
    command = [sys.executable, "-c", "raise SystemExit('no such model')"]
    with pytest.raises(NotStarted, match="no such model"), running(command, tmp_path / "log"):
        pass


def test_ratios_are_taken_round_by_round():
    slow = [Block([1.0], 1.0, cpu=0.2, rows=2), Block([1.0], 1.0, cpu=0.9, rows=3)]
    fast = [Block([1.0], 1.0, cpu=0.1, rows=2), Block([1.0], 1.0, cpu=0.3, rows=3)]
    np.testing.assert_allclose(report.ratios(slow, fast), [2, 3])
    assert report.interval([1.0] * 9) == "1.00 (1.00 to 1.00)"


@pytest.mark.parametrize(("cpu", "words"), [(1.29, r"\+29 % at 5; within"), (1.31, r"\+31 % at 5; above")])
def test_the_verdict_follows_the_numbers(cpu, words):
    blocks = {(LAYERS[0], 5): [Block([1.0], 1.0, 1.0, 5)], (LAYERS[-1], 5): [Block([1.0], 1.0, cpu, 5)]}
    assert re.search(words, report.verdict(blocks))


def test_the_serving_page_holds_every_server_at_every_size():
    page = serving.RESULT.read_text(encoding="utf-8")
    for part in page.split("\n## ")[1:]:
        names = re.findall(r"^\| ([^|]+?) \| [\d,]+ \|", part, re.MULTILINE)
        assert names == [*LAYERS, *serving.RIVALS]
    assert page.count("\n## ") == len(serving.SIZES)


# The folder


def test_the_rivals_environment_is_pinned_and_shares_the_courses_versions(root):
    pin = re.compile(r"^([a-z0-9-]+)==(\S+)((?: ; .*?)?) \\$", re.MULTILINE)
    theirs = (root / "benchmarks" / "serving-requirements.txt").read_text(encoding="utf-8")
    ours = set(pin.findall((root / "requirements.lock").read_text(encoding="utf-8")))
    pins = pin.findall(theirs)
    assert {"fastapi", "mlflow", "uvicorn"} <= {name for name, *_ in pins}
    assert theirs.count("--hash=sha256:") >= len(pins)
    shared = [one for one in pins if one[0] in {"numpy", "scikit-learn", "scipy", "skops"}]
    assert len(shared) >= 4
    assert set(shared) <= ours


def test_benchmarks_stay_small_and_are_named_on_their_page(root):
    page = (root / "benchmarks" / "README.md").read_text(encoding="utf-8")
    lengths = {
        path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in root.glob("benchmarks/**/*.py")
    }
    del lengths["theft.py"]  # one entry an experiment, as long as the list of experiments
    assert {name: length for name, length in lengths.items() if length > 250} == {}
    for result in (root / "benchmarks" / "results").glob("*.md"):
        assert f"results/{result.name}" in page


def test_an_unknown_benchmark_is_named(root):
    command = [sys.executable, "-m", "benchmarks", "speed"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no benchmark is named 'speed'; choose from theft, defences, detection, watermarks, serving" in done.stderr


def test_readers_find_the_defence_table(root):
    assert "benchmarks/results/defences.md" in (root / "README.md").read_text(encoding="utf-8")
    assert "../benchmarks/results/defences.md" in (root / "targets" / "README.md").read_text(encoding="utf-8")
