"""The control room in a real JupyterLab: start a theft, see agreement rise, switch the limiter on, see the alert."""

from __future__ import annotations

import re

import nbformat
import pytest
from playwright.sync_api import expect

from tools import lab_browser

PANEL = 'from labkit.widgets.control_room import control_room\n\nroom = control_room("credit")\n'
THEFT = """room.turn("sentry:victim=credit,seed=0", True)
room.start_theft("invents rows")
room"""
# The kernel is busy until two alerts have come; only the panel's own clock moves the thief and the tables meanwhile.
BUSY = "print('alerts while this cell ran:', room.receiver.wait_for(2), len(room.receiver.alerts))\nroom.close()"
# The rows of the thief, from the line of numbers.
ROWS = """least => {
    const line = document.querySelector('p.numbers')?.textContent ?? '';
    const found = /: ([\\d,]+) rows answered/.exec(line);
    return found !== null && Number(found[1].replace(',', '')) >= least; }"""


@pytest.fixture(scope="module")
def small(chromium, tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for name, sources in {"room": [PANEL + "room"], "busy": [PANEL + THEFT, BUSY]}.items():
        cells = [nbformat.v4.new_markdown_cell("# A control room"), *map(nbformat.v4.new_code_cell, sources)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), source / f"{name}.ipynb")
    with lab_browser.serve_labs(tmp_path_factory.mktemp("room"), source) as running:
        yield running


def estimates(cell):
    """First and last estimate of the thief's key, from the drawing's name."""
    words = cell.locator("svg[role=img]").get_attribute("aria-label")
    found = re.search(r"thief 1 from (\d\.\d\d) after [\d,]+ rows to (\d\.\d\d) after", words)
    assert found, words
    return float(found[1]), float(found[2])


def test_a_theft_is_watched_slowed_and_reported_on_one_screen(small, tmp_path):
    with lab_browser.browse(small, tmp_path) as browser:
        lab = browser.open("room.ipynb")
        lab.run_all()
        assert lab.tracebacks() == []
        cell = lab.cell("control_room(")
        status, alerts = cell.locator("p[role=status]"), cell.locator("div.widget-html", has_text="Your webhook")
        expect(status).to_have_text("0 alerts. On: no defence.")
        cell.locator("select").select_option("owns real rows")
        cell.get_by_role("button", name="Start the theft").click()
        lab.page.wait_for_function(ROWS, arg=150, timeout=lab_browser.PATIENCE)
        first, last = estimates(cell)
        assert last > first + 0.05, "agreement rises"

        box = cell.get_by_label("Limit rows (rows=100, rate=1.0)")
        box.focus()
        box.press("Space")
        expect(status).to_contain_text("On: Limit rows")
        expect(cell.locator("svg[role=img]")).to_contain_text("on: Limit rows")
        expect(status).to_contain_text("refusals for thief 1, priority medium", timeout=lab_browser.PATIENCE)
        expect(alerts.get_by_role("row", name="refusals")).to_contain_text("delivered", timeout=lab_browser.PATIENCE)

        cell.get_by_role("button", name="Stop the theft").click()
        expect(cell.get_by_role("button", name="Start the theft")).to_be_enabled()
        assert cell.locator("table th:not([scope=col])").count() == 0
        lab.shoot(tmp_path / "room.png")
        assert browser.strangers == []
        assert browser.complaints == []


def test_the_panel_lives_on_while_another_cell_keeps_the_kernel_busy(small, tmp_path):
    with lab_browser.browse(small, tmp_path) as browser:
        lab = browser.open("busy.ipynb")
        lab.run_all()
        assert lab.tracebacks() == []
        told = [output["text"] for output in lab.outputs() if output["output_type"] == "stream"]
        assert told == ["alerts while this cell ran: True 2\n"]
        cell = lab.cell("control_room(")
        for detector in ("martingale", "refusals"):  # stopped by the one, it asks on, which is the other
            expect(cell.get_by_role("row", name=detector)).to_contain_text("thief 1")
        expect(cell.locator("p[role=status]")).to_contain_text("This control room is closed")
        expect(cell.get_by_role("button", name="Start the theft")).to_be_disabled()
