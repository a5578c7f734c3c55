"""Readers that parse and never run: by kind of file, each with a sentence for what it refuses."""

from __future__ import annotations

import base64
import binascii
import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labkit.errors import LabError

# Compiled classes that skops does not trust by itself, and that hold numbers only.
TRUSTED = ("sklearn.tree._tree.Tree",)
MAX_BYTES = 50_000_000
_VENDOR = b"VNDR1:"


class ArtefactRefused(LabError):
    """A model file was not opened. The sentence says what is wrong with it and what to do."""


def file_kind(data: bytes) -> str:
    """What the first bytes say: "pickle", "skops", "vendor", "sealed" or "unknown". File names prove nothing.

    Pickles of protocol 0 and 1 carry no mark at their start; how they open and end gives many away.
    """
    if data.startswith(b"PK\x03\x04"):
        return "skops"
    if data.startswith(_VENDOR):
        return "vendor"
    if data.startswith(b"MTLS1\n"):
        return "sealed"
    if data[:1] == b"\x80" or (data[:1] in b"c(]}iI" and data.rstrip()[-1:] == b"."):
        return "pickle"
    return "unknown"


def read_skops(data: bytes, *, trusted: Sequence[str] = TRUSTED) -> Any:
    """The model in skops ``data``, built of types that skops knows or ``trusted`` names, and of nothing else.

    Raises ArtefactRefused: not a skops file (a pickle above all), damaged, too large, or holding a type off the list.
    """
    kind = file_kind(data)
    if len(data) > MAX_BYTES:
        raise ArtefactRefused(f"the file has {len(data):,} bytes; more than {MAX_BYTES:,} are not opened")
    if kind == "pickle":
        raise ArtefactRefused(
            "this is a pickle: opening it would run whatever it names. It was not opened. "
            "List its instructions with list_opcodes, and ask its maker for a skops file"
        )
    if kind != "skops":
        raise ArtefactRefused(f"this is not a skops file (kind: {kind}). It was not opened; ask where it comes from")
    import skops.io  # here, for it walks through all of scikit-learn, which takes longer than most of its users' work

    try:
        _check_unpacked_size(data)
        unknown = sorted(set(skops.io.get_untrusted_types(data=data)) - set(trusted))
    except ArtefactRefused:
        raise
    except Exception as error:
        # zipfile, json and skops raise a dozen kinds of error on damaged bytes; all mean the same to whoever opens it.
        raise ArtefactRefused(
            f"the file is cut short or damaged ({type(error).__name__}); fetch it again and compare its hash"
        ) from None
    if unknown:
        raise ArtefactRefused(
            f"the file holds {', '.join(unknown[:3])}, which is not on the list of trusted types. It was not opened; "
            "read what that type does before you add it"
        )
    try:
        return skops.io.loads(data, trusted=list(trusted))
    except Exception as error:
        raise ArtefactRefused(
            f"the file is damaged ({type(error).__name__}); fetch it again and compare its hash"
        ) from None


def onnx_parameters(path: str | Path) -> dict[str, np.ndarray]:
    """Every table of numbers in an ONNX file, by "node.attribute"; 32-bit floats, as ONNX stores them.

    ONNX is a list of named operations and their numbers: reading it builds no Python object of the file's choosing.
    """
    import onnx  # imported here: only this function needs it, and Python in the browser has none

    graph = onnx.load_model_from_string(Path(path).read_bytes()).graph
    return {
        f"{node.op_type}.{attribute.name}": np.array(attribute.floats, dtype=np.float32)
        for node in graph.node
        for attribute in node.attribute
        if len(attribute.floats)
    }


def vendor_parameters(data: bytes) -> dict[str, Any]:
    """What is inside the vendor's "protected" file. There is no key in here, which is the point."""
    if not data.startswith(_VENDOR):
        raise ArtefactRefused("this is not the vendor's format: it does not start with VNDR1:")
    try:
        return json.loads(zlib.decompress(base64.b64decode(data.removeprefix(_VENDOR), validate=True)))
    except (binascii.Error, zlib.error, ValueError) as error:
        raise ArtefactRefused(f"the vendor's file is damaged ({type(error).__name__}); fetch it again") from None


def _check_unpacked_size(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        unpacked = sum(part.file_size for part in archive.infolist())
    if unpacked > 4 * MAX_BYTES:
        raise ArtefactRefused(f"the file would unpack to {unpacked:,} bytes; it was not opened (a zip bomb?)")
