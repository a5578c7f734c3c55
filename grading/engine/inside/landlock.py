"""Landlock: what this process may read and write, by folder. A second wall behind mounts; else the first."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

_LIBC = ctypes.CDLL(None, use_errno=True)
_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every processor
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE, _IOCTL_DEV = 1, 2, 4, 8, 1 << 14, 1 << 15
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_SCOPES = 3  # abstract unix sockets and signals stay inside


def abi() -> int:
    """Version of Landlock here; 0 if there is none."""
    return max(0, _LIBC.syscall(_CREATE, None, ctypes.c_size_t(0), 1))


def restrict(readable: Iterable[str], writable: Iterable[str], *, network: bool) -> int:
    """From now on this process reads only below ``readable`` and writes only below ``writable``; returns the version.

    Without ``network`` it may neither bind nor connect TCP (version 4 on). Raises OSError where it cannot be had.
    """
    version = abi()
    if version < 1:
        raise OSError("landlock is not available")
    every = (1 << 13) - 1
    every |= (1 << 13 if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    every |= _IOCTL_DEV if version >= 5 else 0
    fields = [every]
    if version >= 4:
        fields.append(0 if network else 3)
    if version >= 6:
        fields.append(_SCOPES)
    attribute = struct.pack(f"{len(fields)}Q", *fields)
    ruleset = _LIBC.syscall(_CREATE, attribute, ctypes.c_size_t(len(attribute)), 0)
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "landlock")
    try:
        for path in readable:
            _allow(ruleset, path, _READ & every)
        for path in writable:
            _allow(ruleset, path, every)
        _LIBC.prctl(38, 1, 0, 0, 0)
        if _LIBC.syscall(_RESTRICT, ruleset, 0):
            raise OSError(ctypes.get_errno(), "landlock")
    finally:
        os.close(ruleset)
    return version


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):
            rights &= _ON_FILES
        rule = struct.pack("=Qi", rights, file)
        if _LIBC.syscall(_ADD, ruleset, 1, rule, 0):
            raise OSError(ctypes.get_errno(), f"landlock: {path}")
    finally:
        os.close(file)
