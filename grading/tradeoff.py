"""Defences measured in process, for exercises and benchmarks: the real app over WSGI, `labkit.blurring`'s thieves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from labkit.api import Answers, Api
from labkit.blurring import NOTHING, Bench, BlurOutcome, blur_outcomes
from labkit.launch import Rows
from labkit.transport import WsgiTransport
from targets import Defence, TargetConfig, Victim, create_app, load_victim
from targets.defences import Misinformation, parse_defence


@contextmanager
def bench_of(victim: Victim, defences: Iterable[Defence] = ()) -> Iterator[Bench]:
    """A bench around ``victim`` whose app runs in this process, with the device "menu" after ``defences``."""
    mounted = (*defences, parse_defence("menu"))
    app = create_app(TargetConfig(victim=victim.name, model=victim.model, seed=victim.seed, defences=mounted))
    transport = WsgiTransport(app)
    test = Rows(victim.test.X, victim.test.y)
    bare = victim.probabilities(test.X)
    try:
        yield Bench(
            victim=victim.name,
            session=lambda key: Api(transport, key=key, progress=False),
            pool=victim.pool.X,
            test=test,
            undefended=Answers(bare.argmax(axis=1), bare),
            linear=victim.model == "linear",
        )
    finally:
        transport.close()
        app.extensions["query_log"].close()


def defence_outcomes(
    victim: str,
    defence: str | Defence | Callable[[Victim], Defence],
    seeds: Iterable[int],
    *,
    model: str | None = None,
    budget: int = 300,
    kind: str | None = None,
) -> list[BlurOutcome]:
    """Every thief of ``labkit.blurring`` against one defence, for each of ``seeds``; seed s is victim s and thief s.

    ``defence`` is text as on the command line, "none", an object (which meets every victim in turn), or a function that
    makes one for a victim: ``lambda v: Misinformation(v.train.X)``. ``kind`` is the copies' family, by default the
    victim's own or a forest. The best of the thieves is the adaptive one: ``labkit.tradeoff.plane`` finds it.
    """
    found: list[BlurOutcome] = []
    for seed in seeds:
        loaded = load_victim(victim, seed=seed, model=model)
        family = kind or {"linear": "linear", "network": "network", "narrow": "network"}.get(loaded.model, "forest")
        built = _build(defence, loaded)
        text = defence if isinstance(defence, str) else repr(built)
        mounted = () if built is None else (built,)
        with bench_of(loaded, mounted) as bench:
            lies = isinstance(built, Misinformation)
            runs = blur_outcomes(bench, [NOTHING], budget=budget, seeds=[seed], kind=family, lies=lies)
        found += [replace(run, setting=text, defences=() if not mounted else (text,)) for run in runs]
    return found


def _build(defence: str | Defence | Callable[[Victim], Defence], victim: Victim) -> Defence | None:
    if isinstance(defence, str):
        return None if defence == NOTHING else parse_defence(defence)
    return defence if isinstance(defence, Defence) else defence(victim)
