"""What a run has done, kept on disk: what is graded stays graded, and the instructor's table."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
from pathlib import Path
from typing import Any

from grading.engine.grade import Graded, table_row
from grading.engine.gradebook import write_whole


class Records:
    """What was graded, on disk: one small file a learner, written last."""

    def __init__(self, folder: Path, coursedir: Any, lab: str):
        self._folder, self._coursedir, self._lab = folder, coursedir, lab

    def is_current(self, student: str, content: str) -> bool:
        """Whether this very submission was graded by this very code, and its graded notebook is still there."""
        graded = self._coursedir.format_path(self._coursedir.autograded_directory, student, self._lab)
        if not (Path(graded) / f"{self._lab}.ipynb").exists():
            return False
        try:
            kept = json.loads(self._file(student).read_text(encoding="utf-8"))
            return (
                kept["content"] == content and kept["gradebook"] == self._coursedir.db_url and self._gradebook_there()
            )
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def keep(self, result: Graded) -> None:
        """Note that ``result`` is in the gradebook."""
        self._folder.mkdir(parents=True, exist_ok=True)
        row = {**table_row(result), "content": result.content, "gradebook": self._coursedir.db_url}
        write_whole(self._file(result.student), json.dumps(row, indent=1))

    def rows(self) -> list[dict]:
        """Every learner's line."""
        found = []
        for file in sorted(self._folder.glob("*.json")):
            with contextlib.suppress(OSError, ValueError):
                found.append(json.loads(file.read_text(encoding="utf-8")))
        return sorted(found, key=lambda row: row["learner"])

    def write_table(self) -> Path:
        """The instructor's table: what each earned, what was wrong with the file, what was repaired."""
        place = self._folder.parent / f"{self._lab}.csv"
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("w", encoding="utf-8", newline="", errors="replace") as file:
            table = csv.DictWriter(
                file, ["learner", "points", "of", "wrong with the file", "repaired", "seconds"], extrasaction="ignore"
            )
            table.writeheader()
            # A cell that starts with = would be a formula to a spreadsheet.
            table.writerows(
                {k: f"'{v}" if str(v).startswith(("=", "+", "-", "@")) else v for k, v in row.items()}
                for row in self.rows()
            )
        return place

    def _file(self, student: str) -> Path:
        name = hashlib.sha256(student.encode("utf-8", "replace")).hexdigest()[:24]
        return self._folder / f"{name}.json"

    def _gradebook_there(self) -> bool:
        url = self._coursedir.db_url
        return not url.startswith("sqlite:///") or Path(url.removeprefix("sqlite:///")).exists()
