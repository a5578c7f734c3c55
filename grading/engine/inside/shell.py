"""A notebook's shell without a kernel: runs a cell, collects what it shows in nbformat's words, within a limit."""

from __future__ import annotations

import base64
import io
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

KEPT = 2_000_000
KEPT_STREAM = 100_000
_MARK = "\n[… more output than a graded run keeps was cut here]\n"


class Collector:
    """Outputs of the running cell, in order, cut off at a limit."""

    def __init__(self) -> None:
        self.outputs: list[dict] = []
        self.size = 0
        self._clear = False

    def start(self) -> None:
        self.outputs, self.size, self._clear = [], 0, False

    def add(self, output: dict) -> None:
        """Keep ``output`` if there is room."""
        if self._clear:
            self.start()
        self.size += sum(len(str(v)) for v in output.get("data", {}).values()) + 200
        if self.size <= KEPT:
            self.outputs.append(output)

    def write(self, name: str, text: str) -> None:
        """Append ``text`` to the stream ``name``; what is over the limit is dropped at once."""
        if not text:
            return
        if self._clear:
            self.start()
        last = self.outputs[-1] if self.outputs else {}
        if last.get("output_type") != "stream" or last.get("name") != name:
            last = {"output_type": "stream", "name": name, "text": ""}
            self.size += 200
            if self.size > KEPT:
                return
            self.outputs.append(last)
        room = KEPT_STREAM - len(last["text"])
        if room > 0:
            last["text"] += text if len(text) <= room else text[:room] + _MARK

    def clear(self, wait: bool) -> None:
        if wait:
            self._clear = True
        else:
            self.start()


class Stream(io.TextIOBase):
    """sys.stdout or sys.stderr of the cells."""

    encoding = "utf-8"

    def __init__(self, collector: Collector, name: str):
        self._collector, self.name = collector, f"<{name}>"
        self._stream = name

    def write(self, text: str) -> int:
        self._collector.write(self._stream, str(text))
        return len(text)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False


def _data(raw: dict) -> dict:
    return {
        str(kind): base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for kind, value in raw.items()
    }


class _Publisher(DisplayPublisher):
    collector: Collector

    def publish(
        self,
        data: Any,
        metadata: Any = None,
        source: Any = None,
        *,
        transient: Any = None,
        update: Any = False,
        **_: Any,
    ) -> None:
        name = (transient or {}).get("display_id")
        shown = {"output_type": "display_data", "data": _data(data), "metadata": metadata or {}}
        if update:
            for output in self.collector.outputs:
                if output.get("_id") == name:
                    output.update(data=shown["data"], metadata=shown["metadata"])
            return
        self.collector.add({**shown, "_id": name} if name else shown)

    def clear_output(self, wait: bool = False) -> None:
        self.collector.clear(wait)


class _Hook(DisplayHook):
    collector: Collector

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        self.collector.add({
            "output_type": "execute_result",
            "data": _data(format_dict),
            "metadata": md_dict or {},
            "execution_count": self.prompt_count,
        })  # fmt: skip


class Shell(InteractiveShell):
    """IPython without terminal, history or kernel."""

    collector: Collector

    def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
        lines = stb if isinstance(stb, list) else [str(stb)]
        self.collector.add({
            "output_type": "error",
            "ename": getattr(etype, "__name__", str(etype)),
            "evalue": _text(evalue)[:2000],
            "traceback": [str(line)[:5000] for line in lines][:50],
        })  # fmt: skip

    def ask_exit(self) -> None:
        """exit() in a cell stops nothing: the rest is still graded."""

    def enable_gui(self, gui: Any = None) -> None:
        pass


def _text(thing: Any) -> str:
    try:
        return str(thing)
    except Exception:
        return f"<{type(thing).__name__}>"


def make_shell(collector: Collector) -> Shell:
    """The shell whose cells show into ``collector``."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.cache_size = 100
    config.InteractiveShell.display_page = True
    shell = Shell.instance(config=config, display_pub_class=_Publisher, displayhook_class=_Hook)
    parts: tuple[Any, ...] = (shell, shell.display_pub, shell.displayhook)
    for part in parts:
        part.collector = collector
    return shell


def run_cell(shell: Shell, source: str) -> list[dict]:
    """Run one cell; returns its outputs."""
    shell.collector.start()
    try:
        shell.run_cell(source, store_history=True)
    except KeyboardInterrupt:
        shell.showtraceback()
    return [{k: v for k, v in output.items() if k != "_id"} for output in shell.collector.outputs]
