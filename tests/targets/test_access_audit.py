"""The trail tells who did what, holds no key, and shows where it was touched."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa

from targets.access import KeyAuthority, KeyRefused
from targets.access.audit import START, Line, chained, digest_of, first_broken
from targets.access.authority import REFUSALS_A_MINUTE
from targets.access.keys import KeyRecord

PEPPER = b"sixteen bytes at least, please"


def trail(count: int = 6) -> list[Line]:
    lines: list[Line] = []
    for n in range(count):
        lines.append(chained(lines[-1] if lines else None, 10.0 * n, "kim", "issued", f"{n:012x}", "teller for bob"))
    return lines


def rechained(lines: list[Line]) -> list[Line]:
    """What a writer does who knows the method: every digest made anew."""
    out: list[Line] = []
    for line in lines:
        content = (line.time, line.actor, line.event, line.key, line.detail)
        out.append(chained(out[-1] if out else None, *content))
    return out


def test_an_untouched_trail_is_whole() -> None:
    assert first_broken([]) is None
    assert first_broken(trail()) is None
    assert first_broken(trail(), {6: trail()[-1].digest}) is None


@pytest.mark.parametrize("field", ["time", "actor", "event", "key", "detail", "previous", "digest", "number"])
def test_a_change_of_any_field_breaks_the_trail_there(field: str) -> None:
    lines = trail()
    value = getattr(lines[2], field)
    lines[2] = replace(lines[2], **{field: value + 1 if isinstance(value, (int, float)) else "0" + value[1:] + "x"})
    assert first_broken(lines) == 3


@pytest.mark.parametrize(
    ("tamper", "place"),
    [
        (lambda lines: lines[:2] + lines[3:], 3),
        (lambda lines: lines[1:], 1),
        (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], 3),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], 4),
        (lambda lines: [*lines[:2], replace(lines[2], detail="x", digest=rechained([lines[2]])[0].digest)], 3),
    ],
)
def test_lines_removed_swapped_or_doubled_break_it(tamper: Callable, place: int) -> None:
    assert first_broken(tamper(trail())) == place


def test_whoever_rewrites_the_rest_is_caught_by_an_anchor_alone() -> None:
    lines = trail()
    anchors = {2: lines[1].digest, 5: lines[4].digest}
    forged = rechained([*lines[:2], replace(lines[2], actor="eve"), *lines[3:]])
    assert first_broken(forged) is None
    assert first_broken(forged, anchors) == 3


def test_a_cut_is_caught_by_an_anchor_alone() -> None:
    lines = trail()
    assert first_broken(lines[:4]) is None
    assert first_broken(lines[:4], {6: lines[5].digest}) == 5
    assert first_broken([], {1: lines[0].digest}) == 1


def test_a_digest_can_be_made_again_from_the_page_alone() -> None:
    line = chained(None, 1.0, "kim", "issued", "0a", "teller for bob, ticket none")
    assert line.digest == digest_of(1, 1, "kim", "issued", "0a", "teller for bob, ticket none", START)
    text = f'[1,1.0,"kim","issued","0a","teller for bob, ticket none","{START}"]'
    assert line.digest == sha256(text.encode()).hexdigest()


def test_the_authority_writes_who_did_what_and_never_a_key() -> None:
    door = KeyAuthority(pepper=PEPPER)
    old = door.issue("alice", "analyst", actor="kim", ticket="T-7")
    new = door.rotate(old.record.id, actor="lee")
    door.revoke(old.record.id, actor="kim")
    for key in (old.key, "mtl_" + "0" * 12 + "_" + "A" * 43, "hunter2", new.key[:-1] + "."):
        with pytest.raises(KeyRefused):
            door.verify(key, source="10.0.0.9")
    door.denied(door.verify(new.key), "GET /v1/keys", "10.0.0.9")
    lines = door.trail()
    assert [(line.actor, line.event, line.key) for line in lines] == [
        ("kim", "issued", old.record.id),
        ("lee", "rotated", new.record.id),
        ("kim", "revoked", old.record.id),
        ("unknown", "refused", old.record.id),
        ("unknown", "refused", ""),
        ("unknown", "refused", ""),
        ("unknown", "refused", ""),
        ("alice", "refused", new.record.id),
    ]
    assert "ticket T-7" in lines[0].detail
    assert f"instead of {old.record.id}" in lines[1].detail
    assert "analyst may not GET /v1/keys, from 10.0.0.9" in lines[-1].detail
    assert not any(secret in str(lines) for secret in (old.key[17:], new.key[17:], "hunter2"))
    assert first_broken(lines) is None
    door.close()


def test_a_flood_of_bad_keys_does_not_fill_the_trail() -> None:
    now = [60.0]
    door = KeyAuthority(pepper=PEPPER, clock=lambda: now[0])
    for _ in range(3 * REFUSALS_A_MINUTE):
        with pytest.raises(KeyRefused):
            door.verify("guess")
    assert len(door.trail()) == REFUSALS_A_MINUTE
    assert "counted by the query log alone" in door.trail()[-1].detail
    now[0] += 60
    with pytest.raises(KeyRefused):
        door.verify("guess")
    assert len(door.trail()) == REFUSALS_A_MINUTE + 1
    door.close()


def test_the_database_itself_refuses_to_change_a_line(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    door = KeyAuthority(f"sqlite:///{path}", pepper=PEPPER)
    door.issue("alice", "teller", actor="kim")
    connection = sqlite3.connect(path)
    for statement in ("UPDATE audit_trail SET actor = 'eve'", "DELETE FROM audit_trail"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    # Who owns the file can take the trigger away; then the chain speaks.
    connection.execute("DROP TRIGGER audit_trail_no_update")
    connection.execute("UPDATE audit_trail SET actor = 'eve'")
    connection.commit()
    connection.close()
    assert first_broken(door.trail()) == 1
    door.close()


def test_two_processes_on_one_store_write_one_chain(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'keys.db'}"
    doors = [KeyAuthority(url, pepper=PEPPER) for _ in range(2)]
    for n in range(10):
        doors[n % 2].issue("alice", "teller", actor="kim")
    assert first_broken(doors[0].trail()) is None
    assert len(doors[1].trail(after=4)) == 6
    for door in doors:
        door.close()


def test_a_change_that_fails_leaves_neither_key_nor_line() -> None:
    door = KeyAuthority(pepper=PEPPER)
    record = KeyRecord("0" * 12, "alice", "teller", bytes(32), 0.0, 1.0)

    def add_it_twice() -> None:
        with door._store.change() as change:
            change.line(1.0, "kim", "issued", record.id, "x")
            change.add(record)
            change.add(record)

    with pytest.raises(sa.exc.IntegrityError):
        add_it_twice()
    assert (door.records(), door.trail()) == ([], [])
    door.close()
