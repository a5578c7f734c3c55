"""The defaults JupyterLab is given are ones it knows: an unknown value would break that plugin's settings."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

CONFIG = Path(__file__).resolve().parents[2] / "jupyter-config"
OVERRIDES = json.loads((CONFIG / "labconfig" / "default_setting_overrides.json").read_text(encoding="utf-8"))


def schema_of(plugin: str, prefix: Path) -> dict:
    package, name = plugin.split(":")
    places = (
        prefix.glob(f"share/jupyter/lab*/schemas/{package}/{name}.json"),
        prefix.glob(f"share/jupyter/labextensions/*/*/schemas/{package}/{name}.json"),
    )
    return json.loads(next(path for found in places for path in found).read_text(encoding="utf-8"))


@pytest.mark.parametrize("plugin", OVERRIDES)
def test_jupyterlab_knows_each_setting_and_its_value(plugin):
    schema = schema_of(plugin, Path(sys.prefix))
    for key, value in OVERRIDES[plugin].items():
        assert key in schema["properties"], f"{plugin} has no setting {key}"
        allowed = schema["properties"][key] | {"definitions": schema.get("definitions", {})}
        assert list(Draft7Validator(allowed).iter_errors(value)) == []


def test_every_configuration_file_is_json():
    files = list(CONFIG.rglob("*.json"))
    assert len(files) == 4
    for path in files:
        assert isinstance(json.loads(path.read_text(encoding="utf-8")), dict)
