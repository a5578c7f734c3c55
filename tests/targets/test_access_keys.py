"""Keys: known ones open, all others do not; lives end on the second; nothing readable stays behind."""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from targets.access import Identity, KeyAuthority, KeyRefused, authority, store
from targets.access.keys import KeyRecord, NewKey, fingerprint, id_of, make_key, peppered
from targets.access.store import AccessStore

PEPPER = b"sixteen bytes at least, please"
DAY = 86_400.0


class Clock:
    def __init__(self, now: float = 1_000_000.0):
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "file"])
def door(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[KeyAuthority]:
    url = "sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path / 'keys.db'}"
    authority = KeyAuthority(url, pepper=PEPPER, clock=clock)
    yield authority
    authority.close()


def issue(door: KeyAuthority, account: str = "alice", role: str = "analyst", **settings: float) -> NewKey:
    return door.issue(account, role, actor="kim", **settings)


def refusal(door: KeyAuthority, key: str) -> str:
    with pytest.raises(KeyRefused) as refused:
        door.verify(key)
    assert refused.value.next_step
    return str(refused.value)


def test_a_key_opens_for_its_account_and_role(door: KeyAuthority) -> None:
    new = issue(door)
    assert door.verify(new.key) == Identity(new.record.id, "alice", "analyst")
    assert re.fullmatch(r"mtl_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", new.key)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: key[:-1] + ("A" if key[-1] != "A" else "E"),
        lambda key: key[:17] + ("A" if key[17] != "A" else "B") + key[18:],
        lambda key: key[:-1],
        lambda key: key + "A",
        lambda key: key + " ",
        lambda key: " " + key,
        lambda key: key.swapcase(),
        lambda key: key[:16],
        lambda key: "mtl_000000000000_" + key[17:],
        lambda key: "xyz" + key[3:],
        lambda key: key.replace("_", "", 1),
        lambda key: "",
        lambda key: "\ud800",
        lambda key: "k" * 100_000,
        lambda key: key[:20] + "\x00" + key[21:],
    ],
)
def test_a_spoilt_key_opens_nothing_and_one_sentence_serves_all(door: KeyAuthority, spoil: Callable) -> None:
    assert refusal(door, spoil(issue(door).key)) == "this API key is not known"


def test_a_secret_belongs_to_its_own_id(door: KeyAuthority) -> None:
    alice, bob = issue(door), issue(door, "bob")
    assert refusal(door, alice.key[:16] + bob.key[16:]) == "this API key is not known"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_no_text_opens_a_door_it_was_not_made_for(text: str) -> None:
    door = KeyAuthority()
    refusal(door, text)
    door.close()


@pytest.mark.parametrize("outcome", ["right", "wrong secret", "unknown id", "no key at all", "revoked", "expired"])
def test_every_outcome_takes_one_look_up_and_one_whole_comparison(
    door: KeyAuthority, clock: Clock, monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    new = issue(door)
    others = {"wrong secret": new.key[:17] + "A" * 43, "unknown id": make_key()[1], "no key at all": "hunter2"}
    key = others.get(outcome, new.key)
    if outcome == "revoked":
        door.revoke(new.record.id, actor="kim")
    clock.now += 91 * DAY if outcome == "expired" else 0
    compared, looked_up = [], []
    real_same, real_find = authority.same, AccessStore.find

    def same(a: bytes, b: bytes) -> bool:
        compared.append((len(a), len(b)))
        return real_same(a, b)

    def find(store: AccessStore, id: str) -> KeyRecord | None:
        looked_up.append(id)
        return real_find(store, id)

    monkeypatch.setattr(authority, "same", same)
    monkeypatch.setattr(AccessStore, "find", find)
    if outcome == "right":
        door.verify(key)
    else:
        refusal(door, key)
    assert (compared, len(looked_up)) == ([(32, 32)], 1)


def test_a_key_works_until_the_second_before_it_expires(door: KeyAuthority, clock: Clock) -> None:
    new = issue(door, days=1)
    clock.now = new.record.issued + DAY - 0.001
    assert door.verify(new.key)
    clock.now = new.record.issued + DAY
    assert refusal(door, new.key) == "this API key is expired"


def test_during_the_overlap_both_keys_work_and_afterwards_the_new_one(door: KeyAuthority, clock: Clock) -> None:
    old = issue(door)
    clock.now += 10 * DAY
    new = door.rotate(old.record.id, actor="kim", overlap=3600)
    assert (door.verify(old.key).account, door.verify(new.key).account) == ("alice", "alice")
    assert new.record.role == "analyst"
    assert new.record.expires - new.record.issued == old.record.expires - old.record.issued
    clock.now += 3600 - 0.001
    assert door.verify(old.key)
    clock.now += 0.001
    assert refusal(door, old.key) == "this API key is expired"
    assert door.verify(new.key)


def test_an_overlap_never_lengthens_a_life(door: KeyAuthority, clock: Clock) -> None:
    old = issue(door, days=1)
    clock.now = old.record.expires - 60
    door.rotate(old.record.id, actor="kim", overlap=3600)
    clock.now = old.record.expires
    assert refusal(door, old.key) == "this API key is expired"


def test_an_overlap_of_nothing_ends_the_old_key_at_once(door: KeyAuthority) -> None:
    old = issue(door)
    new = door.rotate(old.record.id, actor="kim", overlap=0)
    assert refusal(door, old.key) == "this API key is expired"
    assert door.verify(new.key)


@pytest.mark.parametrize("state", ["revoked", "expired", "rotated"])
def test_a_key_that_is_not_active_cannot_be_rotated_back_to_life(door: KeyAuthority, clock: Clock, state: str) -> None:
    old = issue(door, days=1)
    if state == "revoked":
        door.revoke(old.record.id, actor="kim")
    elif state == "rotated":
        door.rotate(old.record.id, actor="kim")
    else:
        clock.now += DAY
    with pytest.raises(ValueError, match="issue a new key instead"):
        door.rotate(old.record.id, actor="kim")
    assert len(door.records()) == (2 if state == "rotated" else 1)


def test_revoking_beats_the_overlap_and_is_for_good(door: KeyAuthority, clock: Clock) -> None:
    old = issue(door)
    new = door.rotate(old.record.id, actor="kim", overlap=DAY)
    first = door.revoke(old.record.id, actor="kim")
    clock.now += 5
    assert door.revoke(old.record.id, actor="kim") == first
    assert refusal(door, old.key) == "this API key is revoked"
    assert door.verify(new.key)
    assert [line.event for line in door.trail()].count("revoked") == 1


def test_a_clock_set_back_revives_no_key(tmp_path: Path, clock: Clock) -> None:
    url = f"sqlite:///{tmp_path / 'keys.db'}"
    door = KeyAuthority(url, pepper=PEPPER, clock=clock)
    short, revoked = issue(door, days=1), issue(door)
    clock.now += 2 * DAY
    door.revoke(revoked.record.id, actor="kim")
    refusal(door, short.key)
    clock.now -= 2 * DAY
    assert refusal(door, short.key) == "this API key is expired"
    assert refusal(door, revoked.key) == "this API key is revoked"
    fresh = issue(door)
    assert door.verify(fresh.key)
    door.close()
    again = KeyAuthority(url, pepper=PEPPER, clock=clock)  # a restart does not forget how late it was
    assert refusal(again, short.key) == "this API key is expired"
    assert again.verify(fresh.key)
    again.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"role": "root"}, "no role is named 'root'; choose one of teller"),
        ({"account": ""}, "account is 1 to 64"),
        ({"account": "a\nissued"}, "account is 1 to 64"),
        ({"account": "<b>"}, "account is 1 to 64"),
        ({"actor": "x" * 65}, "actor is 1 to 64"),
        ({"days": -1}, "days is a number from 0"),
        ({"days": float("nan")}, "days is a number from 0"),
        ({"days": True}, "days is a number from 0"),
        ({"ticket": "T\x00"}, "ticket is 1 to 64"),
    ],
)
def test_a_wrong_argument_is_named_and_leaves_no_trace(door: KeyAuthority, arguments: dict, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        door.issue(**{"account": "alice", "role": "teller", "actor": "kim", **arguments})
    assert (door.records(), door.trail()) == ([], [])


def test_unknown_ids_are_said_to_be_unknown(door: KeyAuthority) -> None:
    for action in (door.rotate, door.revoke):
        with pytest.raises(ValueError, match="no key has the id 'nobody'"):
            action("nobody", actor="kim")


def test_what_is_stored_is_neither_the_key_nor_a_hash_that_can_be_tested(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "keys.db"
    door = KeyAuthority(f"sqlite:///{path}", pepper=PEPPER, clock=clock)
    new = issue(door)
    refusal(door, new.key[:-2] + "zz")
    door.revoke(new.record.id, actor="kim")
    refusal(door, new.key)
    door.close()
    bytes_on_disk = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    print_ = fingerprint(new.key)
    for secret in (new.key[17:].encode(), new.key[17:40].encode(), print_, print_.hex().encode(), PEPPER):
        assert secret not in bytes_on_disk
    assert peppered(print_, PEPPER) in bytes_on_disk


def test_no_repr_log_or_error_shows_a_secret(door: KeyAuthority, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    new = issue(door)
    wrong = new.key[:-3] + "xyz"
    shown = [repr(new), repr(new.record), repr(door), refusal(door, wrong), caplog.text]
    shown += [repr(door.verify(new.key)), *map(repr, door.records()), *map(repr, door.trail())]
    assert not any(new.key[17:40] in text or PEPPER.decode() in text for text in shown)
    assert not any(repr(new.record.digest) in text for text in shown)


def test_a_store_opens_again_with_its_own_pepper_only(tmp_path: Path, clock: Clock) -> None:
    url = f"sqlite:///{tmp_path / 'keys.db'}"
    door = KeyAuthority(url, pepper=PEPPER, clock=clock)
    new = issue(door)
    door.close()
    with pytest.raises(ValueError, match="the pepper does not belong to this key store"):
        KeyAuthority(url, pepper=PEPPER + b"!", clock=clock)
    with pytest.raises(ValueError, match="needs a pepper that lasts"):
        KeyAuthority(url, clock=clock)
    again = KeyAuthority(url, pepper=PEPPER, clock=clock)
    assert again.verify(new.key).account == "alice"
    again.close()


def test_settings_that_cannot_be_used_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a pepper is at least 16 random bytes, not 5"):
        KeyAuthority(pepper=b"short")
    with pytest.raises(ValueError, match="the key store cannot be opened"):
        KeyAuthority("no url", pepper=PEPPER)
    url = f"sqlite:///{tmp_path / 'keys.db'}"
    with pytest.raises(ValueError, match="needs a pepper that lasts"):
        KeyAuthority(url)
    KeyAuthority(url, pepper=PEPPER).close()  # the failed start left no pepper behind
    with pytest.raises(ValueError, match="a key's fingerprint is written id:sha256"):
        KeyAuthority(first_key="mtl_abc")


def test_the_first_administrators_key_never_travels_and_is_adopted_once(tmp_path: Path) -> None:
    id, key = make_key()
    url = f"sqlite:///{tmp_path / 'keys.db'}"
    for _ in range(2):
        door = KeyAuthority(url, pepper=PEPPER, first_key=f"{id}:{fingerprint(key).hex()}")
        assert door.verify(key).role == "key_admin"
        assert len(door.records()) == 1
        door.close()


def test_a_thief_of_the_store_cannot_write_a_key_that_opens(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "keys.db"
    door = KeyAuthority(f"sqlite:///{path}", pepper=PEPPER, clock=clock)
    victim = issue(door)
    forged = make_key()[1]
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE api_keys SET digest = ? WHERE id = ?", (fingerprint(forged), victim.record.id))
    connection.close()
    refusal(door, forged[:4] + victim.record.id + forged[16:])
    door.close()


def test_eight_threads_issue_rotate_and_revoke_without_losing_a_line(door: KeyAuthority) -> None:
    failures: list[Exception] = []

    def work(name: str) -> None:
        try:
            for _ in range(5):
                old = issue(door, name)
                new = door.rotate(old.record.id, actor=name)
                door.revoke(old.record.id, actor=name)
                assert door.verify(new.key).account == name
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"client {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(door.records()) == 80
    assert [line.number for line in door.trail()] == list(range(1, 121))


def test_of_many_rotations_of_one_key_exactly_one_wins(door: KeyAuthority) -> None:
    old = issue(door)
    won: list[NewKey] = []

    def rotate() -> None:
        with contextlib.suppress(ValueError):
            won.append(door.rotate(old.record.id, actor="kim"))

    threads = [threading.Thread(target=rotate) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert len(door.records()) == 2


def test_a_revocation_in_another_process_counts_once_the_memory_is_stale(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'keys.db'}"
    here, there = (KeyAuthority(url, pepper=PEPPER, clock=clock, cache_seconds=1) for _ in range(2))
    ticks = [100.0]
    monkeypatch.setattr(store, "monotonic", lambda: ticks[0])
    new = issue(here)
    assert here.verify(new.key)
    there.revoke(new.record.id, actor="kim")
    assert refusal(there, new.key) == "this API key is revoked"
    ticks[0] += 1
    assert refusal(here, new.key) == "this API key is revoked"
    here.close()
    there.close()


DIES = """
import os, signal, sys
from targets.access import KeyAuthority
from targets.access.store import Change
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
door = KeyAuthority(sys.argv[1], pepper=bytes.fromhex(sys.argv[2]))
first = door.issue("alice", "teller", actor="kim")
if sys.argv[3] == "before the line":
    Change.line = lambda *_: die()
elif sys.argv[3] == "after the line":
    real = Change.line
    Change.line = lambda *a: (real(*a), die())
print(first.record.id, flush=True)
door.revoke(first.record.id, actor="kim")
die()
"""


@pytest.mark.parametrize("moment", ["before the line", "after the line", "before the reply"])
def test_a_kill_leaves_a_change_with_its_line_or_neither(tmp_path: Path, moment: str) -> None:
    url, pepper = f"sqlite:///{tmp_path / 'keys.db'}", secrets.token_bytes(16)
    run = subprocess.run([sys.executable, "-c", DIES, url, pepper.hex(), moment], stdout=subprocess.PIPE, text=True)
    assert run.returncode == -signal.SIGKILL
    door = KeyAuthority(url, pepper=pepper)
    (record,) = door.records()
    assert record.id == run.stdout.strip()
    events = [line.event for line in door.trail()]
    whole = moment == "before the reply"
    assert events == (["issued", "revoked"] if whole else ["issued"])
    assert (record.revoked is not None) == whole
    door.close()


def test_a_look_up_under_way_does_not_bring_back_what_a_change_made_old(
    door: KeyAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = issue(door)
    database = door._store._database
    real = database.read

    def slow_read(query: object) -> list:
        rows = real(query)
        monkeypatch.setattr(database, "read", real)
        door.revoke(new.record.id, actor="kim")  # lands between this look-up's reading and its end
        return rows

    monkeypatch.setattr(database, "read", slow_read)
    assert door.verify(new.key)
    assert refusal(door, new.key) == "this API key is revoked"


def test_strangers_fill_no_memory(door: KeyAuthority) -> None:
    for _ in range(50):
        refusal(door, make_key()[1])
    assert door._store._found == {}


def test_ids_are_read_from_whole_keys_only() -> None:
    id, key = make_key()
    assert id_of(key) == id
    assert id_of(key + "\n") is None
    assert len({make_key()[1] for _ in range(1000)}) == 1000
