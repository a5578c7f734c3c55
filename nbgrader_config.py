"""nbgrader's settings, read by every stock `nbgrader` command that runs in this folder."""

from grading.engine.stock import install
from grading.nbgrader_settings import apply

c = get_config()  # noqa: F821 (nbgrader provides it)
apply(c)
# `nbgrader autograde` runs submissions in the examiner's sandboxes; the judge outside gives the points.
install()
