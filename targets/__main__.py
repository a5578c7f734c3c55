"""``python -m targets serve NAME``: serve a victim over HTTP on this machine. ``key``, ``sigma``: see --help."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from targets.access.keys import fingerprint, make_key
from targets.app import create_app
from targets.config import TargetConfig
from targets.defences import DEFENCES, Defence, parse_defence
from targets.defences.mounted import MountLine
from targets.serving import CannotServe, is_loopback, open_server, stop_on_signals, stop_with_parent
from targets.victims import MODELS, VICTIMS
from targets.watch.refusals import Refusals
from targets.watch.rules import Spike
from targets.watch.sigma import refusals_rule, spike_rule

MOUNTED = "mounted:"
MOUNT_TOKEN = "MODEL_THEFT_LABS_MOUNT"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code (2 for a setting that cannot be used)."""
    options = _parser().parse_args(arguments)
    if options.command == "key":
        return _first_key()
    if options.command == "sigma":
        print(refusals_rule(Refusals()) + "---\n" + spike_rule(Spike()), end="")
        return 0
    stop_on_signals()
    if options.exit_with_parent:
        stop_with_parent()
    try:
        return _serve(options)
    except (CannotServe, ValueError) as error:
        print(f"targets: {error}", file=sys.stderr)
        return 2


def _serve(options: argparse.Namespace) -> int:
    if not is_loopback(options.host) and not options.expose:
        raise CannotServe(f"{options.host} can be reached by others; add --expose if that is what you want")
    if not 0 <= options.port <= 65535:
        raise CannotServe(f"a port is a number from 0 to 65535, not {options.port}")
    config = TargetConfig(
        victim=options.name,
        model=options.model,
        seed=options.seed,
        defences=_defences(options),
        keys=frozenset(options.key) or None,
        log_url=options.log,
        proxies=tuple(options.proxy),
        alerts=tuple(options.alert),
    )
    app = create_app(config)
    server = open_server(app, options.host, options.port)
    host = f"[{server.effective_host}]" if ":" in server.effective_host else server.effective_host
    url = f"http://{host}:{server.effective_port}"
    print(f"{url} serves {app.extensions['pipeline']!r}; its page is {url}/docs; Ctrl+C stops it", flush=True)
    server.run()  # returns on Ctrl+C and SIGTERM
    server.close()
    if app.extensions["alert_desk"] is not None:
        app.extensions["alert_desk"].close()
    app.extensions["query_log"].close()
    return 0


def _first_key() -> int:
    id, key = make_key()
    print(f"{key}\nKeep it: it is stored nowhere. Serve with\n  --defence door:first_key={id}:{fingerprint(key).hex()}")
    return 0


def _defences(options: argparse.Namespace) -> tuple[Defence, ...]:
    """The pipeline, with a notebook's own defences where the text says ``mounted:NUMBER``."""
    line = None if options.mount is None else MountLine(options.mount, os.environ.get(MOUNT_TOKEN, ""))
    return tuple(
        line.defence(int(text.removeprefix(MOUNTED).split()[0]))
        if line is not None and text.startswith(MOUNTED)
        else parse_defence(text)
        for text in options.defence
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m targets", description="Targets of Model Theft Labs.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("key", help="make a first administrator's key for --defence door:first_key=…")
    commands.add_parser("sigma", help="print the rules that count, in Sigma, for a log store that holds the query log")
    serve = commands.add_parser("serve", help="serve a victim over HTTP")
    serve.add_argument("name", help=f"the victim: {', '.join(VICTIMS)}")
    serve.add_argument("--model", help=f"its model: {', '.join(MODELS)} (default: the vendor's choice)")
    serve.add_argument("--seed", type=int, default=0, help="seed of data and model (default 0)")
    serve.add_argument("--port", type=int, default=0, help="port, 0 for any free one (default 0)")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    serve.add_argument("--expose", action="store_true", help="allow an address that other machines can reach")
    serve.add_argument(
        "--defence", action="append", default=[], metavar="NAME[:SETTING=VALUE,…]",
        help=f"a defence, in pipeline order; repeat for more: {', '.join(DEFENCES)}",
    )  # fmt: skip
    serve.add_argument("--mount", type=int, metavar="PORT", help=argparse.SUPPRESS)  # labkit.mounting.Line
    serve.add_argument("--log", default="sqlite://", metavar="URL", help="SQLAlchemy URL of the query log")
    serve.add_argument(
        "--proxy", action="append", default=[], metavar="ADDRESS",
        help="a reverse proxy in front, as address or network, whose X-Forwarded-For counts; repeat for more",
    )  # fmt: skip
    serve.add_argument(
        "--alert", action="append", default=[], metavar="ADDRESS",
        help="where alerts go: a webhook's URL on this machine, or a file *.ndjson (ECS); repeat for more",
    )  # fmt: skip
    serve.add_argument("--key", action="append", default=[], help="an API key that may ask; repeat for more")
    serve.add_argument("--exit-with-parent", action="store_true", help="stop when standard input ends")
    return parser


if __name__ == "__main__":
    sys.exit(main())
