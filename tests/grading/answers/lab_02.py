"""Right and wrong answers to lab 02: the examiner is tested with both."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from labkit.thieves.equation import solve_linear, steal_equations, steal_equations_from_rows
from labkit.thieves.hinges import hinges_on_line
from labkit.thieves.last_layer import hidden_dimension
from labkit.thieves.scores import scores
from labkit.thieves.thresholds import search_threshold

# 02.1


def solve_by_steps(api, start, steps):
    p = api.probabilities(np.vstack([start, start + np.diag(steps)]))
    z = np.log(p[:, 1] / p[:, 0])
    w = (z[1:] - z[0]) / steps
    return w, z[0] - start @ w


def solve_with_the_reference(api, start, steps):
    copy = steal_equations(api, start=start)
    return copy.weights[:, 1] - copy.weights[:, 0], copy.bias[1] - copy.bias[0]


def solve_a_square_system(api, start, steps):
    rng = np.random.default_rng(1)
    rows = start + rng.uniform(-1, 1, (len(start) + 1, len(start))) * steps
    p = api.probabilities(rows)
    solution = np.linalg.solve(np.column_stack([(rows - start) / steps, np.ones(len(rows))]), np.log(p[:, 1] / p[:, 0]))
    return (solution[:-1] / steps).tolist(), float(solution[-1] - start @ (solution[:-1] / steps))


def solve_turned_around(api, start, steps):
    w, b = solve_by_steps(api, start, steps)
    return -w, -b


def solve_without_dividing(api, start, steps):
    w, b = solve_by_steps(api, start, steps)
    return w * steps, b


def solve_probabilities(api, start, steps):
    p = api.probabilities(np.vstack([start, start + np.diag(steps)]))[:, 1]
    w = (p[1:] - p[0]) / steps
    return w, p[0] - start @ w


def solve_from_public_data(api, start, steps):
    X, y = load_breast_cancer(return_X_y=True)
    scaler = StandardScaler().fit(X)
    w = LogisticRegression(max_iter=2000).fit(scaler.transform(X), y)
    weights = w.coef_[0] / scaler.scale_
    api.probabilities(start[None])
    return weights, float(w.intercept_[0] - weights @ scaler.mean_)


def solve_forgets_the_bias(api, start, steps):
    return solve_by_steps(api, start, steps)[0]


def solve_over_budget(api, start, steps):
    api.probabilities(np.repeat(start[None], 2 * len(start), axis=0))


# 02.2


def softmax_by_least_squares(api, pool, rng):
    rows = pool[rng.permutation(len(pool))[: int(api.left)]]
    z = np.log(api.probabilities(rows))
    z = z - z.mean(axis=1, keepdims=True)
    solution = np.linalg.lstsq(np.column_stack([rows, np.ones(len(rows))]), z)[0]
    return solution[:-1], solution[-1]


def softmax_against_class_nine(api, pool, rng):
    rows = pool[: int(api.left)]
    p = api.probabilities(rows)
    middle = pool.mean(axis=0)
    W = np.linalg.pinv(np.column_stack([rows - middle, np.ones(len(rows))])) @ np.log(p / p[:, [9]])
    return W[:-1].tolist(), (W[-1] - middle @ W[:-1]).tolist()


def softmax_with_the_reference(api, pool, rng):
    copy = steal_equations_from_rows(api, pool)
    return copy.weights, copy.bias


def softmax_from_crafted_rows(api, pool, rng):
    copy = steal_equations(api)
    return copy.weights, copy.bias


def softmax_of_probabilities(api, pool, rng):
    rows = pool[rng.permutation(len(pool))[: int(api.left)]]
    solution = np.linalg.lstsq(np.column_stack([rows, np.ones(len(rows))]), api.probabilities(rows))[0]
    return solution[:-1], solution[-1]


def softmax_from_half_the_rows(api, pool, rng):
    rows = pool[rng.permutation(len(pool))[: int(api.left) // 3]]
    copy = solve_linear(rows, api.probabilities(rows))
    return copy.weights, copy.bias


def softmax_turned(api, pool, rng):
    W, b = softmax_by_least_squares(api, pool, rng)
    return W.T, b


def softmax_over_budget(api, pool, rng):
    return api.probabilities(pool)


def softmax_zero(api, pool, rng):
    return np.zeros((64, 10)), np.zeros(10)


# 02.3


def leaf_by_halving(api, row, low, high):
    answer = api.probabilities([row])[0]

    def same(i, value):
        moved = row.copy()
        moved[i] = value
        return np.array_equal(api.probabilities([moved])[0], answer)

    def side(i, end):
        if same(i, end):
            return end
        inside, outside = row[i], end
        while abs(outside - inside) > 1e-4 * (high[i] - low[i]):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if same(i, middle) else (inside, middle)
        return (inside + outside) / 2

    return [side(i, low[i]) for i in range(len(row))], [side(i, high[i]) for i in range(len(row))]


def leaf_with_the_reference(api, row, low, high):
    answer = api.probabilities(row[None])[0]
    d = len(row)
    ends = np.repeat(row[None], 2 * d, axis=0)
    ends[np.arange(d), np.arange(d)], ends[np.arange(d) + d, np.arange(d)] = low, high
    sides = np.concatenate([low, high]).astype(float)
    for k in np.flatnonzero((api.probabilities(ends) != answer).any(axis=1)):
        sides[k] = _searched(api, row, ends[k], k % d, answer, 1e-4 * (high[k % d] - low[k % d]))
    return sides[:d], sides[d:]


def _searched(api, row, end, i, answer, slack):
    search = search_threshold(row[i], end[i], [], slack)
    value = next(search)
    while True:
        moved = row.copy()
        moved[i] = value
        try:
            value = search.send(bool((api.probabilities(moved[None])[0] == answer).all()))
        except StopIteration as done:
            return done.value


def leaf_is_the_whole_box(api, row, low, high):
    api.probabilities([row])
    return low, high


def leaf_by_labels(api, row, low, high):
    class Labels:
        def probabilities(self, rows):
            return api.labels(rows)[:, None]

    return leaf_by_halving(Labels(), row, low, high)


def leaf_upwards_only(api, row, low, high):
    return low, leaf_by_halving(api, row, low, high)[1]


def leaf_turned_around(api, row, low, high):
    first, second = leaf_by_halving(api, row, low, high)
    return second, first


def leaf_by_small_steps(api, row, low, high):
    ends = np.tile(row, (500, 1))
    ends[:, 0] = np.linspace(low[0], high[0], 500)
    api.probabilities(ends)
    return low, high


# 02.4


def hinges_by_halving(api, start, end, tol):
    def values(t):
        return scores(api.probabilities(start + np.asarray(t)[:, None] * (end - start)))

    found, pieces = [], [(0.0, 1.0)]
    while pieces:
        a, b = pieces.pop()
        t = np.array([a, a + (b - a) * 0.25, (a + b) / 2, a + (b - a) * 0.75, b])
        z = values(t)
        straight = z[0] + np.outer((t - a) / (b - a), z[-1] - z[0])
        if np.abs(z - straight).max() < 1e-9:
            continue
        if b - a < tol:
            found.append((a + b) / 2)
        else:
            pieces += [(a, (a + b) / 2), ((a + b) / 2, b)]
    return found


def hinges_with_the_reference(api, start, end, tol):
    def values(t):
        return scores(api.probabilities(start + t[:, None] * (end - start)))

    return [hinge.t for hinge in hinges_on_line(values)]


def hinges_of_probabilities(api, start, end, tol):
    class Raw:
        def probabilities(self, rows):
            return np.exp(api.probabilities(rows))

    return hinges_by_halving(Raw(), start, end, 1e-2)


def hinges_on_a_coarse_grid(api, start, end, tol):
    return hinges_by_halving(api, start, end, 0.05)


def hinges_none(api, start, end, tol):
    api.probabilities([start, end])
    return []


def hinges_everywhere(api, start, end, tol):
    api.probabilities([start, end])
    return np.linspace(0, 1, 10001)


def hinges_twice(api, start, end, tol):
    return hinges_with_the_reference(api, start, end, tol) * 2


def hinges_as_points(api, start, end, tol):
    return [start + t * (end - start) for t in hinges_with_the_reference(api, start, end, tol)]


def hinges_over_budget(api, start, end, tol):
    return api.probabilities(np.tile(start, (5000, 1)))


# 02.5


def width_by_singular_values(api, low, high, rng):
    z = np.log(api.probabilities(rng.uniform(low, high, (50, len(low)))))
    z = z - z.mean(axis=1, keepdims=True)
    z = z - z.mean(axis=0)
    s = np.linalg.svd(z, compute_uv=False)
    return int((s > 1e-9 * s[0]).sum())


def width_by_rank_of_differences(api, low, high, rng):
    p = api.probabilities(low + rng.random((40, len(low))) * (high - low))
    z = np.log(p[:, :-1] / p[:, -1:])
    return np.linalg.matrix_rank(z[1:] - z[0], tol=1e-6)


def width_with_the_reference(api, low, high, rng):
    return hidden_dimension(api, rng=rng, queries=60)


def width_of_probabilities(api, low, high, rng):
    p = api.probabilities(rng.uniform(low, high, (50, len(low))))
    return int(np.linalg.matrix_rank(p - p.mean(axis=0)))


def width_without_the_means(api, low, high, rng):
    return int(np.linalg.matrix_rank(np.log(api.probabilities(rng.uniform(low, high, (50, len(low)))))))


def width_from_five_rows(api, low, high, rng):
    z = scores(api.probabilities(rng.uniform(low, high, (4, len(low)))))
    return int(np.linalg.matrix_rank(z - z.mean(axis=0), tol=1e-6))


def width_written_down(api, low, high, rng):
    api.probabilities(low[None])
    return 6


def width_without_asking(api, low, high, rng):
    return 9


def width_over_budget(api, low, high, rng):
    return hidden_dimension(api, rng=rng, queries=100)


RIGHT = {
    "02.1": {
        "step by step": solve_by_steps,
        "the reference thief": solve_with_the_reference,
        "one square system": solve_a_square_system,
    },
    "02.2": {
        "least squares": softmax_by_least_squares,
        "against class nine": softmax_against_class_nine,
        "the reference thief": softmax_with_the_reference,
    },
    "02.3": {"by halving": leaf_by_halving, "the reference search": leaf_with_the_reference},
    "02.4": {"by halving": hinges_by_halving, "the reference search": hinges_with_the_reference},
    "02.5": {
        "singular values": width_by_singular_values,
        "rank of differences": width_by_rank_of_differences,
        "the reference thief": width_with_the_reference,
    },
}
WRONG = {
    "02.1": {
        "class 0 instead of class 1": (solve_turned_around, "weights of class 0"),
        "does not divide by the steps": (solve_without_dividing, "off by"),
        "solves probabilities": (solve_probabilities, "off by"),
        "trained on public data": (solve_from_public_data, "off by"),
        "no bias": (solve_forgets_the_bias, "a weight for each feature and a bias"),
        "over budget": (solve_over_budget, "budget"),
    },
    "02.2": {
        "crafted rows": (softmax_from_crafted_rows, "not rows of the pool"),
        "probabilities, not logarithms": (softmax_of_probabilities, "floor"),
        "a third of the rows": (softmax_from_half_the_rows, "floor"),
        "turned around": (softmax_turned, "shape (10, 64)"),
        "over budget": (softmax_over_budget, "budget"),
        "no query": (softmax_zero, "no query of yours"),
    },
    "02.3": {
        "the whole box": (leaf_is_the_whole_box, "of the leaves' sides"),
        "labels, not answers": (leaf_by_labels, "of the leaves' sides"),
        "upwards only": (leaf_upwards_only, "of the leaves' sides"),
        "ends swapped": (leaf_turned_around, "of the leaves' sides"),
        "over budget": (leaf_by_small_steps, "budget"),
    },
    "02.4": {
        "too coarse": (hinges_on_a_coarse_grid, "places without one"),
        "probabilities, not scores": (hinges_of_probabilities, "places without one"),
        "none": (hinges_none, "You found 0 of"),
        "everywhere": (hinges_everywhere, "places without one"),
        "each twice": (hinges_twice, "named twice"),
        "points instead of places": (hinges_as_points, "shape"),
        "over budget": (hinges_over_budget, "budget"),
    },
    "02.5": {
        "probabilities, not scores": (width_of_probabilities, "models right"),
        "means left in": (width_without_the_means, "models right"),
        "too few rows": (width_from_five_rows, "models right"),
        "written down": (width_written_down, "models right"),
        "without asking": (width_without_asking, "no query of yours"),
        "over budget": (width_over_budget, "budget"),
    },
}
