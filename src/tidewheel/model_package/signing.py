"""Signatures of packages: an in-toto statement about the package's file in a DSSE envelope, signed with Ed25519.

Both are open forms (in-toto Attestation 1, DSSE 1.0.2), so others can check what is written here and the other way
round. A key is handed over by the caller and kept nowhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tidewheel.core.errors import ParameterError, UnreadableFileError
from tidewheel.core.records.record import Record

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "urn:tidewheel:package:1"


class Mark(Record, frozen=True, kw_only=True):
    """One signature of an envelope.

    Attributes:
        keyid: SHA-256 of the raw public key, in hexadecimal digits.
        sig: the signature in base64.
    """

    keyid: str
    sig: str


class Envelope(Record, frozen=True, kw_only=True):
    """A signed statement; the names are those of DSSE.

    Attributes:
        payload: the statement in base64.
        payloadType: what it is.
        signatures: who signed it.
    """

    payload: str
    payloadType: str = PAYLOAD_TYPE  # noqa: N815
    signatures: tuple[Mark, ...]


def sign_package(path: Path, digest: str, key: Ed25519PrivateKey, *, model: str, version: int) -> Envelope:
    """Signs a package's file.

    Args:
        path: the file.
        digest: its digest in the workspace.
        key: see `read_private_key`.
        model, version: told in the statement; a signature of one version is none of another.
    """
    statement = _statement(path, digest, model, version)
    mark = Mark(keyid=key_id(key.public_key()), sig=base64.b64encode(key.sign(_framed(statement))).decode())
    return Envelope(payload=base64.b64encode(statement).decode(), signatures=(mark,))


def is_signed(envelope: Envelope, path: Path, digest: str, key: Ed25519PublicKey, *, model: str, version: int) -> bool:
    """Whether the holder of a key signed exactly this file as this version."""
    from cryptography.exceptions import InvalidSignature

    try:
        payload = base64.b64decode(envelope.payload, validate=True)
        signatures = [base64.b64decode(one.sig, validate=True) for one in envelope.signatures]
    except (binascii.Error, ValueError):
        return False
    if envelope.payloadType != PAYLOAD_TYPE or payload != _statement(path, digest, model, version):
        return False
    for signature in signatures:
        try:
            key.verify(signature, _framed(payload))
        except InvalidSignature:
            continue
        return True
    return False


def read_private_key(text: str) -> Ed25519PrivateKey:
    """The key of a PEM text (PKCS 8), such as `openssl genpkey -algorithm ed25519` writes.

    Raises:
        ParameterError: it is no private Ed25519 key, or one with a password; no part of it is told.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key: Ed25519PrivateKey = _key(
        text, lambda data: load_pem_private_key(data, password=None), Ed25519PrivateKey, "private"
    )
    return key


def read_public_key(text: str) -> Ed25519PublicKey:
    """The key of a PEM text, such as `openssl pkey -pubout` writes.

    Raises:
        ParameterError: it is no public Ed25519 key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key: Ed25519PublicKey = _key(text, load_pem_public_key, Ed25519PublicKey, "public")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """The name of a public key in envelopes."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def read_envelope(data: bytes, where: str) -> Envelope:
    """Reads a stored signature.

    Raises:
        UnreadableFileError: it is none.
    """
    try:
        return Envelope.from_json(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableFileError(f"it is no signature: {error}", where=where) from None


def _key(text: str, load: Any, kind: type, name: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        key = load(text.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):  # its message could quote the key
        key = None
    if not isinstance(key, kind):
        raise ParameterError(
            f"the key is no {name} Ed25519 key without a password in PEM form",
            next_step="make a pair with `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout`",
        )
    return key


def _statement(path: Path, digest: str, model: str, version: int) -> bytes:
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    statement = {
        "_type": _STATEMENT,
        "subject": [{"name": f"{model}/{version}", "digest": {"sha256": sha256}}],
        "predicateType": _PREDICATE,
        "predicate": {"package": digest},
    }
    return msgspec.json.encode(statement, order="sorted")


def _framed(payload: bytes) -> bytes:
    """What is signed: DSSE's pre-authentication encoding, in which the type of the payload counts, too."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
