"""From a trusted, warm process to a confined one: namespaces, private folders, limits, no rights. After each fork."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import shutil
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from . import landlock, seccomp

_LIBC = ctypes.CDLL(None, use_errno=True)
_NEW = {
    "mounts": 0x00020000,
    "host name": 0x04000000,
    "ipc": 0x08000000,
    "processes": 0x20000000,
    "network": 0x40000000,
}
_PRIVATE_REC, _NOSUID, _NODEV, _NOEXEC = 0x44000, 2, 4, 8
_FIRST_UID = 61_000


@dataclass(frozen=True)
class Limits:
    """What one submission may use: bytes of memory a process, CPU seconds, processes, bytes a file, bytes on disk."""

    memory: int = 4 << 30
    cpu: int = 600
    processes: int = 256
    file: int = 64 << 20
    disk: int = 128 << 20
    open_files: int = 512


def enter_namespaces() -> None:
    """Private mounts, processes, network, ipc and host name; the next fork is process 1 in there. Needs capability."""
    flags = 0
    for flag in _NEW.values():
        flags |= flag
    if _LIBC.unshare(flags):
        raise OSError(ctypes.get_errno(), "namespaces")


def furnish(limits: Limits, slot: int) -> None:
    """As process 1 of new namespaces: own /proc, empty /tmp and /dev/shm of limited size, loopback up."""
    _mount("none", "/", None, _PRIVATE_REC, "")
    owner = f",uid={_FIRST_UID + slot},gid={_FIRST_UID + slot}" if os.getuid() == 0 else ""
    # What the set-up cells left in /tmp goes along: theirs is behind the new, empty one.
    left = os.open("/tmp", os.O_RDONLY | os.O_DIRECTORY)
    for place in ("/tmp", "/dev/shm"):
        _mount("tmpfs", place, "tmpfs", _NOSUID | _NODEV, f"size={limits.disk},mode=0700{owner}")
    _carry(f"/proc/self/fd/{left}", "/tmp", _FIRST_UID + slot if os.getuid() == 0 else -1)
    os.close(left)
    _mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC, "")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        fcntl.ioctl(probe, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: up, running


def _carry(source: str, target: str, owner: int) -> None:
    """Copy a folder's plain files and folders, and give them to ``owner``."""
    for entry in os.scandir(source):
        there = os.path.join(target, entry.name)
        if entry.is_dir(follow_symlinks=False):
            os.makedirs(there, mode=0o700, exist_ok=True)
            _carry(entry.path, there, owner)
        elif entry.is_file(follow_symlinks=False):
            shutil.copyfile(entry.path, there)
        else:
            continue
        os.chown(there, owner, owner)


def limit(limits: Limits) -> None:
    """Resource limits, hard ones: they cannot be raised again."""
    wanted = {
        resource.RLIMIT_AS: limits.memory,
        resource.RLIMIT_FSIZE: limits.file,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: limits.processes,
        resource.RLIMIT_CPU: limits.cpu,
    }
    for what, value in wanted.items():
        hard = resource.getrlimit(what)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (value, value))


def drop_rights(slot: int) -> str:
    """Give up root and every capability for good; returns how. A process that is not root only loses capabilities."""
    for capability in range(64):
        _LIBC.prctl(24, capability, 0, 0, 0)
    if os.getuid() == 0:
        uid = _FIRST_UID + slot
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        how = f"uid {uid}, no capabilities"
    else:
        how = "no capabilities"
    header = struct.pack("Ii", 0x20080522, 0)
    if _LIBC.capset(header, bytes(24)):
        raise OSError(ctypes.get_errno(), "capset")
    _LIBC.prctl(38, 1, 0, 0, 0)  # no_new_privs
    _LIBC.prctl(4, 1, 0, 0, 0)  # dumpable: /proc/self belongs to the new uid
    return how


def wall_in(
    readable: Iterable[str], work: Iterable[str], *, alone: bool, sockets: tuple[int, ...] = seccomp.INTERNET
) -> list[str]:
    """Landlock, then seccomp; returns the names of the walls that stand."""
    walls = []
    with contextlib.suppress(OSError):
        writable = [*work, "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"]
        walls.append(f"landlock {landlock.restrict(readable, writable, network=not alone)}")
    with contextlib.suppress(OSError):
        seccomp.install(alone=alone, sockets=sockets)
        walls.append("seccomp")
    return walls


def _mount(source: str, place: str, kind: str | None, flags: int, data: str) -> None:
    if _LIBC.mount(source.encode(), place.encode(), kind and kind.encode(), flags, data.encode()):
        raise OSError(ctypes.get_errno(), f"mount {place}")
