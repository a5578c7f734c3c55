"""The rules that count, written in Sigma, so that any log store with a converter can run them over the query log.

Source: Sigma rules and correlations, https://github.com/SigmaHQ/sigma-specification (version 2.1). The fields are the
columns of the table ``queries`` (targets.querylog); time is in seconds since 1970. What a monitor computes from rows
(distances, capital) no Sigma rule can say; its alerts reach a log store as ECS documents instead.
"""

from __future__ import annotations

import json
import uuid

from targets.watch.refusals import Refusals
from targets.watch.rules import Spike

# Rules made with equal settings are the same rule wherever they are made, so their ids are derived.
_NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "https://atlas.mitre.org/techniques/AML.T0024.002#model-theft-labs")


def spike_rule(spike: Spike) -> str:
    """What ``spike`` (see Spike) says: a key that asks at least so many rows within so many seconds."""
    return _rule(
        title=f"At least {spike.rows:,} rows of one API key within {_span(spike.seconds)}",
        about="Rows asked of a prediction API, answered or refused. Sees haste, not theft.",
        base=("any_query", {"verdict": ["answered", "refused"]}, "A query of rows, answered or refused"),
        kind=("value_sum", {"field": "rows", "gte": spike.rows}),
        seconds=spike.seconds,
        level="low",
        honest="a customer with a nightly job",
    )


def refusals_rule(refusals: Refusals) -> str:
    """What ``refusals`` (see Refusals) says: a key that asks on although it is refused."""
    return _rule(
        title=f"At least {refusals.refused:,} refused queries of one API key within {_span(refusals.seconds)}",
        about="A client that is refused waits as long as Retry-After says; one that asks on tests a limit.",
        base=("refused_query", {"verdict": "refused"}, "A query that a limit or a guard refused"),
        kind=("event_count", {"gte": refusals.refused}),
        seconds=refusals.seconds,
        level="medium",
        honest="a client that ignores Retry-After",
    )


def _rule(
    *,
    title: str,
    about: str,
    base: tuple[str, dict[str, object], str],
    kind: tuple[str, dict[str, object]],
    seconds: float,
    level: str,
    honest: str,
) -> str:
    """Two documents: the query that counts, and how many of them are too many. JSON values are YAML values."""
    name, selection, base_title = base
    detection = {"selection": selection, "condition": "selection"}
    correlation = {
        "type": kind[0],
        "rules": [name],
        "group-by": ["key"],
        "timespan": _span(seconds),
        "condition": kind[1],
    }
    common = {"status": "experimental", "author": "Model Theft Labs", "tags": ["atlas.aml.t0024.002"]}
    logsource = {"product": "model_theft_labs", "service": "query_log"}
    first: dict[str, object] = {
        "title": base_title,
        "name": name,
        **common,
        "logsource": logsource,
        "detection": detection,
    }
    second: dict[str, object] = {
        "title": title, **common, "description": about, "correlation": correlation, "falsepositives": [honest],
    }  # fmt: skip
    return "---\n".join([_yaml(first, "informational"), _yaml(second, level)])


def _yaml(document: dict[str, object], level: str) -> str:
    settings = {"id": str(uuid.uuid5(_NAMES, json.dumps(document, sort_keys=True))), **document, "level": level}
    lines = []
    for field, value in settings.items():
        inner = value.items() if isinstance(value, dict) else ()
        shown = "".join(f"\n    {name}: {json.dumps(one)}" for name, one in inner) or f" {json.dumps(value)}"
        lines.append(f"{field}:{shown}\n")
    return "".join(lines)


def _span(seconds: float) -> str:
    """A timespan as Sigma writes it, in the largest unit that needs no fraction. Raises ValueError below a second."""
    if seconds < 1 or seconds != int(seconds):
        raise ValueError(f"Sigma counts in whole seconds, not in {seconds:g} s")
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds % size == 0:
            return f"{int(seconds) // size}{unit}"
    return f"{int(seconds)}s"
