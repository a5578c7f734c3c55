"""The engine's pieces against anything at all: a submission never raises, never acts, never scores."""

from __future__ import annotations

import json
import socket
import struct
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grading.engine.attempt import drain
from grading.engine.content import acts, harmless, neutral
from grading.engine.inside import frames
from grading.engine.outputs import clean_outputs, graded
from grading.engine.reassemble import reassemble
from grading.engine.released import NotOurs, Release
from grading.engine.session import Session
from grading.engine.submission import Submission, read_text
from labkit import wire

ROOT = Path(__file__).resolve().parents[3]
LAB = "00_start_here"
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
CELL = st.fixed_dictionaries(
    {},
    optional={
        "cell_type": st.sampled_from(["code", "markdown", "raw", "magic", 3]),
        "source": st.text(max_size=40) | st.lists(st.text(max_size=10), max_size=3) | ANY,
        "id": st.sampled_from(["00-1-decide", "00-1-check", "00-setup", "x", "", 5]),
        "metadata": ANY | st.fixed_dictionaries({"nbgrader": st.fixed_dictionaries(
            {"grade_id": st.sampled_from(["00-1-decide", "00-2-first", "00-5-check", "mine", 7])})}),
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def release():
    return Release.read(ROOT / "labs" / LAB / f"{LAB}.ipynb")


@settings(deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_called_broken(data):
    found = Submission()
    read_text(data, found)
    assert found.readable or found.findings


@settings(deadline=None)
@given(cells=st.lists(CELL | ANY, max_size=8))
def test_whatever_the_cells_the_release_decides_what_is_graded(release, cells):
    found = Submission()
    read_text(json.dumps({"cells": cells}).encode(), found)
    mended = reassemble(release, found)
    checks = {c["id"]: c["source"] for c in mended.cells if c["id"] in release.exercises}
    assert checks == {c["id"]: c["source"] for c in release.notebook["cells"] if c["id"] in release.exercises}
    own = [c for c in mended.cells if c["id"].startswith("added-")]
    assert all(c["metadata"] == {} for c in own)
    ids = [c["id"] for c in mended.cells]
    assert len(ids) == len(set(ids))
    json.dumps(mended.cells).encode("utf-8")


@settings(deadline=None)
@given(raw=ANY)
def test_any_outputs_become_outputs(raw):
    for outputs in (clean_outputs(raw), clean_outputs([raw]), clean_outputs([{"output_type": "error", "data": raw}])):
        for output in outputs:
            assert output["output_type"] in {"stream", "display_data", "execute_result", "error"}
        json.dumps(outputs)


@settings(deadline=None)
@given(text=st.text(st.sampled_from("<>/scriptonload=javascript:'\" &;!-"), max_size=60))
def test_neutral_html_holds_no_script(text):
    safe = neutral(f"<b>{text}</b><script>{text}</script><img src=x onerror='{text}'>")
    assert "<script" not in safe.lower()
    assert "onerror=" not in safe.lower().replace("&lt;", "") or "<img src" not in safe.lower()


def test_the_labs_own_figures_and_cards_stay_as_they_are():
    figure = (
        '<figure style="margin:0"><img alt="a" src="data:image/png;base64,AAAA"><figcaption>b</figcaption></figure>'
    )
    assert 'src="data:image/png;base64,AAAA"' in neutral(figure)
    for text in (
        "a < b and **bold** with `code`",
        "- one: two\n- [site](https://example.org)",
        "# H\n\n| a | b |\n|-|-|\n| 1 | 2 |",
    ):
        assert not acts(text)
        assert harmless(text) == text


ACTING = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "<iframe src=//evil>",
    "[x](javascript&#58;alert(1))", "[x]: javascript:alert(1)\n\n[x]", "<svg onload=alert(1)>", "<!-- x -->",
    "![x](https://evil.example/p)", "<a href='  javascript:alert(1)'>x</a>", "$\\href{javascript:alert(1)}{x}$",
    "<form action=//evil><input name=a>", "<p style='background:url(//evil)'>x", "<javascript:alert(1)>",
    "<base href=//evil>", "[x](java&Tab;script:alert(1))",
]  # fmt: skip


@pytest.mark.parametrize("text", ACTING)
def test_text_that_would_act_becomes_a_listing(text):
    listing = harmless(text)
    assert listing.startswith("```")
    assert not acts(listing) or "href{" in text  # MathJax leaves listings alone


def test_no_verdict_is_an_error_and_a_verdict_its_points():
    assert graded(None, "why")[0]["output_type"] == "error"
    verdict = {
        "exercise": "00.1", "title": "t", "state": "NOT YET", "score": 0.5, "points": 3.0, "message": "<script>",
        "next_step": "", "facts": [], "printed": "", "warned": [],
    }  # fmt: skip
    shown = graded(verdict, "")[0]["data"]
    assert shown["text/plain"] == "1.5"
    assert "<script>" not in shown["text/html"]


def test_a_graded_cell_that_belongs_to_no_exercise_is_refused(tmp_path):
    marks = {"grade": True, "solution": False, "locked": True, "points": 2, "grade_id": "mine"}
    cell = {"cell_type": "code", "id": "mine", "metadata": {"nbgrader": marks}, "source": "assert True"}
    place = tmp_path / "lab.ipynb"
    place.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    with pytest.raises(NotOurs, match="belongs to no exercise"):
        Release.read(place)


class Talk:
    """A session with a line to talk to it over, and its ledger."""

    def __init__(self, window=None):
        self.line, self.theirs = socket.socketpair()
        self.ledger, self.control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.line.settimeout(30)
        if window:
            self.ledger.send(json.dumps({"window": window}).encode())
        self.session = Session(self.theirs, self.control, secret="s", learner="l")
        self.thread = threading.Thread(target=self.session.serve, daemon=True)
        self.thread.start()

    def frame(self, kind, data, number=1):
        self.line.sendall(struct.pack(">I", len(data) + 2) + kind + bytes([number]) + data)

    def read(self):
        (length,) = struct.unpack(">I", frames._exactly(self.line, 4, None))
        data = frames._exactly(self.line, length, None)
        return data[:1], data[1], data[2:]

    def end(self):
        """Hang up; returns the verdicts in the ledger."""
        self.line.close()
        self.thread.join(30)
        assert not self.thread.is_alive()
        self.theirs.close()
        self.control.close()
        lines = drain(self.ledger)
        self.ledger.close()
        return [line["verdict"] for line in lines if "verdict" in line]


@settings(deadline=None, max_examples=60)
@given(data=st.binary(min_size=1, max_size=200))
def test_any_bytes_on_the_judges_line_earn_nothing(data):
    talk = Talk(window="00.1")
    talk.line.sendall(data)
    talk.line.shutdown(socket.SHUT_WR)
    assert talk.end() == []


@settings(deadline=None, max_examples=60)
@given(message=ANY)
def test_any_message_gets_an_answer_or_ends_the_line(message):
    talk = Talk(window="00.1")
    try:
        data = wire.dumps(message)
    except wire.BadAnswer:
        data = json.dumps(message).encode()
    talk.frame(b"{", data)
    try:
        kind, number, _ = talk.read()
        assert (kind, number) == (b"!", 1)
    except (EOFError, ConnectionError):
        pass
    assert all(verdict["score"] == 0 for verdict in talk.end())


def test_a_check_outside_its_window_is_practice():
    talk = Talk(window="00.2")
    talk.frame(b"{", wire.dumps({"op": "check", "exercise": "00.1", "kind": "value", "name": "int", "value": 3}))
    assert talk.read()[0] == b"!"
    assert talk.end() == []


def test_only_the_first_check_in_a_window_counts():
    talk = Talk(window="00.1")
    for number in (1, 2):
        talk.frame(
            b"{", wire.dumps({"op": "check", "exercise": "00.1", "kind": "value", "name": "x", "value": 3}), number
        )
        assert talk.read()[1] == number
    assert len(talk.end()) == 1


def test_frames_of_a_broken_off_exchange_are_passed_over():
    talk = Talk(window="00.1")
    talk.frame(b"{", wire.dumps({"op": "check", "exercise": "00.1", "kind": "function", "name": "f"}), 1)
    assert talk.read()[0] == b"("
    talk.frame(b"{", wire.dumps({"op": "hints", "exercise": "00.1"}), 2)  # interrupted, and on to something else
    kind, number, data = talk.read()
    assert (kind, number) == (b"!", 2)
    assert len(wire.loads(data)["hints"]) >= 2
    talk.frame(b"=", wire.dumps({"op": "return", "value": 1}), 1)
    talk.frame(b"{", wire.dumps({"op": "hints", "exercise": "00.2"}), 3)
    assert talk.read()[1] == 3
    (verdict,) = talk.end()
    assert verdict["score"] == 0


@pytest.mark.parametrize("spec", [
    {"seed": 1000}, {"seed": -1}, {"seed": "0"}, {"seed": True}, {"victim": "../../etc"}, {"model": 7},
    {"defences": ["fixed_window:store='redis://127.0.0.1/0'"]}, {"defences": ["door:store='sqlite:////tmp/x'"]},
])  # fmt: skip
def test_a_graded_run_opens_only_the_labs_own_targets(spec):
    talk = Talk()
    whole = {"victim": "credit", "model": None, "seed": 0, "defences": [], "log": None, **spec}
    talk.frame(b"{", wire.dumps({"op": "open", "spec": whole, "mounted": []}))
    answer = wire.loads(talk.read()[2])
    assert "error" in answer
    talk.end()
