"""Files are read, never run: listings, readers, and what a leaked folder gives away."""

from __future__ import annotations

import os
import pickle
import pickletools
import subprocess
import sys

import numpy as np
import pytest
import skops.io

from labkit import artefacts as art

CREATE = os.O_CREAT | os.O_WRONLY


@pytest.fixture(scope="module")
def leak(tmp_path_factory):
    return art.leak_files(tmp_path_factory.mktemp("leak"))


def test_the_demonstration_runs_the_pickle_and_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = art.demonstrate_pickle()
    assert (seen.before, seen.after) == (False, True)
    assert seen.printed.endswith("int")
    assert list(tmp_path.iterdir()) == []


def test_the_hand_made_pickle_is_a_valid_one():
    art_listing = art.list_opcodes(art.pickle_that_calls("os", "open", "canary", CREATE))
    assert art_listing.complete
    assert [name for _, name, _ in art_listing.steps] == [
        *("GLOBAL", "MARK", "UNICODE", "INT", "TUPLE", "REDUCE", "STOP"),
    ]


@pytest.mark.parametrize("argument", ["two\nlines", "quote'", "back\\slash", "ümlaut"])
def test_the_hand_made_pickle_takes_plain_arguments_only(argument):
    with pytest.raises(ValueError, match="plain ASCII"):
        art.pickle_that_calls("os", "open", argument)


@pytest.mark.parametrize("inspect", [art.list_opcodes, art.file_kind, lambda d: art.list_opcodes(d).table()])
def test_inspecting_a_bomb_executes_nothing(inspect, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inspect(art.pickle_that_calls("os", "open", "canary", CREATE))
    assert not (tmp_path / "canary").exists()


def test_a_listing_says_where_it_stopped(leak):
    whole, cut = leak["pkl"], leak["pkl"][:500]
    assert art.list_opcodes(whole).complete
    assert not art.list_opcodes(cut).complete
    assert art.list_opcodes(cut).stopped
    assert not art.list_opcodes(leak["joblib"]).complete, "joblib's raw arrays are no instructions"


@pytest.mark.parametrize("seed", range(20))
def test_a_listing_of_noise_never_raises(seed):
    noise = np.random.default_rng(seed).bytes(300)
    assert art.list_opcodes(noise).size == 300


def test_four_formats_hold_the_same_weights(leak):
    scaler, linear = (step for _, step in art.read_skops(leak["linear"]).steps)
    raw = [np.frombuffer(blob) for blob in art.blobs(art.list_opcodes(leak["pkl"])) if len(blob) == 240]
    np.testing.assert_array_equal(raw[-1], linear.coef_[0])
    np.testing.assert_array_equal(raw[0], scaler.mean_)
    onnx = art.onnx_parameters(leak.files["onnx"])
    np.testing.assert_allclose(onnx["LinearClassifier.coefficients"][30:], linear.coef_[0], rtol=1e-6)
    np.testing.assert_allclose(onnx["Scaler.offset"], scaler.mean_, rtol=1e-6)
    vendor = art.vendor_parameters(leak["vendor"])
    np.testing.assert_allclose(vendor["a"], (linear.coef_[0] / scaler.scale_)[vendor["c"]], rtol=1e-12)


def test_the_vendors_file_answers_like_the_model(leak):
    vendor, model = art.vendor_parameters(leak["vendor"]), art.read_skops(leak["linear"])
    hidden = art.FileModel(
        np.array([vendor["a"]]), np.array([vendor["b"]]), np.array(vendor["c"]), np.ones(len(vendor["a"]))
    )
    np.testing.assert_allclose(hidden.probabilities(leak.probe), model.predict_proba(leak.probe), atol=1e-9)


def test_some_families_hold_their_rows_and_others_do_not(leak):
    def held(name, attribute):
        scaler, model = (step for _, step in art.read_skops(leak[name]).steps)
        return scaler.inverse_transform(np.asarray(getattr(model, attribute)))

    neighbours = held("neighbours", "_fit_X")
    assert art.rows_held(neighbours, leak.rows) == 1
    assert art.rows_held(neighbours, leak.probe) == 0, "rows of nobody's training count as held"
    assert 0.05 < art.rows_held(held("support vectors", "support_vectors_"), leak.rows) < 0.6
    assert art.rows_held(held("linear", "coef_"), leak.rows) == 0


def test_a_forest_tells_thresholds_in_the_patients_own_units(leak):
    forest = art.read_skops(leak["forest"])
    for question in art.first_questions(forest, leak.features):
        column = leak.rows[:, leak.features.index(question["asks first"])]
        assert column.min() < question["at most"] < column.max()
    alone, leaves = art.lonely_leaves(forest)
    assert 0 < alone < leaves


def test_every_sender_is_in_the_vocabulary(leak):
    vocabulary = art.read_skops(leak["tickets"])[0].vocabulary_
    assert leak.tickets.senders <= set(vocabulary)
    assert len(leak.tickets.senders) == len(leak.tickets.texts)
    assert all(one.endswith((".test", "@example.com", "@example.org")) for one in leak.tickets.senders)


def test_the_same_seed_leaks_the_same_models(leak, tmp_path):
    again, other = art.leak_files(tmp_path / "again"), art.leak_files(tmp_path / "other", seed=1)
    for name in ("pkl", "joblib", "onnx", "vendor"):
        assert again[name] == leak[name]
        assert other[name] != leak[name]
    assert art.read_skops(again["tickets"])[0].vocabulary_ == art.read_skops(leak["tickets"])[0].vocabulary_


def test_a_leak_without_a_folder_goes_away_with_its_owner():
    folder = (leak := art.leak_files()).folder
    assert folder.exists()
    leak.temporary.cleanup()
    assert not folder.exists()


def test_first_bytes_tell_kinds_apart(leak):
    kinds = {name: art.file_kind(leak[name]) for name in leak.files}
    assert kinds.pop("onnx") == "unknown"
    assert kinds.pop("vendor") == "vendor"
    assert (kinds.pop("pkl"), kinds.pop("joblib")) == ("pickle", "pickle")
    assert set(kinds.values()) == {"skops"}
    for protocol in range(6):
        assert art.file_kind(pickle.dumps({"a": [1, 2]}, protocol=protocol)) == "pickle"
    assert art.file_kind(b"") == "unknown"


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_refused_by_what_it_is(protocol):
    with pytest.raises(art.ArtefactRefused, match="this is a pickle"):
        art.read_skops(pickle.dumps({"a": 1}, protocol=protocol))


@pytest.mark.parametrize("cut", [1, 100, 5000, 20000])
def test_a_cut_skops_file_is_refused(leak, cut):
    with pytest.raises(art.ArtefactRefused, match="cut short or damaged"):
        art.read_skops(leak["linear"][:-cut])


def test_a_type_off_the_list_is_refused(leak):
    with pytest.raises(art.ArtefactRefused, match=r"sklearn\.tree\._tree\.Tree, which is not on the list"):
        art.read_skops(leak["forest"], trusted=())
    assert len(art.read_skops(leak["forest"])[-1].estimators_) == 30


def test_a_function_off_the_list_is_refused():
    with pytest.raises(art.ArtefactRefused, match="not on the list"):
        art.read_skops(skops.io.dumps(subprocess.run))


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"VNDR1:!!!", b"VNDR1:AAAA"])
def test_a_broken_vendor_file_gets_a_sentence(data):
    with pytest.raises(art.ArtefactRefused, match=r"not the vendor's|damaged"):
        art.vendor_parameters(data)


def test_reading_imports_neither_pickle_loaders_nor_onnx_until_asked():
    code = "import sys, labkit.artefacts; print('onnx' in sys.modules or 'skl2onnx' in sys.modules)"
    out = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_every_private_pickle_of_the_judge_is_whole_and_names_what_it_says():
    from grading.pickle_cases import pickle_cases

    cases = pickle_cases(np.random.default_rng(3))
    assert len({case.data for case in cases}) == len(cases) == 8
    for case in cases:
        with open(os.devnull, "w") as nowhere:
            pickletools.dis(case.data, out=nowhere)  # walks the stack and the memo, and raises on a broken pickle
        text = " ".join(str(arg) for _, arg, _ in pickletools.genops(case.data) if isinstance(arg, str))
        for name in case.names:
            module, _, attribute = name.rpartition(".")
            assert module in text
            assert attribute in text
    assert {c.data for c in cases}.isdisjoint({c.data for c in pickle_cases(np.random.default_rng(4))})
