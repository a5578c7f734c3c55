"""Scores of honest submissions are stock nbgrader's, cell for cell; of three files, so that workers share the labs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools.by_path import load

kit = load("scores_kit", Path(__file__).with_name("kit.py"))
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="sandboxes are Linux's")]


@pytest.mark.parametrize("lab", kit.LABS[1::3])
def test_the_engine_gives_what_stock_nbgrader_gives(lab, tmp_path):
    kit.assert_equal_grades(lab, tmp_path)
