"""Sealed files: genuine ones open; flipped, forged, cut and foreign ones are refused, and nothing in them runs."""

from __future__ import annotations

import os
import stat
import sys

import numpy as np
import pytest

from labkit import artefacts as art
from labkit.artefacts.vault import decrypt, encrypt, sign, verify

NAME = "scoring-v2"
CREATE = os.O_CREAT | os.O_WRONLY


@pytest.fixture(scope="module")
def leak(tmp_path_factory):
    return art.leak_files(tmp_path_factory.mktemp("leak"))


@pytest.fixture(scope="module")
def keys():
    return art.new_keys()


@pytest.fixture(scope="module")
def key():
    return os.urandom(32)


@pytest.fixture(scope="module")
def sealed(leak, keys, key):
    return art.seal(NAME, leak["linear"], private=keys.private, key=key)


def test_a_genuine_file_opens_and_answers_the_same(leak, sealed, keys, key):
    model = art.read_model(NAME, sealed, public=keys.public, key=key)
    np.testing.assert_array_equal(model.predict(leak.probe), art.read_skops(leak["linear"]).predict(leak.probe))
    assert art.refusal(NAME, sealed, public=keys.public, key=key) == "opened"


@pytest.mark.parametrize("place", [0, 5, 6, 40, 70, 75, 90, 5000, -1])
def test_one_flipped_bit_anywhere_is_refused(sealed, keys, key, place):
    changed = bytearray(sealed)
    changed[place] ^= 1
    sentence = art.refusal(NAME, bytes(changed), public=keys.public, key=key)
    assert "does not fit" in sentence or "not a sealed model file" in sentence


@pytest.mark.parametrize("length", [0, 5, 6, 70, 81, 82, 200, -1])
def test_a_cut_file_is_refused(sealed, keys, key, length):
    assert "was not opened" in art.refusal(NAME, sealed[:length], public=keys.public, key=key)


def test_a_wrong_signature_a_wrong_name_and_a_wrong_key_are_refused(leak, sealed, keys, key):
    stranger = art.seal(NAME, leak["linear"], private=art.new_keys().private, key=key)
    assert "somebody else" in art.refusal(NAME, stranger, public=keys.public, key=key)
    assert "does not fit" in art.refusal(NAME, sealed, public=art.new_keys().public, key=key)
    assert "does not fit 'scoring-v3'" in art.refusal("scoring-v3", sealed, public=keys.public, key=key)
    assert "does not decrypt" in art.refusal(NAME, sealed, public=keys.public, key=os.urandom(32))
    assert "does not fit" in art.refusal(NAME, sealed, public=b"short", key=key)


def test_a_pickle_bomb_is_refused_however_it_comes_and_leaves_no_canary(keys, key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bomb = art.pickle_that_calls("os", "open", "canary", CREATE)
    for data in (bomb, art.seal(NAME, bomb, private=keys.private, key=key), b"MTLS1\n" + bomb * 5):
        assert "was not opened" in art.refusal(NAME, data, public=keys.public, key=key)
    with pytest.raises(art.ArtefactRefused, match="It was not opened"):
        art.read_skops(bomb)
    with pytest.raises(art.ArtefactRefused):
        art.vendor_parameters(bomb)
    assert list(tmp_path.iterdir()) == []


def test_the_canary_would_have_sung(tmp_path):
    """The bomb above is live: the same bytes, opened on purpose in a process of their own, make the file."""
    assert art.demonstrate_pickle().after


def test_name_and_data_cannot_flow_into_each_other(keys):
    signature = sign("ab", b"c", keys.private)
    verify("ab", b"c", signature, keys.public)
    with pytest.raises(art.ArtefactRefused):
        verify("a", b"bc", signature, keys.public)


def test_encryption_hides_the_content_and_never_repeats_itself(key):
    secret = b"weights " * 50
    one, two = encrypt(NAME, secret, key), encrypt(NAME, secret, key)
    assert b"weights" not in one
    assert one != two
    assert decrypt(NAME, one, key) == secret
    with pytest.raises(art.ArtefactRefused, match="does not decrypt"):
        decrypt("another name", one, key)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "is not set"),
        ({"MODEL_FILE_KEY": "abc"}, "64 hexadecimal digits"),
        ({"MODEL_FILE_KEY": "z" * 64}, "64 hexa"),
    ],
)
def test_a_missing_or_wrong_key_variable_is_named(environment, words):
    with pytest.raises(art.ArtefactRefused, match=words) as caught:
        art.key_from_environment(environment=environment)
    assert "MODEL_FILE_KEY" in str(caught.value)
    assert "abc" not in str(caught.value), "an error message must not repeat a key"


def test_the_key_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("MODEL_FILE_KEY", "00" * 32)
    assert art.key_from_environment() == bytes(32)


def test_the_digest_is_sha256():
    assert art.digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4


def test_keys_do_not_print_their_private_half(keys):
    assert keys.private.hex()[:12] not in repr(keys)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")
def test_a_private_file_is_the_owners_only_also_over_an_open_one(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    path.chmod(0o666)
    art.write_private(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert art.permissions(path) == "-rw-------"
    assert path.read_bytes() == b"new"


def test_a_file_behind_an_api_keeps_the_budget_and_gives_itself_away(leak):
    vendor = art.vendor_parameters(leak["vendor"])
    hidden = art.FileModel(np.array([vendor["a"]]), np.array([vendor["b"]]), np.array(vendor["c"]), np.ones(30))
    runs = art.steal_from_file({"hidden": hidden}, leak, budgets=[20, 100], seeds=[0])
    assert [run.queries for run in runs] == [20, 100]
    assert runs[1].agreement >= 0.95
