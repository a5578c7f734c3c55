"""Metrics say what they measure; figures can be read without eyes."""

import numpy as np
import pytest

from labkit import Outcome, accuracy, agreement, majority_share, plot_bars, plot_curve, plot_digits, show, spread, sweep
from labkit.metrics import agreement_by_class, fingerprint, fingerprints
from labkit.plots import axes

RUNS = [
    Outcome("digits", thief, budget, seed, agreement=0.5 + budget / 1000 + seed / 100)
    for thief in ("a", "b")
    for budget in (50, 100)
    for seed in range(3)
]


def test_agreement_and_accuracy_compare_with_different_things():
    truth, victim, copy = [0, 1, 2, 2], [0, 1, 1, 2], [0, 1, 1, 1]
    assert agreement(copy, victim) == 0.75
    assert accuracy(copy, truth) == 0.5
    assert majority_share(victim) == 0.5
    assert agreement_by_class(copy, victim) == {0: 1.0, 1: 1.0, 2: 0.0}


@pytest.mark.parametrize("pair", [([1, 2], [1]), ([], []), ([[1]], [1])])
def test_labels_that_do_not_match_up_are_refused(pair):
    with pytest.raises(ValueError, match="labels"):
        agreement(*pair)


def test_equal_rows_have_equal_fingerprints_whatever_their_container():
    row = [0.1, 2.0]
    assert fingerprint(row) == fingerprint(np.array(row, dtype=">f8"))
    assert len(fingerprints([row, row, [0.1, 2.0000001]])) == 2


def test_a_spread_is_mean_lowest_and_highest_over_seeds():
    first = spread(RUNS)[0]
    assert (first.thief, first.budget, first.seeds) == ("a", 50, 3)
    assert (first.low, first.mean, first.high) == pytest.approx((0.55, 0.56, 0.57))


def test_a_sweep_runs_every_combination_once():
    seen = []
    sweep(lambda *cell: seen.append(cell) or RUNS[0], thieves=["a"], budgets=[1, 2], seeds=[0, 1])
    assert seen == [("a", 1, 0), ("a", 1, 1), ("a", 2, 0), ("a", 2, 1)]


def test_a_figure_carries_alt_text_caption_and_its_numbers():
    html = plot_curve(RUNS, title="T", alt="Agreement <rises>", caption="C", baseline=0.1)._repr_html_()
    assert 'alt="Agreement &lt;rises&gt;"' in html
    assert "<figcaption>C</figcaption>" in html
    assert html.count("<tr>") == 5
    assert "<td>0.560</td>" in html


def test_bars_and_digits_are_figures_too():
    assert "<table>" in plot_bars({"a": 1.0, "b": 2.0}, title="T", x="x", alt="b is twice a")._repr_html_()
    assert "<img" in plot_digits(np.zeros((2, 64)), labels=["0", "1"], title="T", alt="two blanks")._repr_html_()


def test_a_figure_without_words_is_refused():
    figure, _ = axes("T", "x", "y")
    with pytest.raises(ValueError, match="alt="):
        show(figure, alt=" ", table=[{"a": 1}])
    with pytest.raises(ValueError, match="table="):
        show(figure, alt="words", table=[])
