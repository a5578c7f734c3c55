"""Take the pictures in docs/screenshots/ again: the course home, lab 01 solved, the control room, each in both themes.

python tools/screenshots.py [FOLDER]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
from playwright.sync_api import expect

from tools import bootstrap, lab_browser, lab_tables

ROOM = 'from labkit.widgets.control_room import control_room\n\nroom = control_room("credit")\nroom'
HALF_WAY = "() => /1[6-9]\\d rows answered/.test(document.querySelector('p.numbers')?.textContent ?? '')"


def main(folder: Path) -> None:
    if lab_browser.find_chromium() is None:
        sys.exit(lab_browser.HOW_TO_GET_CHROMIUM)
    lab = next(one for one in lab_tables.all_labs() if one.number == "01")
    for theme in ("light", "dark"):
        with tempfile.TemporaryDirectory() as name, lab_browser.serve_labs(Path(name)) as server:
            shutil.copy(bootstrap.ROOT / "solutions" / lab.path, server.labs / lab.path)
            with lab_browser.browse(server, Path(name), theme=theme) as browser:
                shoot_home(browser, folder / f"home-{theme}.png")
                shoot_figure(browser, lab.path, folder / f"lab01-{theme}.png")
        shoot_room(theme, folder / f"control-room-{theme}.png")


def shoot_home(browser: lab_browser.Browser, path: Path) -> None:
    page = browser.visit()
    expect(page.locator(".jp-MarkdownViewer:visible img")).to_be_visible()
    lab_browser.LabPage(page).shoot(path)


def shoot_figure(browser: lab_browser.Browser, notebook: str, path: Path) -> None:
    """Run a lab from top to bottom, then show its first curve."""
    lab = browser.open(notebook)
    lab.run_all()
    if errors := lab.tracebacks():
        sys.exit(f"{notebook} does not run, so no picture was taken: {errors[0]}")
    expect(lab.cell("plot_curve(\n").locator("figure img")).to_be_visible()
    lab.shoot(path)


def shoot_room(theme: str, path: Path) -> None:
    """A thief with real rows, a limit switched on half-way, and the alerts that came of it."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [nbformat.v4.new_markdown_cell("# The control room"), nbformat.v4.new_code_cell(ROOM)]
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "source"
        source.mkdir()
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), source / "room.ipynb")
        with (
            lab_browser.serve_labs(Path(name), source) as server,
            lab_browser.browse(server, Path(name), theme=theme, size=(1440, 960)) as browser,
        ):
            lab = browser.open("room.ipynb")
            lab.run_all()
            cell = lab.cell("control_room(")
            cell.get_by_role("button", name="Start the theft").click()
            lab.page.wait_for_function(HALF_WAY, timeout=lab_browser.PATIENCE)
            cell.get_by_label("Limit rows (rows=100, rate=1.0)").click()
            alerts = cell.locator("div.widget-html", has_text="Your webhook received 2 alerts")
            expect(alerts.get_by_text("delivered")).to_have_count(2, timeout=lab_browser.PATIENCE)
            lab.shoot(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else bootstrap.ROOT / "docs" / "screenshots")
