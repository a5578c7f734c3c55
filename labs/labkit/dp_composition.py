"""What many private answers cost together: the plain sum, the textbook's better bound, and a library's tight one."""

from __future__ import annotations

import math
from collections.abc import Sequence

# dp-accounting takes 1.5 seconds to import; only the functions that need it do.


def basic(epsilon: float, answers: int) -> float:
    """Sum of the costs: ``answers`` x ``epsilon``. Always true, also for answers chosen one after the other."""
    return answers * epsilon


def advanced(epsilon: float, answers: int, delta: float) -> float:
    """Dwork, Rothblum and Vadhan (2010): grows with the root of ``answers``; (total, ``delta``)-private."""
    return epsilon * math.sqrt(2 * answers * math.log(1 / delta)) + answers * epsilon * math.expm1(epsilon)


def tight(epsilon: float, answers: int, delta: float) -> float:
    """The cost of ``answers`` Laplace answers at ``delta``, by composing their privacy loss numerically.

    dp-accounting rounds the loss upwards, so the number is an upper bound, close to the true one.
    """
    from dp_accounting.pld import privacy_loss_distribution as pld

    one = pld.from_laplace_mechanism(1 / epsilon, value_discretization_interval=min(1e-3, epsilon / 20))
    return float(one.self_compose(answers).get_epsilon_for_delta(delta))


def composition_rows(epsilon: float, counts: Sequence[int], delta: float) -> list[dict]:
    """Total epsilon by each of the three ways, a row for each number of answers in ``counts``."""
    return [
        {
            "answers": k,
            "basic": basic(epsilon, k),
            "advanced": advanced(epsilon, k, delta),
            "tight (library)": tight(epsilon, k, delta),
        }
        for k in counts
    ]


def gaussian_steps_costs(multiplier: float, steps: int, delta: float) -> dict[str, float]:
    """Epsilon at ``delta`` of ``steps`` sums with normal noise of ``multiplier`` x sensitivity, counted three ways.

    "sum" adds up the steps, each at its share of ``delta``; "renyi" and "privacy loss" are dp-accounting's accountants
    (Mironov 2017; Koskela, Jälkö and Honkela 2020). All three are upper bounds.
    """
    import dp_accounting as dp

    event = dp.SelfComposedDpEvent(dp.GaussianDpEvent(multiplier), steps)
    return {
        "sum": steps * float(dp.get_epsilon_gaussian(multiplier, delta / steps)),
        "renyi": float(dp.rdp.RdpAccountant().compose(event).get_epsilon(delta)),
        "privacy loss": float(dp.pld.PLDAccountant().compose(event).get_epsilon(delta)),
    }


def gaussian_steps_multiplier(epsilon: float, steps: int, delta: float) -> float:
    """The smallest noise multiplier with which ``steps`` such sums stay within (epsilon, delta).

    Many normal noises compose to one: ``steps`` at multiplier m are as private as one at m over the root of ``steps``.
    """
    from dp_accounting import get_sigma_gaussian

    return float(get_sigma_gaussian(epsilon, delta) * math.sqrt(steps))
