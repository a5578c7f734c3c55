"""Privacy of the rows is no protection of the model: the private one is copied as exactly as the ordinary one."""

from __future__ import annotations

from labkit.dp_theft import steal_with_and_without_privacy
from labkit.launch import OPENER


def test_nine_rows_copy_the_private_model_as_well_as_the_ordinary_one(monkeypatch):
    monkeypatch.setenv(OPENER, "grading.openers:wsgi")
    private, ordinary = steal_with_and_without_privacy("readmission", seeds=[0])
    assert private["model"].startswith("private")
    assert private["rows bought"] == ordinary["rows bought"] == 9
    assert private["copy agrees"] > 0.999
    assert ordinary["copy agrees"] > 0.999
    assert private["its accuracy"] < ordinary["its accuracy"], "privacy at epsilon = 1 costs something on 6,000 rows"
