"""What the theft benchmark (``benchmarks/theft.py``) measured over many seeds, as a table."""

from __future__ import annotations

import json
from importlib.resources import files

from labkit.plots import Table

SHOWN = ("theft", "seeds", "queries: median (range)", "agreement, test rows", "largest gap on test rows", "notes")
LEFT_OUT = ("Rounded answers, linear models",)  # eighteen lines; the notebook runs them itself


def measured_thefts() -> Table:
    """Exact thefts over many victims, beside what others reported on theirs; rounded linear models are left out."""
    numbers = json.loads((files("labkit") / "measured" / "theft.json").read_text(encoding="utf-8"))
    rows = []
    for heading, lines in numbers["tables"].items():
        if heading in LEFT_OUT:
            continue
        others = "; ".join(f"{work}: {says}" for beside, work, says, _ in numbers["published"] if beside == heading)
        for place, cells in enumerate(lines):
            line = dict(zip(numbers["columns"], cells, strict=True))
            rows.append({name: line[name] for name in SHOWN} | {"published, on other models": "" if place else others})
    caption = f"Seeds {numbers['seeds']}, measured on {numbers['date']} by {numbers['command']}; not by this notebook."
    return Table(rows, caption=caption)
