"""The door over HTTP: deny by default, each role its digits and rows, the key room for those who keep keys."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from targets import Defence, Query, Refused, TargetConfig, create_app
from targets.__main__ import main
from targets.access import DEFAULT_POLICY, KeyAuthority, Policy, Role
from targets.access.keys import fingerprint, make_key
from targets.defences import parse_defence
from targets.defences.by_role import DAY, ByRole

SETTINGS = ["account", "role", "days", "ticket", "overlap"]
ROLES = tuple(DEFAULT_POLICY.roles)
NOON = 20_000 * DAY + DAY / 2


class Clock:
    now = NOON

    def __call__(self) -> float:
        return self.now


class Firm:
    """An authority, a key for each role, and a client of the target behind it."""

    def __init__(self, client_for: Callable[..., FlaskClient], **settings: object):
        self.clock = Clock()
        self.authority = KeyAuthority(clock=self.clock, **settings.pop("authority", {}))  # type: ignore[arg-type]
        self.keys = {role: self.authority.issue(f"{role}-1", role, actor="kim") for role in self.authority.policy.roles}
        self.client = client_for(keys=self.authority, clock=self.clock, **settings)
        self.rows = json.loads(self.client.get("/lab/data/pool").data)["rows"]

    def call(self, endpoint: str, role: str | None = None, body: object = None, key: str | None = None):
        method, path = endpoint.split(" ")
        key = self.keys[role].key if role else key
        headers = {} if key is None else {"X-API-Key": key}
        extra = {} if body is None else {"json": body}
        return self.client.open(path, method=method, headers=headers, **extra)

    def ask(self, role: str, count: int = 1):
        return self.call("POST /v1/predict", role, {"rows": (self.rows * 8)[:count]})


@pytest.fixture
def firm(client_for: Callable[..., FlaskClient]) -> Iterator[Firm]:
    firm = Firm(client_for)
    yield firm
    firm.authority.close()


def routes(firm: Firm) -> list[str]:
    return sorted(
        f"{method} {rule.rule}"
        for rule in firm.client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    )


def bodies(endpoint: str, firm: Firm) -> object:
    return {
        "POST /v1/predict": {"rows": firm.rows[:1]},
        "POST /v1/keys": {"account": "new", "role": "teller"},
        "POST /v1/keys/<id>/rotate": {},
    }.get(endpoint)


def test_every_route_answers_each_role_as_the_policy_says_and_nothing_else(firm: Firm) -> None:
    policy = firm.authority.policy
    for endpoint in routes(firm):
        for role in (*ROLES, None):
            spare = firm.authority.issue("spare", "teller", actor="kim").record.id
            reply = firm.call(endpoint.replace("<id>", spare), role, bodies(endpoint, firm))
            allowed = policy.is_public(endpoint) or (role is not None and policy.allows(role, endpoint))
            wanted = {200} if allowed else {403} if role else {401}
            assert reply.status_code in wanted, (endpoint, role, reply.data)


def test_the_policy_names_only_routes_that_exist(firm: Firm) -> None:
    named = {e for role in DEFAULT_POLICY.roles.values() for e in role.endpoints} | set(DEFAULT_POLICY.public)
    assert named == set(routes(firm))


def test_a_route_that_no_role_names_is_closed_to_all(client_for: Callable[..., FlaskClient]) -> None:
    policy = Policy({"guest": Role(("GET /v1/usage",))}, public=("GET /lab/data/pool",))
    firm = Firm(client_for, authority={"policy": policy})
    closed = [e for e in routes(firm) if firm.call(e.replace("<id>", "x"), "guest").status_code == 403]
    assert set(closed) == set(routes(firm)) - {"GET /v1/usage", "GET /lab/data/pool"}
    firm.authority.close()


def test_head_is_as_closed_as_get_and_no_method_gets_by(firm: Firm) -> None:
    assert firm.call("HEAD /v1/keys").status_code == 401
    assert firm.call("HEAD /v1/keys", "auditor").status_code == 200
    assert firm.call("OPTIONS /v1/keys").status_code == 401
    assert firm.call("PATCH /v1/keys", "auditor").status_code == 405
    assert firm.call("GET /v1/nowhere", "auditor").status_code == 404


def test_refusals_are_problems_that_say_what_to_do(firm: Firm) -> None:
    for reply, status, words in (
        (firm.call("GET /v1/usage"), 401, "this target wants an API key"),
        (firm.call("GET /v1/usage", key="hunter2"), 401, "this API key is not known"),
        (firm.call("GET /v1/keys", "teller"), 403, "your role, teller, may not GET /v1/keys"),
        (firm.call("DELETE /v1/keys/nobody", "key_admin"), 404, "no key has the id 'nobody'"),
        (firm.call("POST /v1/keys", "key_admin", {"account": "a", "role": "root"}), 422, "no role is named 'root'"),
        (firm.call("POST /v1/keys", "key_admin", {"role": "teller"}), 422, "account is missing"),
        (firm.call("POST /v1/keys", "key_admin", [1]), 422, "not a JSON object"),
        (firm.call("POST /v1/keys", "key_admin", {"account": "a", "role": "teller", "admin": 1}), 422, "no setting"),
        (firm.call("POST /v1/keys", "key_admin", {"account": 7, "role": "teller"}), 422, "account is 1 to 64"),
        (firm.call("POST /v1/keys", "key_admin", {"account": "a", "role": ["x"]}), 422, "no role is named"),
        (firm.call("POST /v1/keys", "key_admin", {"account": "a", "role": "teller", "days": "9"}), 422, "days is"),
    ):
        body = json.loads(reply.data)
        assert (reply.status_code, reply.mimetype) == (status, "application/problem+json")
        assert words in body["detail"]
        assert body["next_step"]
        assert ("WWW-Authenticate" in reply.headers) == (status == 401)


def test_each_role_gets_its_digits(firm: Firm) -> None:
    full = json.loads(firm.ask("scientist", 20).data)
    rounded = json.loads(firm.ask("analyst", 20).data)
    labels = json.loads(firm.ask("teller", 20).data)
    assert np.round(full["probabilities"], 2).tolist() == rounded["probabilities"] != full["probabilities"]
    assert labels["probabilities"] is None
    assert full["labels"] == rounded["labels"] == labels["labels"]
    outputs = [json.loads(firm.call("GET /v1/model", role).data)["output"] for role in ("scientist", "teller", None)]
    assert outputs == ["probabilities", "labels", "probabilities"]


class Wobble(Defence):
    def after(self, query: Query, probabilities: np.ndarray) -> np.ndarray:
        return probabilities * 0.999 + 0.0001234


def test_a_key_whose_role_the_policy_lost_opens_only_what_is_public(
    client_for: Callable[..., FlaskClient], tmp_path: Path
) -> None:
    url, pepper = f"sqlite:///{tmp_path / 'keys.db'}", b"sixteen bytes at least"
    before = KeyAuthority(url, pepper=pepper)
    key = before.issue("alice", "scientist", actor="kim").key
    before.close()
    after = KeyAuthority(url, pepper=pepper, policy=Policy({"teller": Role()}, public=("GET /v1/model",)))
    client = client_for(keys=after)
    assert client.get("/v1/usage", headers={"X-API-Key": key}).status_code == 403
    assert json.loads(client.get("/v1/model", headers={"X-API-Key": key}).data)["output"] == "labels"
    after.close()


def test_no_defence_adds_digits_after_the_role(client_for: Callable[..., FlaskClient]) -> None:
    firm = Firm(client_for, defences=(Wobble(),))
    got = np.array(json.loads(firm.ask("analyst", 20).data)["probabilities"])
    assert (np.round(got, 2) == got).all()
    firm.authority.close()


def test_a_defence_sees_the_key_id_and_the_role_never_the_key(client_for: Callable[..., FlaskClient]) -> None:
    seen: list[Query] = []

    class Diary(Defence):
        def before(self, query: Query) -> None:
            seen.append(query)

    firm = Firm(client_for, defences=(Diary(),))
    firm.ask("analyst")
    new = firm.keys["analyst"]
    assert (seen[0].key, seen[0].role) == (new.record.id, "analyst")
    records = firm.client.application.extensions["query_log"].records()
    assert [record.key for record in records] == [new.record.id]
    assert new.key not in repr(records) + repr(seen) + firm.client.get("/docs").text
    firm.authority.close()


def test_refused_predictions_are_on_record_under_no_name_a_client_chose(firm: Firm) -> None:
    firm.call("POST /v1/predict", key="hunter2", body={"rows": firm.rows[:1]})
    firm.call("POST /v1/predict", "auditor", {"rows": firm.rows[:1]})
    records = firm.client.application.extensions["query_log"].records()
    assert [(r.verdict, r.key) for r in records] == [("invalid", "unknown")] * 2
    assert "may not POST /v1/predict" in records[1].reason
    assert [line.event for line in firm.authority.trail()][-2:] == ["refused", "refused"]


def test_the_days_rows_run_out_and_come_back_at_midnight(firm: Firm) -> None:
    assert firm.ask("teller", 200).status_code == 200
    reply = firm.ask("teller")
    assert reply.status_code == 429
    assert "200 rows a day; 0 are left and 1 were asked" in json.loads(reply.data)["detail"]
    assert reply.headers["Retry-After"] == str(DAY // 2)
    firm.clock.now = 20_001 * DAY - 0.5
    assert firm.ask("teller").headers["Retry-After"] == "1"
    firm.clock.now = 20_001 * DAY
    assert firm.ask("teller", 200).status_code == 200
    firm.clock.now -= DAY  # set back: no fresh day
    assert firm.ask("teller").status_code == 429


def test_a_refused_batch_costs_nothing_and_a_smaller_one_fits(firm: Firm) -> None:
    assert firm.ask("teller", 201).status_code == 429
    assert firm.ask("teller", 200).status_code == 200


def test_rotating_a_key_brings_no_second_budget(firm: Firm) -> None:
    assert firm.ask("teller", 150).status_code == 200
    new = firm.authority.rotate(firm.keys["teller"].record.id, actor="kim")
    body = {"rows": (firm.rows * 2)[:51]}
    assert firm.call("POST /v1/predict", key=new.key, body=body).status_code == 429
    assert firm.call("POST /v1/predict", key=new.key, body={"rows": firm.rows[:50]}).status_code == 200


def test_a_restart_forgives_no_row(client_for: Callable[..., FlaskClient], tmp_path: Path) -> None:
    log = f"sqlite:///{tmp_path / 'log.db'}"
    firm = Firm(client_for, log_url=log)
    assert firm.ask("teller", 150).status_code == 200
    firm.client = client_for(keys=firm.authority, clock=firm.clock, log_url=log)
    assert firm.ask("teller", 51).status_code == 429
    assert firm.ask("teller", 50).status_code == 200
    firm.authority.close()


def test_eight_threads_never_get_more_than_the_budget() -> None:
    limits = ByRole(Policy({"teller": Role(output="labels", rows_a_day=100)}), lambda key: "one account")
    granted: list[int] = []

    def ask(key: str) -> None:
        for _ in range(40):
            try:
                limits.before(Query(np.zeros((3, 2)), key, time=NOON, role="teller"))
                granted.append(3)
            except Refused:
                pass

    threads = [threading.Thread(target=ask, args=(f"key {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 99


def test_an_unknown_role_sees_least() -> None:
    by_role = ByRole(DEFAULT_POLICY, lambda key: key)
    query = Query(np.zeros((1, 2)), role="nobody")
    assert by_role.hides_from(query)
    assert by_role.after(query, np.array([[0.3, 0.7]])).tolist() == [[0.0, 1.0]]


def test_the_key_room_issues_rotates_revokes_and_shows_a_key_once(firm: Firm) -> None:
    made = firm.call("POST /v1/keys", "key_admin", {"account": "bob", "role": "analyst", "days": 1, "ticket": "T-1"})
    assert (made.status_code, made.headers["Cache-Control"]) == (200, "no-store")
    old = json.loads(made.data)
    ask = {"rows": firm.rows[:1]}
    assert firm.call("POST /v1/predict", key=old["key"], body=ask).status_code == 200
    new = json.loads(firm.call(f"POST /v1/keys/{old['id']}/rotate", "key_admin", {"overlap": 60}).data)
    assert [firm.call("POST /v1/predict", key=k["key"], body=ask).status_code for k in (old, new)] == [200, 200]
    assert firm.call(f"DELETE /v1/keys/{old['id']}", "key_admin").status_code == 200
    assert [firm.call("POST /v1/predict", key=k["key"], body=ask).status_code for k in (old, new)] == [401, 200]
    listed = firm.call("GET /v1/keys", "auditor").text
    trail = firm.call("GET /v1/audit", "auditor").text
    assert {k["id"]: k["state"] for k in json.loads(listed)["keys"]}[old["id"]] == "revoked"
    assert not any(k["key"][17:] in listed + trail or "digest" in listed for k in (old, new))
    done = [(line["event"], line["actor"]) for line in json.loads(trail)["lines"][-4:]]
    by_admin = [(event, "key_admin-1") for event in ("issued", "rotated", "revoked")]
    assert done == [*by_admin, ("refused", "unknown")]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(SETTINGS) | st.text(), inner, max_size=5)
    ),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=ANYTHING, whole=st.booleans(), path=st.sampled_from(["/v1/keys", "/v1/keys/abc/rotate"]))
def test_no_body_makes_the_key_room_stumble(firm: Firm, body: object, whole: bool, path: str) -> None:
    if whole and isinstance(body, dict):
        body = {"account": "a", "role": "teller", **body}
    assert firm.call(f"POST {path}", "key_admin", body).status_code in (200, 400, 404, 415, 422)


@pytest.mark.parametrize("id", ["%00", "%ff", "%ed%a0%80", "a" * 3000, "..%2f"])
def test_no_id_makes_the_key_room_stumble(firm: Firm, id: str) -> None:
    assert firm.call(f"DELETE /v1/keys/{id}", "key_admin").status_code in (404, 405)


@pytest.mark.parametrize("endpoint", ["GET /v1/keys", "GET /v1/audit", "POST /v1/keys"])
def test_the_key_room_is_described_truly(firm: Firm, endpoint: str) -> None:
    document = json.loads(firm.client.get("/openapi.json").data)
    validate(document)
    method, path = endpoint.split(" ")
    schema = document["paths"][path][method.lower()]["responses"]["200"]["content"]["application/json"]["schema"]
    role = "auditor" if method == "GET" else "key_admin"
    reply = firm.call(endpoint, role, bodies(endpoint, firm))
    Draft202012Validator({**schema, "components": document["components"]}).validate(json.loads(reply.data))
    assert document["paths"]["/v1/keys/{id}"]["delete"]["parameters"][0]["name"] == "id"


def test_a_target_without_an_authority_has_no_key_room(client: FlaskClient) -> None:
    assert client.get("/v1/keys").status_code == 404


def test_a_door_by_text_opens_for_the_first_key_and_its_policy(client_for: Callable[..., FlaskClient]) -> None:
    id, key = make_key()
    policy = {"roles": {"key_admin": {"endpoints": ["GET /v1/keys"]}}, "public": []}
    text = base64.urlsafe_b64encode(json.dumps(policy).encode()).decode().rstrip("=")
    door = parse_defence(f"door:first_key={id}:{fingerprint(key).hex()},policy={text}")
    client = client_for(defences=(door,))
    assert client.get("/v1/keys", headers={"X-API-Key": key}).status_code == 200
    assert client.get("/health").status_code == 401
    client.application.extensions["target"].config.keys.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("door:first_key=abc", "written id:sha256"),
        ("door:policy=???", "policy is JSON in URL-safe Base64"),
        ("door:policy=e30", 'a policy is {"roles"'),
        ("door:store=nowhere", "the key store cannot be opened"),
        ("door:key=abc", "has no setting 'key'; it has first_key, policy, store"),
    ],
)
def test_a_door_that_cannot_open_says_why(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"door|key|policy") as refused:
        create_app(TargetConfig(victim="tumour", defences=(parse_defence(text),)))
    assert words in str(refused.value)


def test_the_command_line_makes_a_first_key_and_the_door_that_knows_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key"]) == 0
    key, *_, door = capsys.readouterr().out.split()
    config = TargetConfig(victim="tumour", defences=(parse_defence(door),))
    assert isinstance(config.keys, KeyAuthority)
    assert config.keys.verify(key).role == "key_admin"
    config.keys.close()


def test_a_target_has_one_door() -> None:
    with pytest.raises(ValueError, match="one door"):
        TargetConfig(keys=frozenset({"k"}), defences=(parse_defence("door"),))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], 'a policy is {"roles"'),
        ({"roles": []}, 'a policy is {"roles"'),
        ({"roles": {}, "rules": 1}, "not 'rules'"),
        ({"roles": {"a": []}}, "role a: give its settings as a dictionary"),
        ({"roles": {"a": {"endpoints": "POST /v1/predict"}}}, "endpoints is a list of text"),
        ({"roles": {"a": {"endpoints": ["*"]}}}, "there is no wildcard"),
        ({"roles": {"a": {"endpoints": ["post /v1/predict"]}}}, 'written "METHOD /path"'),
        ({"roles": {"a": {"output": "all"}}}, "output is one of labels, probabilities"),
        ({"roles": {"a": {"output": "labels", "decimals": 2}}}, "decimals belong to probabilities"),
        ({"roles": {"a": {"rows_a_day": -1}}}, "rows_a_day is a whole number"),
        ({"roles": {"a": {"rows_a_day": 1.5}}}, "rows_a_day is a whole number"),
        ({"roles": {"a": {"admin": True}}}, "role a has no setting 'admin'"),
        ({"roles": {"a b": {}}}, "a role's name is 1 to 32"),
        ({"roles": {}, "public": ["everything"]}, 'written "METHOD /path"'),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(data: object, words: str) -> None:
    with pytest.raises(ValueError, match=r"policy|role|endpoint") as refused:
        Policy.from_data(data)
    assert words in str(refused.value)


def test_a_policy_survives_its_way_through_json() -> None:
    assert Policy.from_data(json.loads(json.dumps(DEFAULT_POLICY.to_data()))) == DEFAULT_POLICY
    assert not DEFAULT_POLICY.allows("nobody", "POST /v1/predict")
    assert not Policy({"a": Role()}).allows("a", "GET /health")
