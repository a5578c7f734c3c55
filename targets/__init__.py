"""The defender's room: victims, the app that serves them, the defence pipeline and the query log."""

from targets.app import create_app
from targets.config import TargetConfig
from targets.defences.base import Defence, Query, Refused
from targets.victims import Victim, load_victim

__all__ = ["Defence", "Query", "Refused", "TargetConfig", "Victim", "create_app", "load_victim"]
