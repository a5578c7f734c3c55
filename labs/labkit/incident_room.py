"""Lab 11's incident room: open the papers, train the crew's copy from the log, send a live crew against a playbook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from labkit.access import what_was_issued
from labkit.api import Answers, _raise_for_problem
from labkit.incident import Incident, write_incident
from labkit.incident_papers import START
from labkit.launch import Target, launch
from labkit.metrics import agreement
from labkit.playbook import Containment, Ending, Playbook, replay
from labkit.playbook_ears import Ears
from labkit.playbook_scenes import make_scene
from labkit.surrogates import fit_surrogate
from labkit.traffic import DAY
from labkit.watching import split_pool

KINDS = ("linear", "forest")


def open_incident(target: Target, *, seed: int = 0) -> Incident:
    """The papers of an incident on ``target``'s model."""
    return write_incident(target.model(), target.data("pool").X, target.data("test").X, seed=seed)


def papers(incident: Incident) -> list[dict[str, Any]]:
    """One line a source: how many entries, whose time, and the last entry as it stands there."""
    kept = {
        "query log": (incident.log, "seconds, UTC"),
        "audit trail": (incident.trail, f"seconds, {incident.trail_fast:g} s fast"),
        "alerts": (incident.alerts, "seconds, UTC"),
        "tickets": (incident.tickets, "text with an offset"),
    }
    hidden = ("previous", "digest", "reason", "latency_ms", "number", "score", "queries_seen", "payment")
    return [
        {
            "paper": name,
            "entries": len(lines),
            "time": time,
            "its last entry": ", ".join(f"{k} {v}" for k, v in lines[-1].items() if k not in hidden),
        }
        for name, (lines, time) in kept.items()
    ]


def moments(incident: Incident) -> dict[str, float]:
    """Days of the incident at which somebody could have known: the crew's first alert, the disputed bill."""
    alert = min(alert["time"] for alert in incident.alerts if alert["key"] in incident.crew_keys)
    (bill,) = [ticket["time"] for ticket in incident.tickets if ticket["kind"] == "disputed bill"]
    times = {"first alert": alert, "disputed bill": datetime.fromisoformat(bill).timestamp()}
    return {name: (time - START) / DAY for name, time in times.items()}


def copies_from_log(
    target: Target, incident: Incident, lines: Sequence[int], *, steps: int = 7
) -> list[dict[str, Any]]:
    """What a thief could have trained by the end of each of ``steps`` spans of the incident: rows and agreement a kind.

    ``lines`` are the log lines whose answers the thief holds. The target is asked those rows again, as an investigator
    may: its answers are those of then, as long as the model and the defences are. A teller's answers had no digits.
    """
    mine = [incident.log[number - 1] for number in lines]
    rows = np.vstack([incident.content[line["line"] - 1] for line in mine])
    times = np.repeat([line["time"] for line in mine], [line["rows"] for line in mine])
    issued = {line["key"]: what_was_issued(line) or {} for line in incident.trail if what_was_issued(line)}
    digits = np.repeat([issued[line["key"]]["role"] != "teller" for line in mine], [line["rows"] for line in mine])
    soft = target.api("forensics").probabilities(rows)
    labels = soft.argmax(axis=1)
    soft = np.where(digits[:, None], soft, np.eye(soft.shape[1])[labels])
    test = target.data("test").X
    truth = target.api("referee").labels(test)
    found = []
    for end in np.linspace(times[0], times[-1], steps + 1)[1:]:
        have = times <= end
        bought = Answers(labels[have], soft[have])
        line: dict[str, Any] = {"day": round(float(end - START) / DAY, 2), "rows": int(have.sum())}
        for kind in KINDS:
            copy = fit_surrogate(rows[have], bought, kind=kind)
            line[kind] = agreement(copy.predict(test), truth)
        found.append(line)
    return found


def play_live(target: Target, playbook: Playbook, *, seed: int = 0, tests: bool = False) -> Ending | str:
    """A day in the real app: a monitor, containment that ``playbook`` steers, customers, and a crew that adapts.

    The target of the lab stays as it is; a second one of the same victim is started for the day, with both mounted.
    Their clock is the scene's; addresses travel in X-Forwarded-For from a proxy that the target trusts.
    """
    known, ordinary, own = split_pool(target)
    scene = make_scene(target.model(), own, target.data("test").X, seed=seed, tests=tests)
    try:
        playbook({"kind": "rehearsal", "linked": [], "confirmed": False, "detector": "", "contract": "", "sharing": 1})
    except NotImplementedError:
        return "Write exercise 11.4, then run this cell again."
    ears, containment = Ears(known, ordinary), Containment(known, seed)
    spec = target.spec
    with launch(
        spec.victim, model=spec.model, seed=spec.seed, defences=[ears, containment], proxies=["127.0.0.1"]
    ) as app:
        line = _Line(app, ears, containment)
        return replay(playbook, scene, containment, line.send, ears.new_alerts)


class _Line:
    """Sends a request under any key from any address, and keeps the clock of ``ears``."""

    def __init__(self, target: Target, ears: Ears, containment: Containment):
        self._transport, self._ears, self._containment = target.transport, ears, containment

    def send(self, key: str, source: str, rows: np.ndarray) -> tuple[int, Any, Any]:
        """Status, labels, probabilities."""
        self._ears.now = self._containment.now
        headers = {"X-API-Key": key, "X-Forwarded-For": source}
        reply = self._transport.send("POST", "/v1/predict", {"rows": rows.tolist()}, headers)
        if reply.status == 429:
            return 429, None, None
        _raise_for_problem(reply)
        return 200, np.array(reply.body["labels"]), np.array(reply.body["probabilities"])


def crews_copy(target: Target, ending: Ending) -> float:
    """Agreement of the best copy the crew can train from what it was told, on test rows; 0 if it was told nothing."""
    if not ending.crew:
        return 0.0
    rows, soft = (np.vstack([batch[name] for batch in ending.crew]) for name in ("rows", "probabilities"))
    test = target.data("test").X
    truth = target.api("referee").labels(test)
    copies = [fit_surrogate(rows, Answers(soft.argmax(axis=1), soft), kind=kind) for kind in KINDS]
    return max(agreement(copy.predict(test), truth) for copy in copies)


def endings_table(target: Target, endings: Mapping[str, Ending | str]) -> list[dict[str, Any]]:
    """One line a playbook: what leaked, what the crew's copy is worth, what customers noticed."""
    return [
        {
            "playbook": name,
            "rows told truly": one.leaked(),
            "decoys told": sum(len(batch["rows"]) for batch in one.crew) - one.leaked(),
            "agreement of the crew's copy": crews_copy(target, one),
            "honest requests refused": f"{one.refused_share:.1%}",
            "honest requests lied to": one.lied_to,
            "customers shut out at the end": len(one.locked_out),
        }
        for name, one in endings.items()
        if not isinstance(one, str)
    ]
