"""nbgrader's settings, read by every stock `nbgrader` command that runs in this folder."""

from grading.nbgrader_settings import apply

c = get_config()  # noqa: F821 (nbgrader provides it)
apply(c)
