"""The factory: read it from top to bottom and you know what a target is."""

from __future__ import annotations

from flask import Flask

from targets import api, dataroom, key_room, openapi, operations
from targets.access import KeyAuthority
from targets.config import TargetConfig
from targets.problems import register_problem_handlers
from targets.target import Target
from targets.watch import room as watch_room
from targets.watch.control import open_control
from targets.watch.desk import open_desk
from targets.watch.device import Watch

_CHARACTERS_A_NUMBER = 40  # a float64 needs at most 24, a generous client may indent


def create_app(config: TargetConfig) -> Flask:
    """Build a Flask app that serves one victim behind its defences.

    ``app.extensions`` holds "query_log" (the QueryLog), "pipeline" (the Pipeline), "target" (the Target) and
    "alert_desk" (a Desk; None where nothing raises alerts). Raises ValueError or TypeError naming a wrong setting.
    """
    target = Target.build(config)
    app = Flask("targets")
    app.extensions["target"] = target
    app.extensions["pipeline"] = target.pipeline
    app.extensions["query_log"] = target.log
    app.extensions["alert_desk"] = open_desk(config)

    # A body above this is turned away unread; no honest request of max_rows rows comes near it.
    width = len(target.pipeline.victim.features)
    app.config["MAX_CONTENT_LENGTH"] = 1024 + config.max_rows * (width + 1) * _CHARACTERS_A_NUMBER

    register_problem_handlers(app)
    app.register_blueprint(api.blueprint)  # what a customer calls
    app.register_blueprint(operations.blueprint)  # what an operator looks at
    if isinstance(config.keys, KeyAuthority):
        app.register_blueprint(key_room.blueprint)  # what key administrators and auditors call
    if config.data_room:
        app.register_blueprint(dataroom.blueprint)  # what only a lab has
    if any(isinstance(defence, Watch) for defence in config.defences):
        app.register_blueprint(watch_room.blueprint)  # likewise
    open_control(app)  # likewise, and only with a token
    app.extensions["openapi"] = openapi.document(app)  # last: it describes every route above
    return app
