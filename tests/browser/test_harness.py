"""The harness itself, on a small notebook: it must see figures, errors, requests to strangers, and a second run."""

from __future__ import annotations

import re

import nbformat
import pytest
from playwright.sync_api import expect

from tools import lab_browser

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
CELLS = [
    "runs = globals().get('runs', 0) + 1",
    f"from IPython.display import HTML\nHTML('''<figure><img alt='A finding' width=40 src='{PIXEL}'></figure>''')",
    *[f"print('line {number}')" for number in range(40)],
    "print('runs:', runs)",
    "1 / 0",
    "print('never reached')",
]


@pytest.fixture(scope="module")
def small(chromium, tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    heading = nbformat.v4.new_markdown_cell("# A small notebook")
    for name, sources in {"sound": CELLS[:-2], "faulty": CELLS}.items():
        cells = [heading, *map(nbformat.v4.new_code_cell, sources)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), source / f"{name}.ipynb")
    with lab_browser.serve_labs(tmp_path_factory.mktemp("small"), source) as running:
        yield running


def test_it_runs_all_cells_twice_and_sees_the_figure(small, tmp_path):
    with lab_browser.browse(small, tmp_path) as browser:
        lab = browser.open("sound.ipynb")
        lab.run_all()
        assert lab.outputs()[-1]["text"] == "runs: 1\n"
        lab.run_all()
        assert lab.outputs()[-1]["text"] == "runs: 2\n"
        assert lab.tracebacks() == []
        expect(lab.first_figure()).to_have_attribute("alt", "A finding")
        expect(lab.run_cell("print('line 39')").locator(".jp-OutputArea-output")).to_have_text(re.compile("line 39"))
        assert lab.shoot(tmp_path / "shot.png").stat().st_size > 10_000


def test_it_sees_an_error_and_does_not_wait_for_the_cells_behind_it(small, tmp_path):
    with lab_browser.browse(small, tmp_path) as browser:
        lab = browser.open("faulty.ipynb")
        lab.run_all()
        assert lab.tracebacks() == ["ZeroDivisionError: division by zero"]


def test_it_sees_a_request_to_a_stranger(small, tmp_path):
    with lab_browser.browse(small, tmp_path) as browser:
        page = browser.visit()
        page.evaluate("fetch('http://stranger.invalid/x').catch(() => null)")
        assert browser.strangers == ["http://stranger.invalid/x"]


def test_a_cell_that_is_not_there_is_named(small, tmp_path):
    with lab_browser.browse(small, tmp_path) as browser, pytest.raises(LookupError, match="'no such text'"):
        browser.open("sound.ipynb").cell("no such text")
