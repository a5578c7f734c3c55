"""The one writer: graded notebooks to disk, scores into nbgrader's gradebook. Writing a result twice is harmless."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from grading.engine.grade import Graded
from grading.engine.released import Release

# A logger of its own: nbgrader's steps would use, and share, the command's.
_QUIET = logging.getLogger(f"{__name__}.steps")
_QUIET.setLevel(logging.ERROR)


class Writer:
    """Holds the gradebook open for one run over ``coursedir`` (nbgrader's CourseDirectory) and one lab."""

    def __init__(self, coursedir: Any, release: Release, config: Any = None):
        with _without_grammar():
            importlib.import_module("nbgrader.preprocessors")
        from nbformat import from_dict
        from sqlalchemy.exc import SAWarning

        from grading.engine.whole import WholeGradebook

        # From nbgrader's own queries; nothing that anybody who reads them could do.
        warnings.filterwarnings("ignore", message="Object of type", category=SAWarning)
        self._coursedir, self._release, self._config = coursedir, release, config
        self._from_dict = from_dict
        self._gradebook = WholeGradebook(coursedir.db_url, coursedir.course_id)
        self._enrol_lab()

    def save(self, result: Graded) -> None:
        """Notebook, then scores: a kill in between leaves a submission that the next run grades again."""
        folder = Path(
            self._coursedir.format_path(self._coursedir.autograded_directory, result.student, self._release.name)
        )
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(
            folder / f"{self._release.name}.ipynb", json.dumps(result.notebook, indent=1, ensure_ascii=False) + "\n"
        )
        stamp = self._timestamp(result.student, folder)
        settings = {"timestamp": stamp} if stamp else {}
        with self._gradebook.transaction():
            self._gradebook.update_or_create_student(result.student)
            self._gradebook.update_or_create_submission(self._release.name, result.student, **settings)
            self._score(result)

    def close(self) -> None:
        """Let go of the gradebook."""
        self._gradebook.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _score(self, result: Graded) -> None:
        from nbgrader.preprocessors import AssignLatePenalties, SaveAutoGrades

        notebook = self._from_dict(result.notebook)
        resources = {
            "nbgrader": {
                "notebook": self._release.name, "assignment": self._release.name, "student": result.student,
                "db_url": self._coursedir.db_url,
            }
        }  # fmt: skip
        for kind in (SaveAutoGrades, AssignLatePenalties):
            step = kind(config=self._config, log=_QUIET)
            notebook, resources = step.preprocess(notebook, resources)

    def _timestamp(self, student: str, folder: Path) -> Any:
        """When it was handed in, if timestamp.txt can be read; copied beside the graded notebook, as nbgrader does."""
        from nbgrader.utils import parse_utc

        submitted = self._coursedir.format_path(self._coursedir.submitted_directory, student, self._release.name)
        place = Path(submitted) / "timestamp.txt"
        try:
            if place.is_symlink() or not place.is_file() or place.stat().st_size > 200:
                return None
            text = place.read_text(encoding="utf-8").strip()
            stamp = parse_utc(text)
        except (OSError, ValueError, OverflowError, TypeError):
            return None
        write_whole(folder / "timestamp.txt", text)
        return stamp

    def _enrol_lab(self) -> None:
        """Make sure that the gradebook knows the lab as it was released."""
        from nbgrader.preprocessors import SaveCells

        name = self._release.name
        step = SaveCells(config=self._config, log=_QUIET)
        resources = {
            "nbgrader": {"notebook": name, "assignment": name, "student": ".", "db_url": self._coursedir.db_url}
        }
        notebook = self._from_dict(json.loads(json.dumps(self._release.notebook)))
        with self._gradebook.transaction():
            self._gradebook.update_or_create_assignment(name)
            step.preprocess(notebook, resources)


@contextlib.contextmanager
def _without_grammar() -> Iterator[None]:
    """While nbgrader is imported: jsonschema would compile a grammar for addresses, two seconds long, that notebooks'
    schema never asks for.
    """
    name = "rfc3987_syntax"
    known = name in sys.modules
    if not known:
        sys.modules[name] = cast(Any, None)
    try:
        yield
    finally:
        if not known:
            del sys.modules[name]


def write_whole(place: Path, text: str) -> None:
    """Write whole or not at all, read-only as nbgrader leaves graded files."""
    handle, draft = tempfile.mkstemp(dir=place.parent, prefix=".draft-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        os.chmod(draft, 0o444)
        os.replace(draft, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise
