"""The OpenAPI document is true: valid, complete, and what the app really answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from targets import TargetConfig, create_app, openapi
from targets.defences import LabelOnly


@pytest.mark.parametrize("settings", [{}, {"data_room": False}, {"defences": (LabelOnly(),)}, {"keys": {"k"}}])
def test_the_document_is_valid(client_for: Callable[..., FlaskClient], settings: dict) -> None:
    validate(json.loads(client_for(**settings).get("/openapi.json").data))


def test_every_route_is_documented_and_nothing_else(client: FlaskClient) -> None:
    paths = json.loads(client.get("/openapi.json").data)["paths"]
    routes = {
        (rule.rule, method.lower())
        for rule in client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    }
    assert {(path, method) for path, methods in paths.items() for method in methods} == routes
    assert ("/v1/predict", "post") in routes


def test_a_route_without_a_description_does_not_get_by(client: FlaskClient) -> None:
    app: Flask = create_app(TargetConfig(victim="tumour"))
    app.add_url_rule("/secret", view_func=lambda: "psst")
    with pytest.raises(ValueError, match="the route /secret has no description"):
        openapi.document(app)


@pytest.mark.parametrize(
    "path", ["/v1/model", "/v1/usage", "/health", "/lab/data/pool", "/lab/data/test", "/lab/data/fingerprints"]
)
def test_replies_match_their_schemas(client: FlaskClient, path: str) -> None:
    document = json.loads(client.get("/openapi.json").data)
    schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**schema, "components": document["components"]})
    validator.validate(json.loads(client.get(path).data))


@pytest.mark.parametrize("defences", [(), (LabelOnly(),)])
def test_an_answer_and_a_problem_match_their_schemas(
    client_for: Callable[..., FlaskClient], row: list[float], defences: tuple
) -> None:
    client = client_for(defences=defences)
    document = json.loads(client.get("/openapi.json").data)
    for rows, name in (([row], "Answer"), ([row[:-1]], "Problem")):
        reply = client.post("/v1/predict", json={"rows": rows})
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        Draft202012Validator(schema).validate(json.loads(reply.data))


def test_customers_paths_come_first(client: FlaskClient) -> None:
    paths = list(json.loads(client.get("/openapi.json").data)["paths"])
    assert paths[:3] == ["/v1/model", "/v1/predict", "/v1/usage"]


def test_the_page_shows_every_path_and_feature_and_needs_no_network(client: FlaskClient) -> None:
    page = client.get("/docs").text
    for path in json.loads(client.get("/openapi.json").data)["paths"]:
        assert f"<code>{path}</code>" in page
    for feature in json.loads(client.get("/v1/model").data)["features"]:
        assert f">{feature['name']}<" in page
    assert not re.findall(r"https?://", page)


def test_the_page_has_one_heading_a_language_and_labels(client: FlaskClient) -> None:
    page = client.get("/docs").text
    assert page.count("<h1") == 1
    assert '<html lang="en">' in page
    labelled = set(re.findall(r'<label for="(\w+)"', page))
    assert labelled == set(re.findall(r'<(?:input|textarea) id="(\w+)"', page))
    assert "prefers-color-scheme: dark" in page
