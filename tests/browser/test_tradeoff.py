"""Lab 07's panel in a real JupyterLab: controls have names, the keyboard moves them, the reading follows at once."""

from __future__ import annotations

import nbformat
import pytest
from playwright.sync_api import expect

from tools import lab_browser

PANEL = """
from labkit.blurring import BlurOutcome
from labkit.tradeoff import plane
from labkit.widgets.tradeoff import tradeoff

def run(setting, agreement, accuracy, distortion):
    return BlurOutcome("digits", "fits labels", 100, 0, agreement, customer_accuracy=accuracy,
                       setting=setting, distortion=distortion)

tradeoff(plane([
    run("none", 1.0, 0.97, 0.0), run("label_only", 0.93, 0.97, 0.2),
    run("gaussian_noise:sigma=0.1", 0.92, 0.96, 0.5), run("gaussian_noise:sigma=0.4", 0.61, 0.7, 1.1),
]))
"""


@pytest.fixture(scope="module")
def small(chromium, tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [nbformat.v4.new_markdown_cell("# A panel"), nbformat.v4.new_code_cell(PANEL)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), source / "panel.ipynb")
    with lab_browser.serve_labs(tmp_path_factory.mktemp("panel"), source) as running:
        yield running


def test_the_panel_follows_the_keyboard_and_asks_nobody_outside(small, tmp_path):
    with lab_browser.browse(small, tmp_path) as browser:
        lab = browser.open("panel.ipynb")
        lab.run_all()
        assert lab.tracebacks() == []
        cell = lab.cell("tradeoff(plane(")
        reading, drawing = cell.locator("p[role=status]"), cell.locator("svg[role=img][aria-label^='digits']")
        expect(reading).to_contain_text("digits, none:")
        for name in ("Victim", "Defence", "Strength", "Cost", "Accuracy lost, at most", "Distortion, at most"):
            expect(cell.get_by_text(name, exact=True)).to_be_visible()
        cell.locator("select").nth(1).select_option("gaussian noise")
        expect(reading).to_contain_text("gaussian noise sigma = 0.1")
        cell.locator(".noUi-handle").first.press("ArrowRight")
        expect(reading).to_contain_text("gaussian noise sigma = 0.4")
        expect(drawing).to_be_visible()
        expect(cell.get_by_text("Within your limits (4 of 4, ringed)")).to_be_visible()
        lab.shoot(tmp_path / "panel.png")
        assert browser.strangers == []
