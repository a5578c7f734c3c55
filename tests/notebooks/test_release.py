"""labs/ is what solutions/ gives, byte for byte; solutions/ carries the registry's facts."""

from __future__ import annotations

from pathlib import Path

import pytest

from grading import all_exercises
from grading.release import generate, lab_folders, synced

ROOT = Path(__file__).resolve().parents[2]


def test_labs_are_generated_from_solutions_byte_for_byte(tmp_path):
    generate(lab_folders(), tmp_path)
    for name in lab_folders():
        made = (tmp_path / name / f"{name}.ipynb").read_bytes()
        assert made == (ROOT / "labs" / name / f"{name}.ipynb").read_bytes(), f"{name}: run `make labs`"


@pytest.mark.parametrize("name", lab_folders())
def test_solutions_carry_the_registrys_points_and_headings(name):
    text = (ROOT / "solutions" / name / f"{name}.ipynb").read_text(encoding="utf-8")
    assert synced(text, name) == text, "run `make labs`"


def test_every_exercise_of_the_registry_stands_in_its_notebook():
    for exercise in all_exercises():
        (name,) = [n for n in lab_folders() if n.startswith(exercise.lab)]
        text = (ROOT / "solutions" / name / f"{name}.ipynb").read_text(encoding="utf-8")
        number = exercise.id.split(".")[1]
        assert f'"{exercise.lab}-{number}-check"' in text
        assert f"### Exercise {exercise.id}: {exercise.title}" in text
