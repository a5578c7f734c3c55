"""Lab 03, steal the file: inspect a pickle, recover rows and people, sign and verify, obfuscate, steal all the same."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from scipy.stats import spearmanr
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from grading import NotYet, World, exercise, expect_array
from grading.exercise import manual
from grading.learner import Remote
from grading.pickle_cases import PickleCase, pickle_cases
from grading.world import ShuffledClasses
from labkit import agreement
from labkit.artefacts import make_tickets, rows_held
from targets import Defence, Query, Victim

BUDGET, FLOOR = 60, 0.93


def _list_of_text(value: Any, what: str) -> set[str]:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise NotYet(f"{what} is not a list of text.", 'Return a list such as ["os.system"].')
    return set(value)


@exercise(
    "03.1",
    title="Read a pickle without opening it",
    points=3,
    minutes=12,
    objectives=("4.2", "4.4"),
    passed="Every name found, also behind the memo, and no text mistaken for one. Nothing ran.",
    hints=(
        "Four things can happen on the way: text is pushed, text is put into the memo, text is fetched from it, and an "
        "instruction takes module and name. Which instructions carry both names, and which take them from the stack?",
        "Keep `last`, the value pushed last (text or None), a list of everything pushed, and a dictionary as memo. "
        "MEMOIZE stores under len(memo), the PUT family under its argument; the GET family pushes again. STACK_GLOBAL "
        "takes the last two. GLOBAL and INST carry 'module name' as their argument.",
        'if name in ("GLOBAL", "INST"): found.add(arg.replace(" ", ".")); pushed.append(None)\n'
        'elif name == "STACK_GLOBAL": found.add(".".join(pushed[-2:])); pushed.append(None)\n'
        'elif name == "MEMOIZE": memo[len(memo)] = pushed[-1]\n'
        'elif name.endswith("PUT"): memo[arg] = pushed[-1]\n'
        'elif name.endswith("GET"): pushed.append(memo[arg])\n'
        'elif "UNICODE" in name or name.endswith("STRING"): pushed.append(arg)',
    ),
)
def names_what_a_pickle_would_import(learner: Remote, world: World) -> float:
    cases = pickle_cases(world.rng("pickles"))
    problems = []
    for case in cases:
        found = _list_of_text(_ask_about(learner, case), "What your function returned")
        if problem := _compare(found, case):
            problems.append(problem)
    world.say(f"{len(cases) - len(problems)} of {len(cases)} private pickles read right; none was opened")
    if problems:
        message, step = problems[0]
        raise NotYet(message, step, score=0.5 if len(problems) <= 2 else 0.0)
    return 1.0


def _ask_about(learner: Remote, case: PickleCase) -> Any:
    try:
        return learner(base64.b64encode(case.data).decode())
    except NotYet as problem:
        if not any(alarm in problem.message for alarm in case.alarms):
            raise
        # Alarms sound only if somebody opens the pickle: int() of a text, or an import of an invented module.
        raise NotYet(
            "Your function opened the pickle, so the file ran in your notebook. This one only raised an error.",
            "Never load what you inspect: walk through pickletools.genops(data).",
        ) from None


def _compare(found: set[str], case: PickleCase) -> tuple[str, str] | None:
    missed, extra = sorted(case.names - found), sorted(found - case.names)
    if missed:
        return f"In {case.about}, {missed[0]} would be imported; your list lacks it.", case.advice
    if extra:
        return (
            f"In {case.about}, your list names {extra[0]!r}, which is never imported.",
            "Text that is only data is harmless: take names where an instruction imports them, as module.name.",
        )
    return None


@exercise(
    "03.2",
    title="Recover rows and people",
    points=3,
    minutes=10,
    objectives=("1.5", "4.4"),
    passed="Rows in patients' own units and every private address, out of two files and no query.",
    hints=(
        "Which array of each model has one column per feature and many rows? And in which units is it?",
        "_fit_X and support_vectors_ hold scaled rows: multiply by scale_, add mean_. A linear model holds none: "
        "return an array of shape (0, d). An address has one @ with text before it and a dot in what follows.",
        'held = arrays.get("_fit_X", arrays.get("support_vectors_", np.empty((0, len(arrays["mean_"])))))\n'
        'rows = held * arrays["scale_"] + arrays["mean_"]\n'
        'people = [w for w in vocabulary if re.fullmatch(r"[^@\\s]+@[^@\\s]+\\.[a-z]+", w)]',
    ),
)
def recovers_rows_and_people(learner: Remote, world: World) -> float:
    victim = world.victim("tumour")
    vocabulary, people = _vocabulary(world)
    for name, arrays, held in _files(victim):
        answer = learner(arrays, vocabulary)
        if not isinstance(answer, dict) or not {"rows", "people"} <= set(answer):
            raise NotYet(
                "Your function does not return the two keys asked for.", 'Return {"rows": array, "people": list}.'
            )
        _judge_rows(answer["rows"], held, arrays["mean_"], name)
        _judge_people(_list_of_text(answer["people"], "people"), people)
        world.say(f"{name}: {len(held)} of {len(victim.train.X)} training rows read from the file")
    world.say(f"vectoriser: {len(people)} private addresses among {len(vocabulary)} terms")
    return 1.0


def _files(victim: Victim) -> list[tuple[str, dict, np.ndarray]]:
    """(family, arrays as they stand in the file, the rows they hold in their own units)."""
    X, y = victim.train.X, victim.train.y
    mean, scale = X.mean(axis=0), X.std(axis=0)
    Z = (X - mean) / scale
    common = {"mean_": mean, "scale_": scale, "var_": scale**2}
    near, margin = KNeighborsClassifier(5).fit(Z, y), SVC().fit(Z, y)
    linear = {"coef_": np.ones((1, X.shape[1])), "intercept_": np.zeros(1)}
    return [
        ("nearest neighbours", {**common, "_fit_X": near._fit_X, "_y": near._y}, X),
        (
            "support vectors",
            {**common, "support_vectors_": margin.support_vectors_, "dual_coef_": margin.dual_coef_},
            X[margin.support_],
        ),
        ("linear model", {**common, **linear}, X[:0]),
    ]


def _judge_rows(value: Any, held: np.ndarray, mean: np.ndarray, name: str) -> None:
    empty = isinstance(value, list) and not value
    rows = np.empty((0, len(mean))) if empty else expect_array(value, (None, len(mean)), f"rows ({name})")
    if len(rows) != len(held):
        raise NotYet(
            f"The file of the {name} holds {len(held)} training rows; you return {len(rows)}.",
            "Look for the array with one column per feature and many rows; coefficients and means are not rows.",
        )
    if len(held) and rows_held(rows, held) < 1:
        raise NotYet(
            f"Your rows of the {name} are not the patients' numbers: their mean is {rows.mean():.3g}, not "
            f"{held.mean():.3g}.",
            "The model saw scaled rows. Undo the scaler: times scale_, plus mean_.",
        )


def _vocabulary(world: World) -> tuple[dict[str, int], set[str]]:
    """A vectoriser's terms with private addresses and things that only look like one."""
    rng = world.rng("tickets")
    tickets = make_tickets(rng, 150)
    decoys = [f"@{rng.integers(1000)}handle", f"{rng.integers(90)}@noon", "a@b@example.com", "user@", "example.com"]
    terms = sorted({word for text in tickets.texts for word in text.split()} | set(decoys) - {"desk@vendor.test"})
    order = rng.permutation(len(terms))
    people = {term for term in terms if term in tickets.senders} | {"desk@vendor.test"}
    return {terms[i]: int(i) for i in order}, people


def _judge_people(found: set[str], people: set[str]) -> None:
    missed, extra = sorted(people - found), sorted(found - people)
    if missed:
        raise NotYet(
            f"{len(missed)} addresses are missing, {missed[0]} among them.",
            "Addresses end in .com, .org and .test here; look at all terms of the vocabulary.",
            score=0.5,
        )
    if extra:
        raise NotYet(
            f"{extra[0]!r} is not an address.",
            "One @, something before it, and a dot in what follows.",
            score=0.5,
        )


@exercise(
    "03.3",
    title="Sign, and refuse what does not fit",
    points=3,
    minutes=12,
    objectives=("3.8", "1.2", "4.2"),
    passed="Genuine files pass; tampered, cut, swapped, renamed and forged ones are refused without a crash.",
    hints=(
        "A signature protects exactly the bytes that are signed. An old file under a new name must fail too: so what "
        "belongs into the message besides the data?",
        "Sign name and data together, kept apart by the length of the name. In verify, any failure (bad hex, wrong "
        "length, InvalidSignature) means False.",
        'def message(name, data): return f"{len(name)}:{name}:{data}".encode()\n'
        "Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private)).sign(message(name, data)).hex()\n"
        "try: Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), "
        "message(name, data))\n"
        "except (ValueError, InvalidSignature): return False\n"
        "return True",
    ),
)
def signs_and_refuses(learner: Remote, world: World) -> float:
    pair = learner()
    if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not all(isinstance(one, Remote) for one in pair):
        raise NotYet("Your function does not return two functions.", "End with `return sign, verify`.")
    sign, verify = pair
    rng = world.rng("keys")
    (private, public), (other_private, other_public) = _key_pair(rng), _key_pair(rng)
    data = base64.b64encode(rng.bytes(600)).decode()
    older = base64.b64encode(rng.bytes(600)).decode()
    genuine = sign("scoring-v2", data, private)
    if not isinstance(genuine, str) or not genuine:
        raise NotYet("sign does not return text.", "Return the signature as hexadecimal text: signature.hex().")
    if verify("scoring-v2", data, genuine, public) is not True:
        raise NotYet("verify refuses a genuine file.", "For an untouched file, verify must return True.")
    flipped = data[:300] + ("A" if data[300] != "A" else "B") + data[301:]
    tries = {
        "a file with one changed character": ("scoring-v2", flipped, genuine, public),
        "a file cut short": ("scoring-v2", data[:-4], genuine, public),
        "a wrong public key": ("scoring-v2", data, genuine, other_public),
        "a file signed by somebody else": ("scoring-v2", data, sign("scoring-v2", data, other_private), public),
        "another file's signature": ("scoring-v2", data, sign("scoring-v2", older, private), public),
        "an old file under the new name": ("scoring-v2", older, sign("scoring-v1", older, private), public),
        "a name that swallowed the first bytes": ("scoring-v2" + data[:1], data[1:], genuine, public),
        "a signature cut in half": ("scoring-v2", data, genuine[: len(genuine) // 2], public),
        "an empty signature": ("scoring-v2", data, "", public),
        "a signature that is no hexadecimal text": ("scoring-v2", data, "zz" * 64, public),
    }
    for what, arguments in tries.items():
        _must_refuse(verify, what, arguments)
    world.say(f"1 genuine file accepted, {len(tries)} others refused")
    return 1.0


def _must_refuse(verify: Remote, what: str, arguments: tuple) -> None:
    try:
        verdict = verify(*arguments)
    except NotYet as problem:
        if "raised" not in problem.message:
            raise
        raise NotYet(
            f"verify crashes on {what}: {problem.message}",
            "A file that cannot be checked is refused, not an accident: return False.",
            score=0.5,
        ) from None
    if verdict is False:
        return
    if verdict is not True:
        raise NotYet(f"verify returns {verdict!r} on {what}.", "Return True or False, nothing else.")
    raise NotYet(f"verify accepts {what}.", "Sign name and data together, unmistakably, and check with the given key.")


def _key_pair(rng: np.random.Generator) -> tuple[str, str]:
    private = rng.bytes(32)
    return private.hex(), Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw().hex()


@exercise(
    "03.4",
    title="Obfuscate without changing an answer",
    points=3,
    minutes=10,
    objectives=("3.8", "2.2"),
    passed="Same answers for every row; the file no longer says which feature matters how much.",
    hints=(
        "Three rewritings leave the score as it is: folding the scaler into weights and intercept, shuffling columns, "
        "and dividing a weight by what the loader multiplies its column with.",
        "Fold first: weights = coef / scale, intercept - weights @ mean. Draw order = rng.permutation(d) and factors "
        "of very different size; then store weights[:, order] / factors.",
        "weights = coef / scale\n"
        "order, factors = rng.permutation(len(mean)), 10 ** rng.uniform(-3, 3, len(mean))\n"
        'file = {"coef": weights[:, order] / factors, "intercept": intercept - weights @ mean}\n'
        'return file, {"order": order, "factors": factors}',
    ),
)
def obfuscates_and_keeps_every_answer(learner: Remote, world: World) -> float:
    told = []
    for name in ("tumour", "mail", "digits"):
        told.append(_obfuscated(learner, world, name, 2 if name == "tumour" else 1))
    world.say(f"rank correlation of the file's weights with the true importance: {np.mean(np.abs(told)):.2f} (was 1)")
    return 1.0


def _obfuscated(learner: Remote, world: World, name: str, runs: int) -> float:
    rng = world.rng(f"model/{name}")
    rows = world.victim(name).test.X
    mean, scale = rows.mean(axis=0), np.where(rows.std(axis=0) > 0, rows.std(axis=0), 1.0)
    coef, intercept = rng.normal(0, 1, (10 if name == "digits" else 1, len(mean))), rng.normal(0, 1, 1)
    intercept = np.resize(intercept, len(coef))
    wanted = (rows - mean) / scale @ coef.T + intercept
    files, told = [], []
    for run in range(runs):
        answer = learner(coef, intercept, mean, scale, world.rng_for_learner(f"{name}/{run}"))
        file, secret = _file_and_secret(answer, coef.shape)
        got = rows[:, secret["order"]] * secret["factors"] @ file["coef"].T + file["intercept"]
        gap = float(np.abs(got - wanted).max() / np.abs(wanted).max())
        if not gap < 1e-8:
            raise NotYet(
                f"On {name} the scores change by up to {gap:.1g} of the largest score.",
                "Check with rows[:, order] * factors @ coef.T + intercept before you look at secrecy.",
            )
        files.append(file["coef"])
        told.append(_tells_less(file["coef"], coef, secret, name))
    if runs > 1 and np.allclose(files[0], files[1]):
        raise NotYet("Two different generators gave the same file.", "Draw order and factors from `rng`.")
    return float(np.mean(np.abs(told)))


def _file_and_secret(answer: Any, shape: tuple[int, int]) -> tuple[dict, dict]:
    if not isinstance(answer, (list, tuple)) or len(answer) != 2 or not all(isinstance(one, dict) for one in answer):
        raise NotYet("Your function does not return two dictionaries.", "End with `return file, secret`.")
    file, secret = answer
    for name, keys in (("file", {"coef", "intercept"}), ("secret", {"order", "factors"})):
        part = file if name == "file" else secret
        if set(part) != keys:
            raise NotYet(
                f"{name} holds {sorted(part)}; expected {sorted(keys)}.",
                "The scaler must be folded in: neither mean nor scale may lie in the file, nor the secret.",
            )
    classes, d = shape
    order = expect_array(secret["order"], (d,), "order").astype(int)
    if sorted(order.tolist()) != list(range(d)):
        raise NotYet("order is not a permutation of the columns.", "Use rng.permutation(number of columns).")
    factors = expect_array(secret["factors"], (d,), "factors")
    if (factors == 0).any():
        raise NotYet("A factor is 0, which would erase a column.", "Draw factors away from 0.")
    coef = expect_array(file["coef"], (classes, d), "coef")
    return {"coef": coef, "intercept": expect_array(file["intercept"], (classes,), "intercept")}, {
        "order": order,
        "factors": factors,
    }


def _tells_less(stored: np.ndarray, coef: np.ndarray, secret: dict, name: str) -> float:
    order, d = secret["order"], len(secret["order"])
    fixed = int((order == np.arange(d)).sum())
    if fixed > d / 4:
        raise NotYet(
            f"On {name}, {fixed} of {d} columns stand where they stood: the file still says which feature is which.",
            "Shuffle the columns with rng.permutation and store the weights in that order.",
        )
    true, shown = np.abs(coef).sum(axis=0)[order], np.abs(stored).sum(axis=0)
    told = float(spearmanr(true, shown).statistic)
    logs = np.log10(np.abs(secret["factors"]))
    if logs.std() < 0.7:
        raise NotYet(
            f"On {name} the factors hardly differ (rank correlation of the file's weights with importance {told:.2f}): "
            "whoever guesses the order still reads which feature matters.",
            "Draw factors over several powers of ten: 10 ** rng.uniform(-3, 3, d).",
        )
    return told


class _FromFile(Defence):
    """Answers with a linear model that was rewritten: other columns, other units, the same function; not a defence."""

    def __init__(self, victim: Victim, rng: np.random.Generator):
        scaler, linear = victim.estimator[0], victim.estimator[-1]
        # A scaler of either kind is one affine map; two rows measure it.
        shift = scaler.transform(np.zeros((1, len(victim.features))))[0]
        slope = scaler.transform(np.ones((1, len(victim.features))))[0] - shift
        d = len(slope)
        self.order, self.factors = rng.permutation(d), 10 ** rng.uniform(-3, 3, d)
        self.weights = (linear.coef_[0] * slope)[self.order] / self.factors
        self.intercept = float(linear.intercept_[0] + linear.coef_[0] @ shift)

    def after(self, query: Query, probabilities: np.ndarray) -> np.ndarray:
        rows = np.asarray(query.rows, dtype=float)
        scores = rows[:, self.order] * self.factors @ self.weights + self.intercept
        positive = 1 / (1 + np.exp(-np.clip(scores, -700, 700)))
        return np.column_stack([1 - positive, positive])


@exercise(
    "03.5",
    title="Steal it all the same",
    points=2,
    minutes=8,
    objectives=("1.5", "3.8"),
    passed="The obfuscated model was copied through its API as well as the plain one.",
    hints=(
        "What changes for a customer when the file behind the API is rewritten? Then what changes for the thief?",
        "The same three steps as in lab 01, twice: choose pool rows, buy from each API, fit a copy on each API's own "
        "answers, and let each copy predict `test`. Never buy test rows.",
        "rows = pool[rng.permutation(len(pool))[: int(plain.left)]]\n"
        'copies = [fit_surrogate(rows, api.predict(rows), kind="linear") for api in (plain, hidden)]\n'
        "return [copy.predict(test) for copy in copies]",
    ),
)
def steals_the_obfuscated_model_too(learner: Remote, world: World) -> float:
    victim = world.victim("tumour")
    # The rewritten model also numbers its classes the other way: a copy of the plain one is no copy of it.
    defences = (_FromFile(victim, world.rng("rewriting")), ShuffledClasses(np.array([1, 0])))
    plain, hidden = world.target("tumour"), world.target("tumour", defences=defences)
    test = victim.test.X
    answer = learner(
        plain.api(budget=BUDGET), hidden.api(budget=BUDGET), victim.pool.X, test, world.rng_for_learner("theft")
    )
    plain.close()
    hidden.close()
    if not isinstance(answer, (list, tuple, np.ndarray)) or len(answer) != 2:
        raise NotYet("Your function does not return two lists of labels.", "Return [plain's labels, hidden's labels].")
    reached = []
    for name, target, labels in zip(("plain", "obfuscated"), (plain, hidden), answer, strict=True):
        says = expect_array(labels, (len(test),), f"the labels of the {name} copy").astype(int)
        if target.asked_any_of(test):
            raise NotYet(f"The {name} target's log shows test rows.", "Query rows of the pool; test rows measure.")
        if not target.rows_bought:
            raise NotYet(f"The {name} target's log shows no query of yours.", "Buy answers from each of the two APIs.")
        reached.append(agreement(says, target.labels(test)))
        world.say(f"{name}: {target.rows_bought} rows bought, agreement {reached[-1]:.3f} on {len(test)} test rows")
        if reached[-1] < FLOOR:
            raise NotYet(
                f"The copy of the {name} model agrees on {reached[-1]:.1%} of test rows; the floor is {FLOOR:.0%}.",
                "Fit each copy on the answers of its own API, with the whole budget and the probabilities.",
                score=0.5 if reached[0] >= FLOOR else 0.0,
            )
    world.say(f"what obfuscation cost the thief: {reached[0] - reached[1]:+.3f} agreement")
    return 1.0


manual(
    "03.6",
    title="Write what the file holds",
    minutes=8,
    role="release manager",
    rubric=(
        (1, "Says which model files hold personal data or training rows, with the numbers measured in this lab."),
        (1, "Names controls for format, integrity and secrecy, and what each one does not stop."),
        (1, "Says plainly that obfuscation does not stop theft through the API, with the measured agreement."),
    ),
)
