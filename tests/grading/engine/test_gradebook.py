"""The gradebook: a learner's result is written whole or not at all, with one wait for the disk."""

from __future__ import annotations

import contextlib
import copy
import os
import sqlite3
import sys
from pathlib import Path

import pytest
from nbgrader.api import Gradebook, get_alembic_version
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties
from sqlalchemy import event
from traitlets.config import Config

from grading.engine.grade import Graded
from grading.engine.gradebook import Writer
from grading.engine.released import Release
from grading.engine.whole import newest_schema
from grading.nbgrader_settings import apply
from tools.by_path import load

kit = load("hostile_kit", Path(__file__).parents[1] / "hostile" / "kit.py")


@pytest.fixture
def coursedir(tmp_path):
    config = Config()
    apply(config)
    config.CourseDirectory.root = str(tmp_path)
    return CourseDirectory(config=config)


@pytest.fixture
def release():
    return Release.of(kit.LAB, kit.graded_part("labs"))


def result(release, student):
    """A learner who gave no answer."""
    notebook = copy.deepcopy(release.notebook)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    return Graded(student, "content", notebook=notebook)


def kept(coursedir):
    """{learner: graded cells} in the gradebook, read by nbgrader."""
    with Gradebook(coursedir.db_url) as book:
        return {made.student.id: sum(len(n.grades) for n in made.notebooks)
                for made in book.assignment_submissions(kit.LAB)}  # fmt: skip


def test_a_learner_is_written_with_one_commit_to_the_disk(coursedir, release):
    commits = []
    with Writer(coursedir, release) as writer:
        event.listen(writer._gradebook.engine, "commit", lambda connection: commits.append("commit"))
        writer.save(result(release, "anna"))
        writer.save(result(release, "bert"))
    assert commits == ["commit"] * 2
    assert kept(coursedir)["anna"] == kept(coursedir)["bert"] > 0


def test_of_a_learner_whose_writing_fails_nothing_stands_and_the_next_is_written(coursedir, release, monkeypatch):
    with Writer(coursedir, release) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(AssignLatePenalties, "init_plugin", lambda self: 1 / 0)  # after the scores were written
            with pytest.raises(ZeroDivisionError):
                writer.save(result(release, "anna"))
        with Gradebook(coursedir.db_url) as book:
            assert book.students == []
        writer.save(result(release, "bert"))
    assert list(kept(coursedir)) == ["bert"]


def test_saving_twice_is_saving_once(coursedir, release):
    for _ in range(2):
        with Writer(coursedir, release) as writer:
            writer.save(result(release, "anna"))
            once = kept(coursedir)
            writer.save(result(release, "anna"))
        assert kept(coursedir) == once


def test_a_grade_given_by_hand_stays(coursedir, release):
    with Writer(coursedir, release) as writer:
        writer.save(result(release, "anna"))
        with Gradebook(coursedir.db_url) as book:
            (notebook,) = book.find_submission(kit.LAB, "anna").notebooks
            by_hand = notebook.grades[0]
            name, by_hand.manual_score = by_hand.name, 1.5
            book.db.commit()
        writer.save(result(release, "anna"))
    with Gradebook(coursedir.db_url) as book:
        assert book.find_grade(name, kit.LAB, kit.LAB, "anna").manual_score == 1.5


@pytest.mark.slow
def test_a_new_gradebook_is_marked_with_the_schema_that_nbgrader_would_say(coursedir, release, monkeypatch):
    with Writer(coursedir, release):
        pass
    with contextlib.closing(sqlite3.connect(coursedir.db_url.removeprefix("sqlite:///"))) as database:
        ((kept,),) = database.execute("SELECT version_num FROM alembic_version").fetchall()
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    assert kept == newest_schema() == get_alembic_version()
