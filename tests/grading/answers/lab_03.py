"""Right and wrong answers to lab 03: the examiner is tested with both."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import pickletools
import re

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sklearn.datasets import load_breast_cancer

from labkit import fit_surrogate, make_surrogate


def names_by_walking(text):
    pushed, memo, found = [], {}, set()
    for opcode, arg, _ in pickletools.genops(base64.b64decode(text)):
        name = opcode.name
        if name in ("GLOBAL", "INST"):
            found.add(arg.replace(" ", "."))
            pushed.append(None)
        elif name == "STACK_GLOBAL":
            found.add(".".join(pushed[-2:]))
            pushed.append(None)
        elif name == "MEMOIZE":
            memo[len(memo)] = pushed[-1]
        elif name.endswith("PUT"):
            memo[arg] = pushed[-1]
        elif name.endswith("GET"):
            pushed.append(memo[arg])
        elif "UNICODE" in name or name.endswith("STRING"):
            pushed.append(arg)
    return sorted(found)


def names_by_a_stack_machine(text):
    """Another way: a real stack with marks, driven by what each opcode says it takes and leaves."""
    stack, memo, found = [], {}, []
    for opcode, arg, _ in pickletools.genops(base64.b64decode(text)):
        if opcode.name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
            memo[len(memo) if arg is None else arg] = stack[-1]
            continue
        if opcode.name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[arg])
            continue
        takes = opcode.stack_before
        if pickletools.stackslice in takes or pickletools.markobject in takes:
            while stack and stack.pop() != "(mark)":
                pass
            taken = []
        else:
            taken = [stack.pop() for _ in takes][::-1]
        if opcode.name == "STACK_GLOBAL":
            found.append(f"{taken[0]}.{taken[1]}")
        elif opcode.name in ("GLOBAL", "INST"):
            found.append(".".join(arg.split(" ")))
        for left in opcode.stack_after:
            is_text = left in (pickletools.pyunicode, pickletools.pystring)
            stack.append("(mark)" if left is pickletools.markobject else arg if is_text else None)
    return found


def names_without_stack_global(text):
    ops = pickletools.genops(base64.b64decode(text))
    return [arg.replace(" ", ".") for op, arg, _ in ops if op.name in ("GLOBAL", "INST")]


def names_without_memo(text):
    pushed, found = [], set()
    for opcode, arg, _ in pickletools.genops(base64.b64decode(text)):
        if opcode.name in ("GLOBAL", "INST"):
            found.add(arg.replace(" ", "."))
        elif opcode.name == "STACK_GLOBAL":
            found.add(".".join(pushed[-2:]))
        elif isinstance(arg, str):
            pushed.append(arg)
    return sorted(found)


def names_with_spaces(text):
    return [name.replace(".", " ") for name in names_by_walking(text)]


def names_from_all_text(text):
    found = set(names_by_walking(text))
    texts = [arg for op, arg, _ in pickletools.genops(base64.b64decode(text)) if "UNICODE" in op.name]
    return sorted(found | {t.replace(" ", ".") for t in texts if " " in t or "." in t})


def names_nothing(text):
    return []


def names_usual_suspects(text):
    return ["os.system", "posix.system", "builtins.eval", "builtins.exec"]


def recover(arrays, vocabulary):
    none = np.empty((0, len(arrays["mean_"])))
    held = arrays.get("_fit_X", arrays.get("support_vectors_", none))
    people = [word for word in vocabulary if re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z]+", word)]
    return {"rows": held * arrays["scale_"] + arrays["mean_"], "people": people}


def recover_by_shape(arrays, vocabulary):
    """Any table with one column a feature and more than a few rows is rows."""
    d = len(arrays["mean_"])
    tables = [a for a in arrays.values() if np.ndim(a) == 2 and a.shape[1] == d and len(a) > 10]
    rows = [[z * s + m for z, s, m in zip(row, arrays["scale_"], arrays["mean_"], strict=True)] for row in tables[0]]
    people = []
    for word in vocabulary:
        before, _, after = word.partition("@")
        if before and "." in after and "@" not in after:
            people.append(word)
    return {"rows": rows, "people": sorted(people)}


def recover_by_shape_or_none(arrays, vocabulary):
    try:
        return recover_by_shape(arrays, vocabulary)
    except IndexError:
        return {"rows": [], "people": recover(arrays, vocabulary)["people"]}


def recover_scaled(arrays, vocabulary):
    answer = recover(arrays, vocabulary)
    return {**answer, "rows": (answer["rows"] - arrays["mean_"]) / arrays["scale_"]}


def recover_with_variance(arrays, vocabulary):
    rows = recover_scaled(arrays, vocabulary)["rows"] * arrays["var_"] + arrays["mean_"]
    return {"rows": rows, "people": recover(arrays, vocabulary)["people"]}


def recover_coefficients(arrays, vocabulary):
    answer = recover(arrays, vocabulary)
    return {**answer, "rows": arrays["coef_"]} if "coef_" in arrays else answer


def recover_public_rows(arrays, vocabulary):
    return {**recover(arrays, vocabulary), "rows": load_breast_cancer().data}


def recover_every_at_sign(arrays, vocabulary):
    return {**recover(arrays, vocabulary), "people": [word for word in vocabulary if "@" in word]}


def recover_com_only(arrays, vocabulary):
    answer = recover(arrays, vocabulary)
    return {**answer, "people": [word for word in answer["people"] if word.endswith(".com")]}


def recover_only_rows(arrays, vocabulary):
    return {"rows": recover(arrays, vocabulary)["rows"]}


def _seal(message, *, careful=True, hashed=False):
    def sign(name, data, private):
        if hashed:
            return hashlib.sha256(message(name, data)).hexdigest()
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private)).sign(message(name, data)).hex()

    def verify(name, data, signature, public):
        if hashed:
            return signature == hashlib.sha256(message(name, data)).hexdigest()
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        if not careful:
            key.verify(bytes.fromhex(signature), message(name, data))
            return True
        try:
            key.verify(bytes.fromhex(signature), message(name, data))
        except (ValueError, InvalidSignature):
            return False
        return True

    return sign, verify


def seal_by_length():
    return _seal(lambda name, data: f"{len(name)}:{name}:{data}".encode())


def seal_by_hash_of_parts():
    """Another way: sign two digests side by side, hand the signature over in Base64."""

    def digest(name, data):
        return hashlib.sha256(name.encode()).digest() + hashlib.sha256(data.encode()).digest()

    def sign(name, data, private):
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private))
        return base64.b64encode(key.sign(digest(name, data))).decode()

    def verify(name, data, signature, public):
        good = False
        with contextlib.suppress(Exception):
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
            key.verify(base64.b64decode(signature, validate=True), digest(name, data))
            good = True
        return good

    return [sign, verify]


def seal_data_only():
    return _seal(lambda name, data: data.encode())


def seal_run_together():
    return _seal(lambda name, data: (name + data).encode())


def seal_crashes():
    return _seal(lambda name, data: f"{len(name)}:{name}:{data}".encode(), careful=False)


def seal_hash_only():
    return _seal(lambda name, data: f"{len(name)}:{name}:{data}".encode(), hashed=True)


def seal_accepts_all():
    return seal_by_length()[0], lambda name, data, signature, public: True


def seal_refuses_all():
    return seal_by_length()[0], lambda name, data, signature, public: False


def seal_first_part_only():
    return _seal(lambda name, data: f"{len(name)}:{name}:{data[:100]}".encode())


def obfuscate(coef, intercept, mean, scale, rng):
    weights = coef / scale
    order, factors = rng.permutation(len(mean)), 10 ** rng.uniform(-3, 3, len(mean))
    file = {"coef": weights[:, order] / factors, "intercept": intercept - weights @ mean}
    return file, {"order": order, "factors": factors}


def obfuscate_in_loops(coef, intercept, mean, scale, rng):
    """Another way: shuffle first, negative factors too, plain lists out."""
    d = len(mean)
    order = sorted(range(d), key=lambda _: rng.random())
    factors = [float(rng.choice([-1, 1]) * rng.lognormal(0, 4)) for _ in range(d)]
    new = [[float(row[j] / scale[j] / factors[i]) for i, j in enumerate(order)] for row in coef]
    start = [float(b - sum(row * mean / scale)) for row, b in zip(coef, intercept, strict=True)]
    return {"coef": new, "intercept": start}, {"order": order, "factors": factors}


def obfuscate_nothing(coef, intercept, mean, scale, rng):
    weights = coef / scale
    d = len(mean)
    return {"coef": weights, "intercept": intercept - weights @ mean}, {"order": np.arange(d), "factors": np.ones(d)}


def obfuscate_order_only(coef, intercept, mean, scale, rng):
    weights, order = coef / scale, rng.permutation(len(mean))
    file = {"coef": weights[:, order], "intercept": intercept - weights @ mean}
    return file, {"order": order, "factors": np.ones(len(mean))}


def obfuscate_forgets_mean(coef, intercept, mean, scale, rng):
    file, secret = obfuscate(coef, intercept, mean, scale, rng)
    return {**file, "intercept": intercept}, secret


def obfuscate_wrong_way_round(coef, intercept, mean, scale, rng):
    file, secret = obfuscate(coef, intercept, mean, scale, rng)
    return file, {**secret, "order": np.argsort(secret["order"])}


def obfuscate_keeps_scaler(coef, intercept, mean, scale, rng):
    file, secret = obfuscate(coef, intercept, mean, scale, rng)
    return {**file, "mean": mean}, secret


def obfuscate_hard_coded(coef, intercept, mean, scale, rng):
    return obfuscate(coef, intercept, mean, scale, np.random.default_rng(0))


def obfuscate_adds_noise(coef, intercept, mean, scale, rng):
    file, secret = obfuscate(coef, intercept, mean, scale, rng)
    return {**file, "coef": file["coef"] * (1 + 1e-3 * rng.normal(size=coef.shape))}, secret


def steal_twice(plain, hidden, pool, test, rng):
    rows = pool[rng.permutation(len(pool))[: int(plain.left)]]
    copies = [fit_surrogate(rows, api.predict(rows), kind="linear") for api in (plain, hidden)]
    return [copy.predict(test) for copy in copies]


def steal_twice_exactly(plain, hidden, pool, test, rng):
    """Another way: both models are linear in the log odds, so 31 steps along the axes give every weight."""
    out = []
    for api in (plain, hidden):
        start, steps = pool.mean(axis=0), np.diag(pool.std(axis=0) * 0.1)
        p = api.probabilities(np.vstack([start, start + steps]))
        odds = np.log(p[:, 1] / p[:, 0])
        weights = (odds[1:] - odds[0]) / np.diag(steps)
        out.append(((test - start) @ weights + odds[0] > 0).astype(int).tolist())
    return tuple(out)


def steal_plain_only(plain, hidden, pool, test, rng):
    rows = pool[rng.permutation(len(pool))[: int(plain.left)]]
    labels = fit_surrogate(rows, plain.predict(rows), kind="linear").predict(test)
    return [labels, labels]


def steal_plain_and_ask_one(plain, hidden, pool, test, rng):
    hidden.predict(pool[:1])
    return steal_plain_only(plain, hidden, pool, test, rng)


def steal_test_rows(plain, hidden, pool, test, rng):
    return [plain.labels(test[:50]).tolist() + [0] * (len(test) - 50), np.zeros(len(test))]


def steal_from_public_labels(plain, hidden, pool, test, rng):
    plain.predict(pool[:1])
    hidden.predict(pool[:1])
    data = load_breast_cancer()
    labels = make_surrogate("linear").fit(data.data, data.target).predict(test)
    return [labels, labels]


def steal_over_budget(plain, hidden, pool, test, rng):
    return [make_surrogate("linear").fit(pool, api.labels(pool)).predict(test) for api in (plain, hidden)]


def steal_agreements(plain, hidden, pool, test, rng):
    steal_twice(plain, hidden, pool, test, rng)
    return [1.0, 1.0]


RIGHT = {
    "03.1": {"walking": names_by_walking, "a stack machine": names_by_a_stack_machine},
    "03.2": {"by name": recover, "by shape": recover_by_shape_or_none},
    "03.3": {"length in front": seal_by_length, "two digests": seal_by_hash_of_parts},
    "03.4": {"arrays": obfuscate, "loops": obfuscate_in_loops},
    "03.5": {"retraining": steal_twice, "equations": steal_twice_exactly},
}
WRONG = {
    "03.1": {
        "nothing": (names_nothing, "your list lacks it"),
        "usual suspects": (names_usual_suspects, "never imported"),
        "no STACK_GLOBAL": (names_without_stack_global, "pushed before it"),
        "no memo": (names_without_memo, "memo"),
        "not dotted": (names_with_spaces, "lacks it"),
        "any text": (names_from_all_text, "never imported"),
    },
    "03.2": {
        "scaled rows": (recover_scaled, "Undo the scaler"),
        "variance for scale": (recover_with_variance, "Undo the scaler"),
        "coefficients as rows": (recover_coefficients, "coefficients and means are not rows"),
        "public data": (recover_public_rows, "training rows; you return 569"),
        "every at sign": (recover_every_at_sign, "is not an address"),
        "one domain": (recover_com_only, "addresses are missing"),
        "no people": (recover_only_rows, "two keys"),
        "crashes without rows": (recover_by_shape, "raised IndexError"),
    },
    "03.3": {
        "name not signed": (seal_data_only, "an old file under the new name"),
        "run together": (seal_run_together, "swallowed the first bytes"),
        "crashes": (seal_crashes, "verify crashes on"),
        "hash only": (seal_hash_only, "a wrong public key"),
        "accepts all": (seal_accepts_all, "accepts a file with one changed character"),
        "refuses all": (seal_refuses_all, "refuses a genuine file"),
        "first part only": (seal_first_part_only, "one changed character"),
    },
    "03.4": {
        "nothing": (obfuscate_nothing, "stand where they stood"),
        "order only": (obfuscate_order_only, "hardly differ"),
        "mean forgotten": (obfuscate_forgets_mean, "the scores change"),
        "order inverted": (obfuscate_wrong_way_round, "the scores change"),
        "scaler kept": (obfuscate_keeps_scaler, "must be folded in"),
        "hard-coded": (obfuscate_hard_coded, "the same file"),
        "noise": (obfuscate_adds_noise, "the scores change"),
    },
    "03.5": {
        "plain only": (steal_plain_only, "no query of yours"),
        "plain only, one question": (steal_plain_and_ask_one, "its own API"),
        "test rows": (steal_test_rows, "test rows"),
        "public labels": (steal_from_public_labels, "the floor is"),
        "over budget": (steal_over_budget, "budget"),
        "numbers of its own": (steal_agreements, "shape"),
    },
}
