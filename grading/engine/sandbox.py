"""The sandbox around submissions: how it is built here, which walls stand, and what to do where none can be had."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path

from grading.engine.inside import landlock
from grading.engine.inside.confine import Limits

COURSE, MOVED = "/course", "/moved"
_SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin")
# Of /etc only what programs need to start and to draw text; no users, no hosts, no keys.
_ETC = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/fonts", "/etc/localtime", "/etc/alternatives")
_HIDDEN = ("grading", "targets")
INSTALL = (
    "Install bubblewrap (Debian, Ubuntu: sudo apt install bubblewrap) and allow user namespaces "
    "(sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0 on newer Ubuntu), or grade as root; or say "
    "--trust-submissions to run them unconfined, as you, on this machine."
)


class NoSandbox(Exception):
    """No sandbox can be had here, and none was waived."""


@dataclass(frozen=True)
class Plan:
    """How submissions are confined: "namespaces" (bubblewrap), "walls" (landlock and seccomp) or "none" (trusted)."""

    kind: str
    readable: tuple[str, ...]
    limits: Limits = field(default_factory=Limits)

    def command(self, handle: int) -> list[str]:
        """The command that starts the warm process, its control socket being ``handle``."""
        plan = {"namespaces": self.kind == "namespaces", "walls": self.kind != "none"}
        told = json.dumps({**plan, "limits": asdict(self.limits), "readable": self.readable})
        inner = ["-m", "inside.zygote", str(handle), told]
        if self.kind != "namespaces":
            return [sys.executable, *inner]
        return [*_bubblewrap(), _inside(sys.executable), *inner]


def choose(*, trust: bool = False, kind: str | None = None, limits: Limits | None = None) -> Plan:
    """The strongest confinement that works here. Raises NoSandbox with the way out.

    ``trust`` gives up every wall; ``kind`` asks for one confinement by name, for tests.
    """
    limits = limits or Limits()
    if trust:
        return Plan("none", (), limits)
    if kind in (None, "namespaces") and _namespaces_work():
        return Plan("namespaces", ("/",), limits)  # all that is mounted there may be read
    if kind in (None, "walls") and landlock.abi() >= 1:
        return Plan("walls", (*_system(), *_ETC, *_environment(), *_course()), limits)
    raise NoSandbox(f"No sandbox can be had on this machine, so no submission is run. {INSTALL}")


def environment(plan: Plan) -> dict[str, str]:
    """The environment of the warm process: made from nothing, so that no secret of the examiner's is in it."""
    namespaces = plan.kind == "namespaces"
    home = "/tmp/home"
    path = COURSE if namespaces else os.pathsep.join(_course_parents())
    programs = _inside(str(Path(sys.executable).parent)) if namespaces else str(Path(sys.executable).parent)
    made = {
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
        "HOME": home, "TMPDIR": "/tmp", "LANG": "C.UTF-8", "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1", "MPLCONFIGDIR": f"{home}/matplotlib", "IPYTHONDIR": f"{home}/ipython",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline", "NBGRADER_EXECUTION": "autograde",
        "MODEL_THEFT_LABS_JUDGE": "labkit.judged", "MODEL_THEFT_LABS_OPENER": "labkit.judged:open_target",
        "MODEL_THEFT_LABS_HOME": f"{home}/progress", "SCIKIT_LEARN_DATA": f"{home}/data",
    }  # fmt: skip
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        made[threads] = "1"
    return made


def start(plan: Plan) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start the warm process; returns it with the examiner's end of its control socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    os.set_inheritable(theirs.fileno(), True)
    process = subprocess.Popen(
        plan.command(theirs.fileno()), env=environment(plan), pass_fds=[theirs.fileno()], cwd="/",
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    theirs.close()
    return process, ours


def _bubblewrap() -> list[str]:
    command = ["bwrap", "--die-with-parent", "--new-session", "--unshare-ipc", "--unshare-pid", "--unshare-net"]
    command += ["--unshare-uts", "--hostname", "graded", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    if os.getuid() != 0:
        # The warm process needs these to give each fork namespaces of its own; forks drop them before learners' code.
        command += ["--unshare-user", "--uid", "65534", "--gid", "65534"]
        for capability in ("SYS_ADMIN", "NET_ADMIN", "SETPCAP", "KILL"):
            command += ["--cap-add", f"CAP_{capability}"]
    for place in _SYSTEM:
        if os.path.islink(place):
            command += ["--symlink", os.readlink(place), place]
        elif os.path.isdir(place):
            command += ["--ro-bind", place, place]
    for folder in _parents((*_ETC, *map(_inside, _environment()), f"{COURSE}/labkit")):
        # bubblewrap would make them for root only, and forks are not root.
        command += ["--perms", "0755", "--dir", folder]
    for place in (*_ETC, *_environment()):
        command += ["--ro-bind-try", place, _inside(place)]
    for hidden in (library / package for library in _site_packages() for package in _HIDDEN):
        if hidden.is_dir():
            command += ["--tmpfs", _inside(str(hidden))]
    for place in _course():
        command += ["--ro-bind", place, f"{COURSE}/{Path(place).name}"]
    return [*command, "--chdir", "/tmp", "--"]


def _namespaces_work() -> bool:
    """Whether bubblewrap starts here and its child may make namespaces of its own, as each submission needs."""
    if not shutil.which("bwrap"):
        return False
    probe = "from inside import confine; confine.enter_namespaces(); print('yes')"
    made = {**os.environ, "PYTHONPATH": COURSE}
    try:
        done = subprocess.run(
            [*_bubblewrap(), _inside(sys.executable), "-c", probe],
            env=made,
            capture_output=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.strip() == b"yes"


def _inside(place: str) -> str:
    """Where a folder stands in the sandbox: /tmp is empty and private there, so what lies in it moves."""
    return f"{MOVED}{place}" if place.startswith("/tmp/") else place


def _parents(places: tuple[str, ...]) -> list[str]:
    return sorted({str(parent) for place in places for parent in Path(place).parents} - {"/"})


def _system() -> tuple[str, ...]:
    return tuple(place for place in _SYSTEM if os.path.isdir(place))


def _environment() -> tuple[str, ...]:
    """The interpreter and its libraries, where they are not under /usr."""
    real = Path(sys.executable).resolve().parent.parent
    places = {sys.prefix, sys.base_prefix, str(real), *map(str, _site_packages())}
    return tuple(sorted(p for p in places if not p.startswith("/usr/") and p not in ("/usr", "/")))


def _site_packages() -> set[Path]:
    return {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}


def _course() -> tuple[str, ...]:
    """What the sandbox holds of this project: labkit, and the folder that runs inside."""
    labkit = find_spec("labkit")  # not imported: scikit-learn and Matplotlib would come with it
    assert labkit is not None
    assert labkit.origin is not None
    return str(Path(labkit.origin).parent), str(Path(__file__).parent / "inside")


def _course_parents() -> tuple[str, ...]:
    return tuple(str(Path(place).parent) for place in _course())
