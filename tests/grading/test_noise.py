"""The tests of noise: what is right passes, what is a little wrong does not, and how seldom they err."""

from __future__ import annotations

import numpy as np
import pytest

from grading.noise import LEVEL, look_at_noise, nearest


@pytest.mark.parametrize("law", ["laplace", "normal"])
def test_right_noise_passes_for_many_seeds(law):
    for seed in range(300):
        noise = getattr(np.random.default_rng(seed), law)(0, 3.0, 2000)
        seen = look_at_noise(noise, law, 3.0)
        assert (seen.scale_fits, seen.shape_fits) == (True, True)


@pytest.mark.parametrize("law", ["laplace", "normal"])
@pytest.mark.parametrize("factor", [0.93, 1.08])
def test_a_scale_that_is_a_little_off_is_seen(law, factor):
    noise = getattr(np.random.default_rng(1), law)(0, factor, 16_000)
    seen = look_at_noise(noise, law, 1.0)
    assert not seen.scale_fits
    assert seen.ratio == pytest.approx(factor, rel=0.03)


@pytest.mark.parametrize(
    ("law", "other", "size"), [("laplace", "normal", np.sqrt(np.pi / 2)), ("normal", "laplace", 0.5**0.5)]
)
def test_another_law_of_the_same_size_is_seen(law, other, size):
    seen = look_at_noise(getattr(np.random.default_rng(2), other)(0, size, 16_000), law, 1.0)
    assert not seen.shape_fits


def test_noise_that_is_never_negative_is_seen():
    assert not look_at_noise(np.abs(np.random.default_rng(3).laplace(0, 1, 2000)), "laplace", 1.0).shape_fits


def test_both_tests_together_err_less_than_once_in_a_million():
    assert 3 * LEVEL < 1e-6


def test_the_nearest_cause_is_named_only_if_it_is_near():
    causes = {"twice": 2.0, "half": 0.5}
    assert nearest(2.05, causes) == "twice"
    assert nearest(1.3, causes) is None
    assert nearest(0.0, causes) is None
