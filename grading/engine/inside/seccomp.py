"""A seccomp filter in plain BPF: system calls that no notebook needs fail with an error. No library needed."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _MODE_FILTER = 22, 38, 2
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _JEQ, _JGE, _JSET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NR, _ARCH, _ARG0 = 0, 4, 16
_X32 = 0x40000000
# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_NAMESPACES = 0x7E020000

# name: (number on x86_64, number on aarch64). What each could be used for: reading other processes, changing mounts and
# namespaces, the kernel's own keys, programs and modules, and doors that filters do not see (io_uring).
_REFUSED = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442), "unshare": (272, 97),
    "setns": (308, 268), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "quotactl": (179, 60), "acct": (163, 89), "syslog": (103, 116), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "personality": (135, 92),
    "fanotify_init": (300, 262), "lookup_dcookie": (212, 18), "mbind": (237, 235), "migrate_pages": (256, 238),
    "move_pages": (279, 239),
}  # fmt: skip
_CLONE, _CLONE3, _SOCKET = (56, 220), (435, 435), (41, 198)
_KILL_CALLS = ((62, 129), (200, 130), (129, 138), (297, 240))  # kill, tkill, rt_sigqueueinfo, rt_tgsigqueueinfo
_TGKILL, _PIDFD_SEND, _IOCTL = (234, 131), (424, 424), (16, 29)
UNIX, INTERNET = (1,), (1, 2, 10, 16)  # families of sockets: unix; and inet, inet6, netlink
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C


class Unavailable(OSError):
    """This kernel or processor cannot do it."""


def _step(code: int, k: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, k & 0xFFFFFFFF)


def _refuse(number: int, error: int = errno.EPERM) -> list[bytes]:
    return [_step(_JEQ, number, 0, 1), _step(_RETURN, _ERRNO | error)]


def _only(number: int, values: tuple[int, ...], error: int = errno.EPERM) -> list[bytes]:
    """Allow ``number`` only if its first argument is one of ``values``."""
    tests = [_step(_JEQ, value, len(values) - i, 0) for i, value in enumerate(values)]
    body = [_step(_LOAD, _ARG0), *tests, _step(_RETURN, _ERRNO | error), _step(_RETURN, _ALLOW)]
    return [_step(_JEQ, number, 0, len(body)), *body]


def _masked(number: int, mask: int) -> list[bytes]:
    """Refuse ``number`` if its first argument has a bit of ``mask``."""
    body = [_step(_LOAD, _ARG0), _step(_JSET, mask, 0, 1), _step(_RETURN, _ERRNO | errno.EPERM), _step(_RETURN, _ALLOW)]
    return [_step(_JEQ, number, 0, len(body)), *body]


def _ioctls(number: int) -> list[bytes]:
    body = [_step(_LOAD, 24), _step(_JEQ, _TIOCSTI, 1, 0), _step(_JEQ, _TIOCLINUX, 0, 1)]
    body += [_step(_RETURN, _ERRNO | errno.EPERM), _step(_RETURN, _ALLOW)]
    return [_step(_JEQ, number, 0, len(body)), *body]


def program(*, alone: bool, sockets: tuple[int, ...]) -> bytes:
    """The filter. ``alone``: no namespaces stand around the process, so signals to others go, too."""
    machine = platform.machine()
    if machine not in ("x86_64", "aarch64"):
        raise Unavailable(f"no seccomp filter is written for {machine}")
    i, arch = (0, 0xC000003E) if machine == "x86_64" else (1, 0xC00000B7)
    steps = [_step(_LOAD, _ARCH), _step(_JEQ, arch, 1, 0), _step(_RETURN, _KILL), _step(_LOAD, _NR)]
    if i == 0:
        steps += [_step(_JGE, _X32, 0, 1), _step(_RETURN, _ERRNO | errno.ENOSYS)]
    for numbers in _REFUSED.values():
        steps += _refuse(numbers[i])
    # clone3 hides its flags behind a pointer; with ENOSYS the C library falls back to clone.
    steps += _refuse(_CLONE3[i], errno.ENOSYS)
    steps += _only(_SOCKET[i], sockets, errno.EAFNOSUPPORT)
    if alone:
        for numbers in _KILL_CALLS:
            steps += _only(numbers[i], (os.getpid(),))
        steps += _only(_TGKILL[i], (os.getpid(),)) + _refuse(_PIDFD_SEND[i])
    steps += _masked(_CLONE[i], _NAMESPACES) + _ioctls(_IOCTL[i])
    return b"".join([*steps, _step(_RETURN, _ALLOW)])


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install(*, alone: bool, sockets: tuple[int, ...] = INTERNET) -> None:
    """Put the filter on this process and all its children, for good. Raises OSError where it cannot be had."""
    code = program(alone=alone, sockets=sockets)
    held = _Program(len(code) // 8, code)
    if _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    if _LIBC.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(held), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")
