"""Where a course keeps its folders and its gradebook: nbgrader's settings, without nbgrader's two seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grading.nbgrader_settings import ROOT

CONFIG = "nbgrader_config"


@dataclass(frozen=True)
class Course:
    """The part of nbgrader's CourseDirectory that grading needs, under the same names."""

    root: str
    course_id: str = ""
    db_url: str = ""
    submitted_directory: str = "submitted"
    release_directory: str = "release"
    autograded_directory: str = "autograded"
    directory_structure: str = "{nbgrader_step}/{student_id}/{assignment_id}"
    student_id: str = "*"
    student_id_exclude: str = ""

    def format_path(self, step: str, student: str, lab: str) -> str:
        """The folder of ``student``'s ``lab`` at ``step``."""
        path = self.directory_structure.format(nbgrader_step=step, student_id=student, assignment_id=lab)
        return str(Path(self.root) / path)


def load(root: str | None, *, student: str = "*") -> tuple[Course, Any]:
    """The course at ``root`` (this project without) and its whole configuration, from nbgrader_config.py."""
    from traitlets.config import Config
    from traitlets.config.loader import ConfigFileNotFound, PyFileConfigLoader

    config = Config()
    for folder in dict.fromkeys((str(ROOT), root or str(ROOT))):
        try:
            config.merge(PyFileConfigLoader(f"{CONFIG}.py", path=folder).load_config())
        except ConfigFileNotFound:
            continue
    if root:
        config.CourseDirectory.root = str(Path(root).resolve())
    known = {name: value for name, value in config.CourseDirectory.items() if name in Course.__dataclass_fields__}
    known["student_id"] = student
    known.setdefault("db_url", f"sqlite:///{Path(known['root']) / 'gradebook.db'}")
    return Course(**known), config
