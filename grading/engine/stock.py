"""nbgrader's own ``autograde`` command and Formgrader's button, run by this engine."""

from __future__ import annotations

import os
import sys
from typing import Any

_USERS = ("nbgrader.apps.autogradeapp", "nbgrader.apps.api")


def install() -> None:
    """Have nbgrader's command and Formgrader use the engine; called by nbgrader's configuration file.

    nbgrader has no setting for the class that autogrades, only for steps inside it, and those come too late: a named
    pipe or a link in a submission is opened before the first of them.
    """
    for name in _USERS:
        module: Any = sys.modules.get(name)
        if module is not None:
            module.Autograde = _judged(module.Autograde)


def _judged(stock: Any) -> Any:
    if getattr(stock, "judged_by_engine", False):
        return stock
    from nbgrader.converters.base import NbGraderException
    from traitlets import Bool

    class Autograde(stock):  # the name that nbgrader's configuration knows
        judged_by_engine = True
        run_every_cell = Bool(False, help="Run demonstrations, too, that no grade depends on.").tag(config=True)

        def start(self) -> None:
            if sys.platform != "linux":
                self._start_elsewhere()
                return
            # Late, so that nbgrader's other commands start as fast as ever.
            from grading.engine.cli import patience_of, report
            from grading.engine.released import NotOurs
            from grading.engine.run import Settings, autograde
            from grading.engine.sandbox import NoSandbox

            settings = Settings(force=self.force, patience=patience_of(self.config), progress=False, say=self.log.info)
            try:
                summary = autograde(self.coursedir, self.coursedir.assignment_id, settings, self.config)
            except (NotOurs, NoSandbox, FileNotFoundError) as error:
                self.log.error(str(error))
                raise NbGraderException(str(error)) from None
            report(summary, self.log.warning)
            if summary.failed:
                raise NbGraderException("some submissions could not be graded; see above")

        def _start_elsewhere(self) -> None:
            if os.environ.get("MODEL_THEFT_LABS_TRUST") == "1":
                super().start()
                return
            from grading.engine.cli import ELSEWHERE

            self.log.error(ELSEWHERE)
            raise NbGraderException(ELSEWHERE)

    return Autograde
