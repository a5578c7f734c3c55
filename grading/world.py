"""What is private to the judge and useful to an exercise: seeds, victims, targets and their logs."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import numpy as np

from grading.learner import Remote, Tagged
from grading.mounted import LearnerDefence
from labkit.metrics import fingerprint
from labkit.transport import Reply, WsgiTransport
from targets import Defence, Query, TargetConfig, Victim, create_app, load_victim

PUBLIC_SECRET = "self-study"


class ShuffledClasses(Defence):
    """Answers with the classes in another order: ``order[k]`` is the victim's class behind answer k. Not a defence but
    the examiner's trick: a copy must come from queries, not from data that anybody has.
    """

    def __init__(self, order: np.ndarray):
        self.order = np.asarray(order)

    def after(self, query: Query, probabilities: np.ndarray) -> np.ndarray:
        return probabilities[:, self.order]


class JudgeTarget:
    """A target on the judge's side, with its budget enforced and every row it was asked kept as the witness."""

    def __init__(self, number: int, victim: Victim, config: TargetConfig):
        self.number, self.victim, self.config = number, victim, config
        self.open = True
        self.budget: int | None = None
        self.asked: list[list[float]] = []
        self._app = create_app(config)
        self._transports: dict[str, WsgiTransport] = {}

    def api(self, *, budget: int | None, key: str = "learner") -> Tagged:
        """What the learner's function receives: an Api that buys at most ``budget`` rows here."""
        self.budget = budget
        return Tagged("__api__", {"target": self.number, "key": key, "budget": budget})

    def send(self, method: str, path: str, body: Any = None, *, key: str = "judge", source: str = "127.0.0.1") -> Reply:
        """One request of the judge's own thieves and customers, under any key, from any address; not budgeted.

        Raises the NotYet of a learner's defence that failed on it.
        """
        reply = self._from(source).send(method, path, body, {"X-API-Key": key})
        self._blame()
        return reply

    def predict(self, rows: np.ndarray, *, key: str = "judge", source: str = "127.0.0.1") -> Reply:
        """``send`` for rows (n, d)."""
        return self.send("POST", "/v1/predict", {"rows": np.asarray(rows).tolist()}, key=key, source=source)

    def _from(self, source: str = "127.0.0.1") -> WsgiTransport:
        """The line from this address, made once: the judge asks thousands of times."""
        if source not in self._transports:
            self._transports[source] = WsgiTransport(self._app, source=source)
        return self._transports[source]

    def _blame(self) -> None:
        for defence in self.config.defences:
            if isinstance(defence, LearnerDefence) and defence.failure:
                raise defence.failure

    @property
    def rows_bought(self) -> int:
        """Rows answered so far."""
        return len(self.asked)

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """What this target answers to ``rows``, (n,); for the judge's own measuring, not counted."""
        reply = self.predict(rows)
        return np.asarray(reply.body["labels"], dtype=int)

    def asked_any_of(self, rows: Any) -> int:
        """How many of ``rows`` were asked of this target (exact bytes)."""
        known = {fingerprint(row) for row in self.asked}
        return sum(fingerprint(row) in known for row in np.asarray(rows))

    def close(self) -> None:
        """Put the victim out of reach: from here on every request is refused."""
        self.open = False

    def serve(self, message: dict) -> dict:
        """Answer one request of the learner's side."""
        if not self.open:
            return _problem(403, "the theft is over: the target is out of reach now", "use only what you brought home")
        body = message["body"]
        rows = body.get("rows") if isinstance(body, dict) and message["method"] == "POST" else None
        count = len(rows) if isinstance(rows, list) else 0
        if self.budget is not None and len(self.asked) + count > self.budget:
            return _problem(429, f"the budget of {self.budget:,} rows is spent", "ask for fewer rows")
        reply = self._from().send(str(message["method"]), str(message["path"]), body, {"X-API-Key": "learner"})
        self._blame()
        if reply.status == 200 and count and rows is not None:
            self.asked.extend(rows)
        return {"status": reply.status, "body": reply.body, "headers": dict(reply.headers)}


class World:
    """The private, seeded world of one check.

    Self-study derives every seed from a public word; a course derives them from (secret, learner), so that a number
    copied from a neighbour, or written down from an earlier run, fails.
    """

    def __init__(self, exercise: str, *, secret: str = PUBLIC_SECRET, learner: str = ""):
        self.exercise = exercise
        self._key = hmac.new(secret.encode(), learner.encode(), hashlib.sha256).digest()
        self._targets: list[JudgeTarget] = []
        self.facts: list[str] = []
        self.victims: list[dict[str, Any]] = []

    def seed(self, label: str) -> int:
        """A seed for ``label``, the same at every check of this learner, unguessable without the secret."""
        return self._derive(f"{self.exercise}/{label}")

    def rng(self, label: str) -> np.random.Generator:
        """A generator for the judge's own draws."""
        return np.random.default_rng(self.seed(label))

    def rng_for_learner(self, label: str) -> Tagged:
        """A seeded generator to hand to the learner's function."""
        return Tagged("__rng__", self.seed(f"learner/{label}"))

    def victim(self, name: str, *, model: str | None = None) -> Victim:
        """A victim of this learner's own, the same in every exercise, so that it is fitted once."""
        seed = 1000 + self._derive(f"victim/{name}") % 1_000_000
        self.victims.append({"victim": name, "model": model, "seed": seed})
        return load_victim(name, seed=seed, model=model)

    def target(self, name: str, *, model: str | None = None, defences: tuple = (), **settings: Any) -> JudgeTarget:
        """A running target around ``victim(name)``, without a data room; ``settings`` are TargetConfig's."""
        victim = self.victim(name, model=model)
        config = TargetConfig(
            victim=name, model=model, seed=victim.seed, defences=defences, data_room=False, max_rows=1000, **settings
        )
        target = JudgeTarget(len(self._targets), victim, config)
        self._targets.append(target)
        return target

    def mounted(self, answer: Remote) -> LearnerDefence:
        """The defence that the learner's function returned, to be called or put into a target. NotYet if it is none."""
        return LearnerDefence(answer)

    def say(self, fact: str) -> None:
        """Add a line of fact to the learner's card: a count, an agreement."""
        self.facts.append(fact)

    def serve(self, message: dict) -> dict:
        """Answer a request from the learner's side to one of this world's targets."""
        number = message.get("target")
        if not isinstance(number, int) or not 0 <= number < len(self._targets):
            return _problem(404, "there is no such target", "use the api you were given")
        return self._targets[number].serve(message)

    def _derive(self, label: str) -> int:
        return int.from_bytes(hmac.new(self._key, label.encode(), hashlib.sha256).digest()[:4], "big") >> 1


def _problem(status: int, detail: str, step: str) -> dict:
    body = {"title": "Refused", "status": status, "detail": detail, "next_step": step}
    return {"status": status, "body": body, "headers": {}}
