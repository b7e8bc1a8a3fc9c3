"""A package tells what it is made of, and its signature is of this file, this version and this key only."""

from __future__ import annotations

import base64
import json

import numpy as np
import pandas as pd
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from sklearn.linear_model import LogisticRegression

from tidewheel.core.errors import ParameterError, UnreadableFileError
from tidewheel.model_package import Package, package_model
from tidewheel.model_package.archive import read_archive, write_archive
from tidewheel.model_package.bill_of_materials import wrong_files
from tidewheel.model_package.signing import (
    Envelope,
    is_signed,
    key_id,
    read_envelope,
    read_private_key,
    read_public_key,
    sign_package,
)

X = pd.DataFrame({"a": np.arange(60.0)})


@pytest.fixture(scope="module")
def package() -> Package:
    return package_model(LogisticRegression().fit(X, np.arange(60) // 30), X)


@pytest.mark.parametrize("runtime", ["onnx", "sklearn"])
def test_the_bill_is_valid_and_names_files_and_libraries(runtime, package):
    if runtime == "sklearn":
        package = package_model(LogisticRegression().fit(X, np.arange(60) // 30), X, converters=())
    # Imported here: its grammars take two seconds, which every process that collects tests would pay.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(package.bill.decode()) is None
    bill = json.loads(package.bill)
    scopes = {one["name"]: one["scope"] for one in bill["components"] if one["type"] == "library"}
    assert scopes["numpy"] == "required"
    assert scopes["tidewheel"] == "excluded"
    assert scopes["scikit-learn"] == ("required" if runtime == "sklearn" else "excluded")
    assert wrong_files(package.bill, package.files) == []
    assert wrong_files(package.bill, {**package.files, "more": b""}) == ["more"]
    name = next(iter(package.files))
    assert wrong_files(package.bill, {name: b"other"}) == [name]
    assert wrong_files(package.bill, {}) == [name]


def test_the_bill_survives_the_file(package, tmp_path):
    with open(tmp_path / "p", "wb") as stream:
        package.write(stream)
    assert Package.read(tmp_path / "p").bill == package.bill


@pytest.mark.parametrize("document", ["examples.json", "parity.json", "sbom.json"])
def test_a_file_that_lacks_a_document_is_no_package(package, tmp_path, document):
    with open(tmp_path / "p", "wb") as stream:
        package.write(stream)
    files = read_archive(tmp_path / "p")
    del files[document]
    with open(tmp_path / "less", "wb") as stream:
        write_archive(files, stream)
    with pytest.raises(UnreadableFileError, match=f"the package has no {document}"):
        Package.read(tmp_path / "less")


@pytest.fixture
def file(tmp_path):
    (tmp_path / "package").write_bytes(b"the package")
    return tmp_path / "package"


KEY = Ed25519PrivateKey.generate()
OTHER = Ed25519PrivateKey.generate()


def test_a_signature_is_of_one_file_one_version_and_one_key(file):
    envelope = read_envelope(sign_package(file, "d" * 64, KEY, model="m", version=3).to_json(), "here")
    assert envelope.signatures[0].keyid == key_id(KEY.public_key())
    assert is_signed(envelope, file, "d" * 64, KEY.public_key(), model="m", version=3)
    assert not is_signed(envelope, file, "d" * 64, OTHER.public_key(), model="m", version=3)
    assert not is_signed(envelope, file, "d" * 64, KEY.public_key(), model="m", version=4)
    assert not is_signed(envelope, file, "d" * 64, KEY.public_key(), model="n", version=3)
    assert not is_signed(envelope, file, "e" * 64, KEY.public_key(), model="m", version=3)
    file.write_bytes(b"another package")
    assert not is_signed(envelope, file, "d" * 64, KEY.public_key(), model="m", version=3)


def test_a_changed_statement_or_signature_is_seen(file):
    envelope = sign_package(file, "d" * 64, KEY, model="m", version=3)
    whose = {"model": "m", "version": 3}
    forged = sign_package(file, "d" * 64, OTHER, model="m", version=3)
    for changed in (
        Envelope(payload=envelope.payload, signatures=forged.signatures),
        Envelope(payload="no base64!", signatures=envelope.signatures),
        Envelope(payload=envelope.payload, payloadType="text/plain", signatures=envelope.signatures),
        Envelope(payload=base64.b64encode(b"{}").decode(), signatures=envelope.signatures),
        Envelope(payload=envelope.payload, signatures=()),
    ):
        assert not is_signed(changed, file, "d" * 64, KEY.public_key(), **whose)
    both = Envelope(payload=envelope.payload, signatures=(*forged.signatures, *envelope.signatures))
    assert is_signed(both, file, "d" * 64, KEY.public_key(), **whose)


def pem(key, password: bytes | None = None) -> str:
    form = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, form).decode()


def public_pem(key) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_keys_are_read_from_pem():
    assert key_id(read_private_key(pem(KEY)).public_key()) == key_id(read_public_key(public_pem(KEY)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "my secret",
        pem(generate_private_key(SECP256R1())),
        pem(KEY, b"password"),
        pem(KEY).replace("A", "B"),
        public_pem(KEY),
    ],
    ids=["empty", "words", "another curve", "with a password", "damaged", "public"],
)
def test_what_is_no_private_key_is_told_without_a_part_of_it(text):
    with pytest.raises(ParameterError, match="no private Ed25519 key") as caught:
        read_private_key(text)
    assert "secret" not in str(caught.value)


def test_a_private_key_is_no_public_one():
    with pytest.raises(ParameterError, match="no public Ed25519 key"):
        read_public_key(pem(KEY))


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b"[" * 100_000])
def test_what_is_no_signature_is_told(data):
    with pytest.raises(UnreadableFileError, match="no signature"):
        read_envelope(data, "here")
