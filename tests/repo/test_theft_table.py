"""The theft table is written from the numbers that lab 02 prints, and those came from a whole run on fresh seeds."""

import json
from pathlib import Path

from benchmarks import theft

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = json.loads((ROOT / "labs/labkit/measured/theft.json").read_text(encoding="utf-8"))


def test_the_page_is_the_numbers():
    assert (ROOT / "benchmarks/results/theft.md").read_text(encoding="utf-8") == theft.report(NUMBERS)


def test_the_numbers_are_of_twenty_seeds_that_no_setting_was_chosen_on():
    first, _, last = NUMBERS["seeds"].partition(" to ")
    assert int(first) >= 20
    assert int(last) - int(first) + 1 >= 20
    assert {heading for heading, *_ in NUMBERS["published"]} <= set(NUMBERS["tables"])


def test_lab_02_prints_them():
    from labkit.exact_measured import measured_thefts

    table = measured_thefts()
    assert NUMBERS["command"] in table.caption
    for row in table.rows:
        assert any(row["theft"] == cells[0] for lines in NUMBERS["tables"].values() for cells in lines)
