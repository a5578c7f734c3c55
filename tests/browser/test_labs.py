"""Every lab as a learner meets it: opened in JupyterLab, run from top to bottom before anything is solved."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tools import lab_browser, lab_tables

LABS = lab_tables.all_labs()


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.number)
def test_an_untouched_lab_runs_without_an_error_and_shows_a_figure(server, tmp_path, lab):
    with lab_browser.browse(server, tmp_path) as browser:
        page = browser.open(lab.path)
        page.run_all()
        assert page.tracebacks() == []
        expect(page.first_figure()).to_be_visible()
        card = page.run_cell("check(").locator(".jp-OutputArea-output").last
        expect(card).to_contain_text("UNATTEMPTED")
        assert browser.strangers == [], "a lab asked something outside this machine"
