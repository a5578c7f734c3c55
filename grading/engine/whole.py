"""nbgrader's gradebook with one transaction a learner: its own steps commit score by score, and each commit waits for
the disk, some twenty times a learner.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import nbgrader.api
from alembic.config import Config
from alembic.script import ScriptDirectory
from nbgrader.api import Gradebook
from nbgrader.preprocessors import latesubmissions, saveautogrades, savecells


def newest_schema() -> str | None:
    """What ``alembic heads`` says of nbgrader's tables. nbgrader starts a Python of its own to ask, for seconds."""
    config = Config()
    config.set_main_option("script_location", str(Path(nbgrader.api.__file__).with_name("alembic")))
    return ScriptDirectory.from_config(config).get_current_head()


class WholeGradebook(Gradebook):
    """Lends itself to nbgrader's steps, which would each open one of their own, and lets them commit all or nothing."""

    def __init__(self, *where: str):
        with mock.patch.object(nbgrader.api, "get_alembic_version", newest_schema):
            super().__init__(*where)

    def __exit__(self, *_: object) -> None:
        """A step is done with it; the run is not. ``close`` ends it."""

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """What is written inside, by nbgrader's steps too, stands once this ends; none of it if this raises."""
        with contextlib.ExitStack() as stack:
            for step in (savecells, saveautogrades, latesubmissions):
                stack.enter_context(mock.patch.object(step, "Gradebook", self._lend))
            # A session on a connection that is in a transaction already commits to it, not to the disk.
            connection = stack.enter_context(self.engine.begin())
            self._use(connection)
            stack.callback(self._use, self.engine)
            yield
            self.db.commit()

    def _lend(self, *_: object) -> WholeGradebook:
        return self

    def _use(self, bind: Any) -> None:
        self.db.remove()
        self.db.configure(bind=bind)
