"""Other ways to open a target, for $MODEL_THEFT_LABS_OPENER: in this process, or in the judge's.

The first serves fast tests and Python in the browser (no sockets there, no threads); the second is how a graded run
keeps the victim where the kernel cannot reach it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from grading.pipe import JudgeProcess
from labkit.defending import call_hook, describe
from labkit.launch import Target, TargetSpec
from labkit.transport import Reply, WsgiTransport
from targets import TargetConfig, create_app
from targets.defences import parse_defence
from targets.defences.mounted import Mounted


def config_of(spec: TargetSpec, mounted: Sequence[Mounted] = ()) -> TargetConfig:
    """The configuration that ``python -m targets serve`` would make of ``spec``; ``mounted`` in order of number."""
    there = iter(mounted)
    defences = tuple(next(there) if text.startswith("mounted:") else parse_defence(text) for text in spec.defences)
    return TargetConfig(
        victim=spec.victim,
        model=spec.model,
        seed=spec.seed,
        defences=defences,
        log_url=spec.log or "sqlite://",
        proxies=tuple(spec.proxies),
    )


def wsgi(spec: TargetSpec, mounted: Sequence[Any] = ()) -> Target:
    """A target in this process, called through WSGI."""
    here = [Mounted(partial(call_hook, defence), **describe(defence)) for defence in mounted]
    transport = WsgiTransport(create_app(config_of(spec, here)))
    return Target(spec, transport, transport.close, "in this process")


class PipeTransport:
    """Sends requests to a target that the judge's process holds."""

    def __init__(self, process: JudgeProcess, number: int):
        self._process, self._number = process, number

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        reply = self._process.send(self._number, method, path, body, dict(headers or {}))
        return Reply(reply["status"], reply["body"], reply["headers"])


def judge_pipe(spec: TargetSpec, mounted: Sequence[Any] = ()) -> Target:
    """A target in a judge's process, asked over its pipe."""
    process = JudgeProcess()
    number = process.open(spec, mounted)
    return Target(spec, PipeTransport(process, number), process.close, "the judge's process")
