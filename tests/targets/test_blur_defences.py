"""Each blurring defence keeps its promise on plain arrays; keyed noise follows secret and row; the menu serves."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from targets import Query, load_victim
from targets.defences import (
    DEFENCES,
    BoundaryNoise,
    GaussianNoise,
    KeepTop,
    LaplaceNoise,
    Misinformation,
    Pipeline,
    ReverseSigmoid,
    TopK,
    parse_defence,
)
from targets.defences.randomness import Draws, back_to_probabilities

SECRET = "a secret of the vendor"
NOISE = [LaplaceNoise, GaussianNoise, KeepTop]
shares = hnp.arrays(float, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.floats(0, 1)).map(
    lambda a: back_to_probabilities(np.column_stack([a, a[:, :1]]))
)


@pytest.fixture(scope="module")
def digits() -> Any:
    return load_victim("digits", model="linear")


@pytest.fixture(scope="module")
def asked(digits: Any) -> tuple[Query, np.ndarray]:
    rows = digits.test.X[:200]
    return Query(rows), digits.probabilities(rows)


@pytest.mark.parametrize("noise", NOISE)
@settings(max_examples=30, deadline=None)
@given(p=shares, seed=st.integers(0, 9))
def test_noisy_answers_are_probabilities(noise: Any, p: np.ndarray, seed: int) -> None:
    out = noise(0.3, seed=seed).after(Query(np.zeros((len(p), 2))), p.copy())
    assert (out >= 0).all()
    np.testing.assert_allclose(out.sum(axis=1), 1)


@settings(max_examples=60, deadline=None)
@given(p=shares, seed=st.integers(0, 99), sigma=st.floats(0.01, 3))
def test_keep_top_never_moves_the_label(p: np.ndarray, seed: int, sigma: float) -> None:
    out = KeepTop(sigma, seed=seed).after(Query(np.zeros((len(p), 2))), p.copy())
    every = np.arange(len(p))
    assert (out[every, p.argmax(axis=1)] == out.max(axis=1)).all()


def test_plain_noise_does_move_labels(asked: Any) -> None:
    query, p = asked
    assert (GaussianNoise(0.5, seed=0).after(query, p.copy()).argmax(axis=1) != p.argmax(axis=1)).mean() > 0.1


@pytest.mark.parametrize("noise", NOISE)
def test_fresh_noise_differs_at_every_query_and_a_seed_repeats_it(noise: Any, asked: Any) -> None:
    query, p = asked
    defence = noise(0.2, seed=3)
    first, second = defence.after(query, p.copy()), defence.after(query, p.copy())
    assert (first != second).any(axis=1).mean() > 0.9
    assert (noise(0.2, seed=3).after(query, p.copy()) == first).all()


@pytest.mark.parametrize("defence", [*NOISE, BoundaryNoise])
def test_keyed_noise_depends_on_secret_and_row_and_on_nothing_else(defence: Any, asked: Any) -> None:
    query, p = asked
    whole = defence(0.9, secret=SECRET).after(query, p.copy())
    order = np.random.default_rng(0).permutation(len(p))[:50]
    part = defence(0.9, secret=SECRET).after(Query(query.rows[order], key="another", time=99.0), p[order].copy())
    np.testing.assert_array_equal(part, whole[order])
    assert (defence(0.9, secret="another secret!").after(query, p.copy()) != whole).any()


def test_keyed_noise_is_the_same_in_another_process(asked: Any) -> None:
    numbers = Draws(secret=SECRET).uniform(np.arange(12.0).reshape(3, 4), 5)
    code = (
        "import numpy as np; from targets.defences.randomness import Draws;"
        f"print(Draws(secret={SECRET!r}).uniform(np.arange(12.0).reshape(3, 4), 5).tobytes().hex())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == numbers.tobytes().hex()


def test_keyed_numbers_are_uniform_and_independent_between_rows_and_columns() -> None:
    u = Draws(secret=SECRET).uniform(np.arange(20_000.0)[:, None], 4)
    assert 0 < u.min() < 0.001
    assert 0.999 < u.max() < 1
    share = np.histogram(u, bins=20, range=(0, 1))[0] / u.size
    assert np.abs(share - 0.05).max() < 0.004
    correlation = np.corrcoef(np.column_stack([u[:-1], u[1:]]).T) - np.eye(8)
    assert np.abs(correlation).max() < 0.04


@pytest.mark.parametrize("width", [1, 2, 3, 10])
def test_a_row_alone_and_in_a_crowd_gets_the_same_numbers(width):
    draws, rows = Draws(secret=SECRET), np.random.default_rng(0).normal(size=(500, 3))
    alone = np.vstack([draws.uniform(row[None], width) for row in rows])
    np.testing.assert_array_equal(alone, draws.uniform(rows, width))
    assert draws.uniform(rows[:0], width).shape == (0, width)


def test_equal_numbers_get_equal_noise_and_the_last_bit_makes_another_row() -> None:
    draws = Draws(secret=SECRET)
    same, other = np.array([[0.0, 1.0], [-0.0, 1.0]]), np.array([[0.0, np.nextafter(1, 2)]])
    first, second = draws.uniform(same, 3)
    assert (first == second).all()
    assert (draws.uniform(other, 3)[0] != first).all()


def test_two_purposes_of_one_secret_share_no_numbers() -> None:
    rows = np.arange(50.0)[:, None]
    assert (
        Draws(secret=SECRET, purpose="a").uniform(rows, 2) != Draws(secret=SECRET, purpose="b").uniform(rows, 2)
    ).all()


@pytest.mark.parametrize("noise", NOISE)
def test_the_secret_is_in_no_repr(noise: Any) -> None:
    assert SECRET not in repr(noise(0.1, secret=SECRET))
    assert "keyed=True" in repr(noise(0.1, secret=SECRET))


@pytest.mark.parametrize(("noise", "deviation"), [(GaussianNoise, 0.02), (LaplaceNoise, 0.02 * np.sqrt(2))])
def test_noise_has_the_strength_it_says(noise: Any, deviation: float) -> None:
    # 50 equal classes and little noise: nothing is cut at 0, and dividing by the sum hardly matters.
    p = np.full((4000, 3), 1 / 3)
    out = noise(0.02, seed=1).after(Query(np.zeros((4000, 2))), p.copy())
    # Dividing by the sum takes the common part of three numbers' noise away: a third of the variance.
    assert (out - p).std() == pytest.approx(deviation * np.sqrt(2 / 3), rel=0.05)
    assert abs((out - p).mean(axis=0)).max() < 0.002


def test_top_k_keeps_the_largest_and_nothing_else(asked: Any) -> None:
    query, p = asked
    out = TopK(3).after(query, p.copy())
    assert ((out > 0).sum(axis=1) <= 3).all()
    np.testing.assert_array_equal(np.sort(out, axis=1)[:, -3:], np.sort(p, axis=1)[:, -3:])
    np.testing.assert_array_equal(TopK(99).after(query, p.copy()), p)


def test_reverse_sigmoid_follows_the_paper_by_hand() -> None:
    p = np.array([[0.9, 0.1]])
    taken = 0.4 * (1 / (1 + np.exp(-0.5 * np.log(9))) - 0.5)
    bent = np.array([0.9 - taken, 0.1 + taken])
    np.testing.assert_allclose(
        ReverseSigmoid(beta=0.4, gamma=0.5).after(Query(np.zeros((1, 2))), p)[0], bent / bent.sum()
    )


def test_reverse_sigmoid_makes_sure_and_less_sure_rows_alike_and_keeps_two_class_labels() -> None:
    p = np.column_stack([np.linspace(0.5, 1, 101), np.linspace(0.5, 0, 101)])
    out = ReverseSigmoid(beta=1.0, gamma=0.4).after(Query(np.zeros((101, 2))), p.copy())[:, 0]
    assert np.isfinite(out).all()
    assert (out >= 0.5 - 1e-9).all()
    assert out.argmax() not in (0, 100), "confidence must rise and then fall"


def test_boundary_noise_touches_doubtful_rows_only_and_as_often_as_it_says() -> None:
    p = np.tile([[0.55, 0.45], [0.95, 0.05]], (5000, 1))
    out = BoundaryNoise(zone=0.3, epsilon=1.0, seed=0).after(Query(np.zeros((10_000, 2))), p.copy())
    assert (out[1::2] == p[1::2]).all()
    assert (out[::2, 0] == 0.45).mean() == pytest.approx(1 / (1 + np.e), abs=0.03)


def test_misinformation_lies_to_strangers_and_spares_ordinary_rows() -> None:
    victim = load_victim("digits", model="linear")
    defence = Misinformation("digits", share=0.02)
    strange = np.random.default_rng(0).uniform(0, 16, (200, 64))
    pipeline = Pipeline(victim, [defence])
    assert (pipeline.answer(Query(strange)).labels == (victim.labels(strange) + 1) % 10).all()
    told = pipeline.answer(Query(victim.test.X)).labels == victim.labels(victim.test.X)
    assert told.mean() == pytest.approx(0.98, abs=0.03)
    np.testing.assert_array_equal(told, ~defence.strange(victim.test.X))


def test_misinformation_takes_a_table_of_known_rows() -> None:
    rows = np.random.default_rng(0).normal(0, 1, (50, 3))
    rows[:, 2] = 7.0  # a column that never varies must not divide by 0
    defence = Misinformation(rows, share=0.1)
    assert repr(defence) == "Misinformation(share=0.1, known='50 rows')"
    assert defence.strange(np.array([[0.0, 0, 7], [50, 50, 7]])).tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("top_k:k=0", "k is a whole number from 1 up, not 0"),
        ("top_k:k=True", "not True"),
        ("laplace_noise:scale=0", "scale is a number above 0, not 0"),
        ("gaussian_noise:sigma=high", "sigma is a number above 0, not 'high'"),
        ("gaussian_noise:sigma=1e999", "sigma is a number above 0, not inf"),
        ("keep_top:secret=short", "secret needs at least 8 characters"),
        ("keep_top:seed=-1", "seed is a whole number from 0 up"),
        ("reverse_sigmoid:beta=2", "beta is a number above 0, at most 1, not 2"),
        ("boundary_noise:zone=1.5", "zone is a number above 0, at most 1, not 1.5"),
        ("misinformation", "known is a table of ordinary rows, or the name of a victim"),
        ("misinformation:known=cats", "cats"),
        ("misinformation:known=digits,share=0.9", "share is a number above 0, at most 0.5, not 0.9"),
    ],
)
def test_a_wrong_setting_is_named(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="defence") as caught:
        parse_defence(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "name", sorted(set(DEFENCES) & {"top_k", "laplace_noise", "gaussian_noise", "keep_top", "boundary_noise"})
)
def test_the_command_line_builds_each_with_its_defaults(name: str) -> None:
    assert isinstance(parse_defence(name), DEFENCES[name])


def test_a_key_orders_its_defence_from_the_menu(client_for: Any) -> None:
    client = client_for(victim="tumour", defences=(parse_defence("menu"),))
    victim = load_victim("tumour")
    rows = victim.test.X[:20]

    def ask(key: str) -> Any:
        return client.post("/v1/predict", json={"rows": rows.tolist()}, headers={"X-API-Key": key})

    plain, rounded = ask("me").get_json()["probabilities"], ask("me@rounding:decimals=1").get_json()["probabilities"]
    assert plain == victim.probabilities(rows).tolist()
    assert rounded == np.round(plain, 1).tolist()
    wrong = ask("me@roundig")
    assert wrong.status_code == 429
    assert "no defence is named 'roundig'" in wrong.get_json()["detail"]


def test_the_menu_offers_no_menu_and_forgets_what_was_not_used_for_long() -> None:
    menu: Any = parse_defence("menu")
    for k in range(1, 200):
        menu.before(Query(np.zeros((1, 2)), key=f"me@top_k:k={k}"))
    assert len(menu._made) <= 64
    assert "menu" not in DEFENCES
