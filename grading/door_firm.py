"""The firm of exercise 05.3: an honest week through the real door, then a knock at every door nobody needs."""

from __future__ import annotations

from typing import Any

import numpy as np

from grading.world import World
from targets.access import KeyAuthority, Policy

DAY = 86_400.0
_ASK = ("POST /v1/predict", "GET /v1/usage")
# For each job: what it calls, what it must see of a row, rows on its busiest day.
POLICY_JOBS: dict[str, tuple[tuple[str, ...], str, int | None, int]] = {
    "branch": (_ASK, "labels", None, 120),
    "analyst": (_ASK, "probabilities", 2, 400),
    "model_team": (_ASK, "probabilities", None, 3_000),
    "operator": (("GET /metrics",), "", None, 0),
    "auditor": (("GET /v1/audit", "GET /v1/keys"), "", None, 0),
    "key_admin": (
        ("GET /v1/keys", "POST /v1/keys", "POST /v1/keys/<id>/rotate", "DELETE /v1/keys/<id>"), "", None, 0,
    ),
}  # fmt: skip
PUBLIC = ("GET /health", "GET /v1/model")
HEADROOM = 1.5


class Firm:
    """A target behind the learner's policy, with one account for each job and a clock that the week turns."""

    def __init__(self, world: World, policy: Policy):
        self._now = 20_000 * DAY
        self._authority = KeyAuthority(policy=policy, clock=lambda: self._now)
        self._policy = policy
        self._keys = {job: self._authority.issue(job, job, actor="judge") for job in POLICY_JOBS}
        self._target = world.target("tumour", keys=self._authority, clock=lambda: self._now)
        self._rng = world.rng("week")
        self._rows = self._target.victim.pool.X

    def week_of_work(self) -> tuple[list[str], int]:
        """Sentences about honest calls that failed, and how many calls were made."""
        failed, calls = [], 0
        for day in range(5):
            for job, (endpoints, output, decimals, peak) in POLICY_JOBS.items():
                for endpoint in endpoints:
                    rows = peak if day == 2 else int(peak * self._rng.uniform(0.2, 0.9))
                    reply = self._call(endpoint, job, rows)
                    calls += 1
                    failed += self._complaint(reply, endpoint, job, rows, output, decimals)
            for endpoint in PUBLIC:
                calls += 1
                if self._target.send(*endpoint.split(" "), key="").status != 200:
                    failed.append(f"A stranger's {endpoint} is refused, and customers' monitors need it")
            self._now += DAY
        return failed, calls

    def over_grants(self) -> tuple[list[str], int]:
        """Sentences about what is granted and not needed, and how many doors were knocked at."""
        found, knocks = [], 0
        for job, (endpoints, output, decimals, peak) in POLICY_JOBS.items():
            for endpoint in _ROUTES:
                if endpoint in endpoints or endpoint in PUBLIC or endpoint in self._policy.public:
                    continue
                knocks += 1
                if self._call(endpoint, job, 1).status not in (401, 403):
                    found.append(f"The role {job} gets through {endpoint}, which its job does not need")
            found += self._too_much(job, output, decimals, peak)
        for endpoint in _ROUTES:
            knocks += 1
            if endpoint not in PUBLIC and self._policy.is_public(endpoint):
                found.append(f"{endpoint} is open to strangers, and no customer needs that")
        named = {e for role in self._policy.roles.values() for e in role.endpoints} | set(self._policy.public)
        found += [f"The policy names {e}, and this target has no such route" for e in sorted(named - set(_ROUTES))]
        return found, knocks

    def close(self) -> None:
        """Let go of the authority's store."""
        self._authority.close()

    def _too_much(self, job: str, output: str, decimals: int | None, peak: int) -> list[str]:
        role = self._policy.roles[job]
        if not output:
            return []
        found = []
        if output == "labels" and role.output != "labels":
            found.append(f"The role {job} sees probabilities; its job needs the label alone")
        if decimals is not None and role.output != "labels" and (role.decimals is None or role.decimals > decimals):
            found.append(f"The role {job} sees more than {decimals} decimals")
        if role.rows_a_day is None or role.rows_a_day > HEADROOM * peak:
            have = "no limit of rows" if role.rows_a_day is None else f"{role.rows_a_day:,} rows a day"
            found.append(
                f"The role {job} has {have}; its busiest day takes {peak:,}, and half as much again is room enough"
            )
        return found

    def _call(self, endpoint: str, job: str, rows: int) -> Any:
        method, path = endpoint.split(" ")
        body: Any = None
        if endpoint == "POST /v1/predict":
            return self._predict(job, rows)
        if "<id>" in path:
            spare = self._authority.issue("spare", job, actor="judge").record.id
            path, body = path.replace("<id>", spare), {} if method == "POST" else None
        elif endpoint == "POST /v1/keys":
            body = {"account": "newcomer", "role": job}
        return self._target.send(method, path, body, key=self._keys[job].key)

    def _predict(self, job: str, rows: int) -> Any:
        table = np.resize(self._rows, (rows, self._rows.shape[1]))
        for part in np.array_split(table, max(1, -(-rows // 1000))):
            reply = self._target.predict(part, key=self._keys[job].key)
            if reply.status != 200:
                return reply
        return reply

    def _complaint(
        self, reply: Any, endpoint: str, job: str, rows: int, output: str, decimals: int | None
    ) -> list[str]:
        if reply.status != 200:
            why = reply.body.get("detail", "") if isinstance(reply.body, dict) else ""
            asked = f" with {rows:,} rows" if endpoint == "POST /v1/predict" else ""
            return [f"Honest work fails: {job} calls {endpoint}{asked} and hears {reply.status}, {why}"]
        if endpoint != "POST /v1/predict" or output != "probabilities":
            return []
        shares = reply.body["probabilities"]
        if shares is None:
            return [f"Honest work fails: {job} sees labels only, and its job compares probabilities"]
        given = self._policy.roles[job].decimals
        if given is not None and (decimals is None or given < decimals):
            return [f"Honest work fails: {job} sees {given} decimals, too few for its job"]
        return []


_ROUTES = tuple(
    sorted(
        {endpoint for job in POLICY_JOBS.values() for endpoint in job[0]} | {*PUBLIC, "GET /docs", "GET /openapi.json"}
    )
)
