"""Using up time, memory, disk, processes, output; and dying. What was earned before is kept, the rest is lost."""

from __future__ import annotations

from hostile_kit import case, code_case

AFTER_TWO = "00-2-check"  # five points are earned by then

code_case("loops_in_a_cell", "while True: pass", points=11, says="interrupted", after=AFTER_TWO)
code_case("sleeps_for_ever", "import time\ntime.sleep(1e6)", points=11, says="interrupted", after=AFTER_TWO)
code_case(
    "loops_and_ignores_interrupts",
    "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
    points=5, says="did not stop in time", after=AFTER_TWO,
)  # fmt: skip
code_case(
    "catches_every_interrupt",
    "import signal\nsignal.signal(signal.SIGINT, lambda *a: print('no'))\nwhile True: pass",
    points=5, says="did not stop in time", after=AFTER_TWO,
)  # fmt: skip
code_case("loops_in_c", "sum(range(10**13))", points=5, says="did not stop in time", after=AFTER_TWO)
code_case("takes_six_gigabytes", "block = bytearray(6 << 30)", points=11, after=AFTER_TWO)
code_case(
    "takes_memory_in_many_processes",
    """
import multiprocessing as m, time
def eat():
    block = b"x" * (700 << 20)
    time.sleep(60)
for _ in range(6): m.Process(target=eat).start()
time.sleep(60)
""",
    points=5, says="memory", after=AFTER_TWO,
)  # fmt: skip
code_case(
    "fork_bomb",
    "import os\ntry:\n    while True: os.fork()\nexcept OSError: os._exit(0)",
    points=5, after=AFTER_TWO,
)  # fmt: skip
code_case(
    "thread_bomb",
    """
import threading, time
try:
    for _ in range(20000): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
except (RuntimeError, MemoryError) as error: print(error)
""",
    points=5, after=AFTER_TWO,
)  # fmt: skip
code_case("prints_200_megabytes", "for _ in range(2000): print('x' * 100_000)", points=11, after=AFTER_TWO)
code_case(
    "prints_below_python",
    "import os\nfor _ in range(2000):\n    os.write(1, b'x' * 100_000)\n    os.write(2, b'y' * 100_000)",
    points=11, after=AFTER_TWO,
)  # fmt: skip
code_case(
    "shows_50_megabytes",
    "from IPython.display import HTML, display\nfor _ in range(50): display(HTML('x' * 10**6))",
    points=11, after=AFTER_TWO,
)  # fmt: skip
code_case(
    "fills_the_disk",
    """
import itertools, os
for place in ("/tmp", "/dev/shm", "."):
    try:
        for i in itertools.count():
            with open(f"{place}/fill{i}", "wb") as f: f.write(bytes(16 << 20))
    except OSError as error: print(error)
for place in ("/tmp", "/dev/shm", "."):
    for name in os.listdir(place):
        if name.startswith("fill"): os.unlink(f"{place}/{name}")
""",
    points=11, after=AFTER_TWO,
)  # fmt: skip
code_case(
    "opens_every_file",
    "held = []\ntry:\n    while True: held.append(open('/dev/null'))\nexcept OSError as e: print(e); held.clear()",
    points=11, after=AFTER_TWO,
)  # fmt: skip
code_case("exits_at_once", "import os\nos._exit(0)", says="ended by itself")
code_case("exits_half_way", "import os\nos._exit(1)", points=5, says="ended by itself", after=AFTER_TWO)
code_case("leaves_politely", "import sys\nexit()\nsys.exit(3)", points=11, after=AFTER_TWO)
code_case("raises_system_exit", "raise SystemExit", points=11, after=AFTER_TWO)
code_case("crashes", "import ctypes\nctypes.string_at(0)", points=5, says="ended by itself", after=AFTER_TWO)
code_case(
    "overflows_the_stack",
    "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return f(n + 1) + 1\nf(0)",
    after=AFTER_TWO, points=5,
)  # fmt: skip
code_case(
    "kills_itself",
    "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\nos.abort()",
    points=5, says="ended by itself", after=AFTER_TWO,
)  # fmt: skip
code_case(
    "deadlocks",
    "import threading\nl = threading.Lock(); l.acquire(); l.acquire()",
    points=11, says="interrupted", after=AFTER_TWO,
)  # fmt: skip
code_case("regular_expression_bomb", "import re\nre.match('(a+)+$', 'a' * 40 + 'b')", points=11, says="interrupted",
          after=AFTER_TWO)  # fmt: skip
code_case("waits_for_input", "input('your name? ')", points=11, after=AFTER_TWO)
code_case(
    "holds_the_interpreter",
    "import sys, threading\nsys.setswitchinterval(1e9)\n"
    "threading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True).start()",
    points=11, after="00-5-check",
)  # fmt: skip


@case(points=8)
def answer_that_never_returns(notebook, folder):
    """The judge waits no longer than the exercise allows; the next exercises are judged."""
    notebook.cell("00-1-decide")["source"] = "def decide(card):\n    while True: pass"


@case(points=8)
def answer_that_eats_the_time_limit(notebook, folder):
    """Swallows the limit that labkit sets inside the kernel; the examiner's own ends it."""
    notebook.cell("00-1-decide")["source"] = (
        "def decide(card):\n    while True:\n        try:\n            while True: pass\n"
        "        except BaseException as e:\n            if 'OutOfTime' not in type(e).__name__: raise"
    )


@case(points=8)
def answer_of_a_hundred_megabytes(notebook, folder):
    """More than may be handed over."""
    notebook.cell("00-1-decide")["source"] = "def decide(card):\n    return 'x' * 10**8"


@case(points=8)
def answer_nested_without_end(notebook, folder):
    """A list that holds itself."""
    notebook.cell("00-1-decide")["source"] = "def decide(card):\n    a = []\n    a.append(a)\n    return a"


@case(points=8)
def answer_that_kills_the_interrupt(notebook, folder):
    """Raises what the machinery itself would."""
    notebook.cell("00-1-decide")["source"] = "def decide(card):\n    raise KeyboardInterrupt"
