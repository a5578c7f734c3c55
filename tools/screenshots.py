"""Take the pictures in docs/screenshots/ again: the course home, and lab 01 solved, each in both themes.

python tools/screenshots.py [FOLDER]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect

from tools import bootstrap, lab_browser, lab_tables


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


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else bootstrap.ROOT / "docs" / "screenshots")
