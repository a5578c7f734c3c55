"""Our target under Waitress: ``python -m benchmarks.servers.ours LAYER FOLDER``; FOLDER holds its databases."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.servers.stack import LAYERS, settings
from targets import TargetConfig, create_app
from targets.serving import open_server, stop_on_signals


def main(layer: str, folder: str) -> None:
    """Serve until SIGTERM."""
    stop_on_signals()
    chosen: dict[str, Any] = settings(layer, Path(folder))
    app = create_app(TargetConfig(victim="tumour", model="linear", **chosen))
    server = open_server(app)
    print(f"http://127.0.0.1:{server.effective_port} serves {app.extensions['pipeline']!r}", flush=True)
    server.run()


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in LAYERS:
        sys.exit(f"python -m benchmarks.servers.ours {{{','.join(LAYERS)}}} FOLDER")
    main(*sys.argv[1:])
