"""Drive the course in a real browser: JupyterLab as `make lab` starts it, on a copy of labs/, in headless Chromium.

    with serve_labs(folder) as server, browse(server, folder, theme="dark") as browser:
        lab = browser.open("01_steal_by_query/01_steal_by_query.ipynb")
        lab.run_all()
        assert lab.tracebacks() == [] and browser.strangers == []

Nothing here sleeps or retries: every wait is for a state that the page or the server reports.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

from tools import bootstrap
from tools.jupyter_process import stop, wait_for_address

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOW_TO_GET_CHROMIUM = (
    "There is no Chromium on this machine, so nothing was shown in a browser: "
    "`sudo apt install chromium` (or set CHROMIUM to the path of a Chrome or Chromium), then run the tests again."
)
LOOPBACK = {"127.0.0.1", "localhost", "::1", ""}
CELLS = "jupyterapp.shell.currentWidget.content.model.cells"
READY = """() => { const panel = jupyterapp.shell.currentWidget;
    return Boolean(panel?.context?.isReady) && panel.sessionContext.session?.kernel?.status === 'idle'; }"""
# The first cell that holds a text, as run_cell runs it; every cell where the text is empty.
FORGET = f"""text => {{
    const holding = Array.from({CELLS}).filter(cell =>
        cell.type === 'code' && cell.sharedModel.getSource().includes(text));
    (text ? holding.slice(0, 1) : holding).forEach(cell => {{
        cell.executionCount = null;
        cell.outputs.clear(); }}); }}"""
FINISHED = f"""() => {{
    const code = Array.from({CELLS}).filter(cell => cell.type === 'code' && cell.sharedModel.getSource().trim());
    const failed = code.some(cell => cell.outputs.toJSON().some(output => output.output_type === 'error'));
    return code.every(cell => cell.executionState !== 'running' && (failed || cell.executionCount !== null)); }}"""
OUTPUTS = f"() => Array.from({CELLS}).map(cell => cell.type === 'code' ? cell.outputs.toJSON() : [])"
PATIENCE = 180_000  # milliseconds: a bound for a stuck page, never a wait


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome: $CHROMIUM, else the first on the PATH."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@dataclass(frozen=True)
class Server:
    """A running JupyterLab: its address, its token, the folder it serves."""

    url: str
    token: str
    labs: Path


@contextlib.contextmanager
def serve_labs(folder: Path, source: Path | None = None) -> Iterator[Server]:
    """JupyterLab as `make lab` starts it, on a copy of labs/ (or of `source`) under `folder`; stopped at the end."""
    labs = folder / "labs"
    shutil.copytree(source or bootstrap.ROOT / "labs", labs, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    variables = bootstrap.lab_environment()
    for name in ("CONFIG", "DATA", "RUNTIME"):
        variables[f"JUPYTER_{name}_DIR"] = str(folder / f"jupyter-{name.lower()}")
    variables.update(IPYTHONDIR=str(folder / "ipython"), JUPYTERLAB_WORKSPACES_DIR=str(folder / "workspaces"))
    command = bootstrap.lab_command(["--no-browser", "--LabApp.expose_app_in_browser=True"])
    pipe = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen(command, cwd=labs, env=variables, **pipe) as process:
        try:
            yield Server(*wait_for_address(process), labs)
        finally:
            stop(process)


@dataclass
class Browser:
    """A Chromium window on one server.

    `strangers` collects every address asked for that is not this machine's, `complaints` every error in the console.
    """

    context: BrowserContext
    server: Server
    strangers: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def watch(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.hostname not in LOOPBACK:
            self.strangers.append(url)

    def visit(self, path: str = "") -> Page:
        """Open an address below the server's, wait until JupyterLab stands, and return the page."""
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("websocket", lambda socket: self.watch(socket.url))
        page.on("console", lambda line: self.complaints.append(line.text) if line.type == "error" else None)
        page.goto(f"{self.server.url}{path}{'&' if '?' in path else '?'}token={self.server.token}")
        expect(page.locator("#jp-top-panel")).to_be_visible(timeout=PATIENCE)
        return page

    def open(self, notebook: str) -> LabPage:
        """Open a notebook, by its path below labs/, in a fresh window layout; wait for an idle kernel."""
        page = self.visit(f"/lab/tree/{quote(notebook)}?reset")
        lab = LabPage(page)
        lab.wait_idle()
        return lab


@dataclass
class LabPage:
    """One notebook open in JupyterLab."""

    page: Page

    def wait_idle(self) -> None:
        """Wait until the notebook is read, and its kernel is there and idle."""
        self.page.wait_for_function(READY, timeout=PATIENCE)

    def menu(self, *names: str) -> None:
        """Choose an entry of the menu bar, as in `menu("Run", "Run All Cells")`."""
        bar, *entries = names
        self.page.locator(".lm-MenuBar-itemLabel").get_by_text(bar, exact=True).click()
        for entry in entries:
            self.page.locator(".lm-Menu-itemLabel").get_by_text(entry, exact=True).click()

    def run_all(self) -> None:
        """Run every cell from the menu and wait until each has finished."""
        self.page.evaluate(FORGET, "")
        self.menu("Run", "Run All Cells")
        self.wait_finished()

    def wait_finished(self) -> None:
        """Wait until no code cell is running and each has run, or one has failed (Jupyter drops those behind it)."""
        self.page.wait_for_function(FINISHED, timeout=PATIENCE)
        self.wait_idle()

    def cell(self, text: str):
        """The first code cell whose source holds `text`, scrolled to the top of the window."""
        return self._show(
            f"cell.type === 'code' && cell.sharedModel.getSource().includes({json.dumps(text)})", repr(text)
        )

    def first_figure(self):
        """The first figure of the notebook, visible and with alt text, scrolled into the window."""
        drawn = "cell.type === 'code' && JSON.stringify(cell.outputs.toJSON()).includes('<figure')"
        figure = self._show(drawn, "a figure").locator("figure img[alt]:not([alt=''])").first
        expect(figure).to_be_visible()
        return figure

    def _show(self, condition: str, wanted: str):
        """Scroll to the first cell that meets a condition on `cell` (JavaScript); return its locator."""
        find = f"""() => {{
            const notebook = jupyterapp.shell.currentWidget.content;
            const index = Array.from({CELLS}).findIndex(cell => {condition});
            if (index < 0) return -1;
            notebook.activeCellIndex = index;
            return notebook.scrollToItem(index, 'start').then(() => index);
        }}"""
        index = self.page.evaluate(find)
        if index < 0:
            raise LookupError(f"No cell of this notebook holds {wanted}.")
        return self.page.locator(f'.jp-NotebookPanel:visible .jp-Cell[data-windowed-list-index="{index}"]')

    def run_cell(self, text: str):
        """Run the one cell that holds `text` with the keyboard; return its locator when it has finished."""
        cell = self.cell(text)
        cell.locator(".jp-InputPrompt").click()
        self.page.evaluate(FORGET, text)
        self.page.keyboard.press("Control+Enter")
        self.wait_finished()
        return cell

    def outputs(self) -> list[dict]:
        """Every output of the notebook, in order, whether on screen or not."""
        return [output for cell in self.page.evaluate(OUTPUTS) for output in cell]

    def tracebacks(self) -> list[str]:
        """Errors and tracebacks the learner would meet, one string each."""
        texts = [f"{one['ename']}: {one['evalue']}" for one in self.outputs() if one["output_type"] == "error"]
        streams = ("".join(one["text"]) for one in self.outputs() if one["output_type"] == "stream")
        return texts + [text for text in streams if "Traceback (most recent call last)" in text]

    def shoot(self, path: Path) -> Path:
        """Save what the window shows as a PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path, animations="disabled")
        return path


@contextlib.contextmanager
def browse(
    server: Server, folder: Path, *, theme: str = "light", size: tuple[int, int] = (1440, 900)
) -> Iterator[Browser]:
    """A fresh headless Chromium on a server; `theme` is what the operating system would ask for."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder / f"chromium-{theme}",
            executable_path=find_chromium(),
            args=FLAGS,
            color_scheme=theme,
            viewport={"width": size[0], "height": size[1]},
        )
        browser = Browser(context, server)
        context.on("request", lambda request: browser.watch(request.url))
        try:
            yield browser
        finally:
            context.close()
