"""The three promises in a defence's docstring, word for word."""

from __future__ import annotations

import inspect
import re

HEADINGS = ("Stops", "Does not stop", "Costs the honest customer")


def promises(defence: type) -> dict[str, str]:
    """What stands behind "Stops:", "Does not stop:" and "Costs the honest customer:" in the docstring.

    Raises ValueError that names a heading which is missing or empty.
    """
    text = inspect.getdoc(defence) or ""
    parts = re.split(rf"^({'|'.join(HEADINGS)}):", text, flags=re.MULTILINE)
    found = {name: " ".join(words.split()) for name, words in zip(parts[1::2], parts[2::2], strict=True)}
    for name in HEADINGS:
        if not found.get(name):
            raise ValueError(f"{defence.__name__}'s docstring has no line that starts with {name + ':'!r}")
    return found
