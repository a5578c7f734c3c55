"""Protect a model file: hash, sign (Ed25519), encrypt (AES-256-GCM), write for the owner only. By ``cryptography``.

A sealed file is encrypted, then signed: whoever opens it checks the signature before a single byte is parsed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from labkit.artefacts.readers import TRUSTED, ArtefactRefused, read_skops

MAGIC = b"MTLS1\n"
VARIABLE = "MODEL_FILE_KEY"
_NONCE, _SIGNATURE = 12, 64


@dataclass(frozen=True)
class Keys:
    """A signing pair, 32 raw bytes each. Only ``public`` may leave the build machine."""

    private: bytes
    public: bytes

    def __repr__(self) -> str:
        return f"Keys(public={self.public.hex()[:12]}…)"


def digest(data: bytes) -> str:
    """SHA-256 of ``data`` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def new_keys() -> Keys:
    """A fresh Ed25519 pair (RFC 8032)."""
    private = Ed25519PrivateKey.generate()
    return Keys(private.private_bytes_raw(), private.public_key().public_bytes_raw())


def sign(name: str, data: bytes, private: bytes) -> bytes:
    """The 64-byte signature of ``data`` and of its ``name``, so that an old file cannot pose as a new one."""
    return Ed25519PrivateKey.from_private_bytes(private).sign(_message(name, data))


def verify(name: str, data: bytes, signature: bytes, public: bytes) -> None:
    """Return if ``signature`` is the maker's for this name and these bytes. Raises ArtefactRefused otherwise."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _message(name, data))
    except (InvalidSignature, ValueError):
        raise ArtefactRefused(
            f"the signature does not fit {name!r}: the file was changed or cut, is another file, or was signed by "
            "somebody else. It was not opened; fetch it again from its maker, and the public key by another way"
        ) from None


def key_from_environment(variable: str = VARIABLE, environment: Mapping[str, str] | None = None) -> bytes:
    """The 32-byte encryption key, 64 hex digits in ``variable``: never in the notebook, the file or the repository."""
    text = (os.environ if environment is None else environment).get(variable)
    if text is None:
        raise ArtefactRefused(f"the environment variable {variable} is not set; ask your secrets manager for it")
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ArtefactRefused(f"{variable} must hold 64 hexadecimal digits (32 bytes); it holds {len(text)} characters")
    return key


def encrypt(name: str, data: bytes, key: bytes) -> bytes:
    """AES-256-GCM with a fresh nonce; ``name`` is bound to the content (additional data), not hidden."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, data, name.encode())


def decrypt(name: str, data: bytes, key: bytes) -> bytes:
    """The content of ``encrypt``. Raises ArtefactRefused on a wrong key, a wrong name or a changed byte."""
    try:
        return AESGCM(key).decrypt(data[:_NONCE], data[_NONCE:], name.encode())
    except (InvalidTag, ValueError):
        raise ArtefactRefused(
            f"{name!r} does not decrypt: the key is not the one it was locked with, or the file was changed. "
            "Check which key version it was written with"
        ) from None


def seal(name: str, data: bytes, *, private: bytes, key: bytes) -> bytes:
    """``data`` encrypted, then signed: one file that needs ``key`` to read and ``private`` to make."""
    locked = encrypt(name, data, key)
    return MAGIC + sign(name, locked, private) + locked


def open_sealed(name: str, sealed: bytes, *, public: bytes, key: bytes) -> bytes:
    """The content of ``seal``: signature first, then decryption. Raises ArtefactRefused; never parses what fails."""
    if not sealed.startswith(MAGIC) or len(sealed) < len(MAGIC) + _SIGNATURE + _NONCE:
        raise ArtefactRefused(f"{name!r} is not a sealed model file (or is cut short). It was not opened")
    body = sealed[len(MAGIC) :]
    verify(name, body[_SIGNATURE:], body[:_SIGNATURE], public)
    return decrypt(name, body[_SIGNATURE:], key)


def read_model(name: str, sealed: bytes, *, public: bytes, key: bytes, trusted: Sequence[str] = TRUSTED) -> Any:
    """A model out of a sealed skops file: maker, secrecy, then a fixed list of types. Raises ArtefactRefused."""
    return read_skops(open_sealed(name, sealed, public=public, key=key), trusted=trusted)


def write_private(path: str | Path, data: bytes) -> Path:
    """Write ``data`` to a new file that only its owner may read (mode 600), set before the first byte is written."""
    path = Path(path)
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    return path


def permissions(path: str | Path) -> str:
    """Like ``-rw-------``: who may read and write the file. Windows shows only whether it is read-only."""
    return stat.filemode(Path(path).stat().st_mode)


def _message(name: str, data: bytes) -> bytes:
    # The length in front keeps ("ab", "c") and ("a", "bc") apart.
    label = name.encode()
    return len(label).to_bytes(4, "big") + label + data


def refusal(name: str, sealed: bytes, *, public: bytes, key: bytes) -> str:
    """Why ``read_model`` does not open this file, as a sentence; "opened" if it does."""
    try:
        read_model(name, sealed, public=public, key=key)
    except ArtefactRefused as sentence:
        return str(sentence)
    return "opened"
