"""The control room: a running target on one screen, with a thief to start and defences to switch on.

Everything on it is also to be had in words: ``room.controls.picture()`` holds the numbers, ``room.traffic`` the thief.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from labkit import control_views as views
from labkit.control import DEFENCES, THIEVES, Traffic, launch_controlled
from labkit.control_plot import curve_svg
from labkit.errors import LabError
from labkit.pulse import Pulse
from labkit.webhook import Receiver

BEAT, REST = 0.6, 1.5  # seconds between two looks: while a thief is at work, and while all is quiet
WIDE = {"description_width": "initial"}


class ControlRoom:
    """A target of its own behind switches, its webhook receiver, some customers, a thief, and the panel for all.

    ``target`` is for your own queries from any cell; the panel follows by itself, also while a cell runs. ``close()``
    ends everything; a restart of the kernel does, too.
    """

    def __init__(self, victim: str = "credit", *, defences: Sequence[str] = DEFENCES, seed: int = 0):
        self.target, self.controls = launch_controlled(victim, defences, seed=seed)
        self.traffic = Traffic(self.target, seed=seed)
        self.receiver: Receiver | None = None
        self._lock, self._thief = threading.RLock(), ""
        self._marks: list[tuple[int, str]] = []  # rows the thief had when a switch was turned, and which
        self._pulse = Pulse(self._beat, self._failed)
        self._build(self.controls.picture())
        if sys.platform != "emscripten":  # Python in a browser can listen to nobody
            self.receiver = Receiver()
            self.controls.send_alerts_to(self.receiver.url)
        self._pulse.start()
        self.refresh()

    def start_theft(self, kind: str | None = None) -> None:
        """A thief begins; ``kind`` is one of labkit.control.THIEVES, by default the one chosen in the panel."""
        with self._lock:
            self._thief, self._marks = self.traffic.start_theft(kind or self.kind.value), []
        self._pulse.start()
        self._pulse.hurry()

    def stop_theft(self) -> None:
        """The thief asks no more."""
        with self._lock:
            self.traffic.stop_theft()
        self.refresh()

    def turn(self, name: str, on: bool) -> None:
        """Turn a switch, by the name it has in ``picture()``, as a click does. Raises KeyError that lists the names."""
        if name not in self.switches:
            raise KeyError(f"no switch is named {name!r}; there are {', '.join(self.switches)}")
        self.switches[name].value = on

    def refresh(self) -> bool:
        """Look at the target and show what is there; whether anything had changed."""
        with self._lock:
            picture = self.controls.picture()
            received = None if self.receiver is None else len(self.receiver.alerts)
            shown = {
                self.status: views.status_html(views.status(picture), bool(picture["alerts"])),
                self.numbers: views.numbers_html(views.numbers(picture, self._thief)),
                self.curve: curve_svg(picture, self._marks),
                self.keys: views.keys_html(picture),
                self.alerts: views.alerts_html(picture, received),
                self.stream: views.stream_html(picture),
            }
            changed = [panel for panel, text in shown.items() if panel.value != text]
            for panel in changed:
                panel.value = shown[panel]
            self.start.disabled, self.stop.disabled = bool(self.traffic.thief), not self.traffic.thief
            return bool(changed)

    def close(self) -> None:
        """End the thief, the clock, the target and the receiver."""
        self._pulse.close()
        self.controls.close()
        self.target.stop()
        if self.receiver is not None:
            self.receiver.close()
        self._say("This control room is closed. Run its cell again for a new one.")

    def _beat(self) -> float:
        with self._lock:
            self.traffic.step()
        changed = self.refresh()
        return BEAT if changed or self.traffic.thief else REST

    def _failed(self, error: Exception) -> None:
        known = str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
        self._say(f"The control room has stopped: {known}")

    def _say(self, text: str) -> None:
        self.status.value = views.status_html(text)
        for control in (self.kind, self.start, self.stop, *self.switches.values()):
            control.disabled = True

    def _build(self, picture: views.Picture) -> None:
        import ipywidgets as w

        self.kind = w.Dropdown(options=list(THIEVES), description="Thief", style=WIDE, layout=w.Layout(width="20em"))
        self.start = w.Button(description="Start the theft", button_style="danger")
        self.stop = w.Button(description="Stop the theft", disabled=True)
        self.start.on_click(lambda _: self._clicked(self.start_theft))
        self.stop.on_click(lambda _: self._clicked(self.stop_theft))
        self.switches = {switch["name"]: self._switch(w, switch) for switch in picture["switches"]}
        self.status, self.numbers, self.curve, self.keys, self.alerts, self.stream = (w.HTML() for _ in range(6))
        heading = w.HTML("<h4>Defences, as a query meets them</h4>")
        left = w.VBox([self.kind, w.HBox([self.start, self.stop]), heading, *self.switches.values()])
        left.layout.width, left.layout.flex = "22em", "0 0 auto"
        for panel in (self.curve, self.alerts, self.stream):
            panel.layout.flex, panel.layout.min_width, panel.layout.overflow = "1 1 20em", "20em", "hidden"
        wrap = w.Layout(flex_flow="row wrap", grid_gap="0 24px", align_items="flex-start")
        self.panel = w.VBox([
            self.status, self.numbers, w.HBox([left, self.curve], layout=wrap),
            w.HBox([self.alerts, self.stream], layout=wrap), self.keys,
        ])  # fmt: skip
        self.panel.add_class("mtl-room")

    def _switch(self, w: Any, switch: dict[str, Any]) -> Any:
        box = w.Checkbox(
            value=switch["on"], description=views.switch_label(switch["name"]), indent=False,
            layout=w.Layout(width="auto"),
        )  # fmt: skip
        box.observe(lambda change: self._clicked(self._turn, switch["name"], change["new"]), names="value")
        return box

    def _turn(self, name: str, on: bool) -> None:
        self.controls.turn(name, on)
        if self._thief:
            rows = int(self.target.usage(self._thief)["rows"])
            self._marks.append((rows, f"{'on' if on else 'off'}: {views.switch_label(name).partition(' (')[0]}"))
        self.refresh()

    def _clicked(self, action: Callable[..., None], *arguments: Any) -> None:
        try:
            action(*arguments)
        except LabError as error:  # nobody reads an exception of a click
            self._failed(error)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.panel._repr_mimebundle_(**options)

    def __repr__(self) -> str:
        return f"ControlRoom({self.target!r})"


_open: list[ControlRoom] = []


class Shut:
    """What stands in a graded run where the control room would be: nobody is there to look at it."""

    def __repr__(self) -> str:
        return "The control room stays shut in a graded run."


def control_room(victim: str = "credit", *, defences: Sequence[str] = DEFENCES, seed: int = 0) -> ControlRoom | Shut:
    """Open a control room over a target of its own; the one opened before is closed. See ControlRoom."""
    if os.environ.get("NBGRADER_EXECUTION"):
        return Shut()
    while _open:
        _open.pop().close()
    _open.append(ControlRoom(victim, defences=defences, seed=seed))
    return _open[0]
