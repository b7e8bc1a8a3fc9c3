"""`tidewheel models sign` and `verify`, and `tidewheel export`: what a user sees, also of an altered package."""

from __future__ import annotations

import json
import shutil

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from node import in_node
from tidewheel.model_package import Package
from tidewheel.model_package.archive import read_archive, write_archive


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Files of two pairs: private, public, and the public one of somebody else."""
    folder = tmp_path_factory.mktemp("keys")
    mine, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    (folder / "private").write_bytes(mine.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for name, key in (("public", mine), ("other", other)):
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (folder / name).write_bytes(pem)
    return {name: str(folder / name) for name in ("private", "public", "other")}


def checks(life, *arguments: str, code: int = 0) -> dict[str, bool | None]:
    proof = life.json("models", "verify", "toy", *arguments, code=code)
    return {check["name"]: check["is_passed"] for check in proof["checks"]}


def test_a_package_is_signed_and_verified(life, keys, monkeypatch):
    whole = {"digest": True, "form": True, "bill": True, "examples": True}
    assert checks(life, "1") == whole | {"signature": None}
    assert "nobody signed it" in life.tell("models", "verify", "toy", "1")
    assert "no key is given" in life.tell("models", "sign", "toy", "1", code=2)
    assert life.tell("models", "sign", "toy", "1", "--key", keys["private"]).startswith("signed by key ")
    assert checks(life, "1", "--key", keys["public"]) == whole | {"signature": True}
    assert checks(life, "1", "--key", keys["other"], code=6) == whole | {"signature": False}
    assert "not checked without a key" in life.tell("models", "verify", "toy", "1")
    with open(keys["public"]) as stream:
        monkeypatch.setenv("TIDEWHEEL_PUBLIC_KEY", stream.read())
    assert checks(life, "1")["signature"] is True


def test_no_part_of_the_private_key_stays_in_the_project(life, keys):
    life.tell("models", "sign", "toy", "1", "--key", keys["private"])
    with open(keys["private"]) as stream:
        secret = stream.read().splitlines()[1].encode()
    kept = [path for path in life.folder.rglob("*") if path.is_file()]
    assert [path for path in kept if secret in path.read_bytes()] == []


def test_what_is_no_key_is_told(life, keys):
    assert "no private Ed25519 key" in life.tell("models", "sign", "toy", "1", "--key", keys["public"], code=2)
    assert "cannot be read" in life.tell("models", "verify", "toy", "1", "--key", "nowhere", code=2)


def test_an_altered_package_fails_and_is_not_loaded(life):
    digest = life.json("models", "verify", "toy", "1")["package_digest"]
    path = next(one for one in life.folder.rglob(f"*{digest[2:]}*") if one.is_file())
    kept, mode = path.read_bytes(), path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(kept[:-1] + b"x")
    try:
        assert checks(life, "1", code=6) == {"digest": False}
    finally:
        path.write_bytes(kept)
        path.chmod(mode)
    assert checks(life, "1")["digest"] is True


def test_verify_tells_that_a_bill_is_missing_or_wrong(life, monkeypatch, tmp_path):
    stores = life.toy.stores
    first = stores.models.get("toy", 1)
    whole = stores.artifacts.load(first.package)
    wrong = Package(whole.manifest, whole.examples, whole.parity, whole.files, b'{"components":[]}')

    def without_bill(package, stream):
        files = read_archive(stores.artifacts.path_of(first.package))
        write_archive({name: data for name, data in files.items() if name != "sbom.json"}, stream)

    references = [stores.artifacts.put(wrong)]
    monkeypatch.setattr(Package, "write", without_bill)
    references.append(stores.artifacts.put(whole))
    for reference in references:
        life.register("billed", reference, state="rejected", reason="for this test")
    assert "does not tell the hash of model.onnx" in life.tell("models", "verify", "billed", "1", code=6)
    told = life.tell("models", "verify", "billed", "2", code=6)
    assert "FAILED  the package has no sbom.json" in told
    assert "examples" not in told


def test_a_version_that_is_not_there_is_told(life):
    for command in (["models", "verify"], ["models", "sign", "--key", "x"]):
        life.tell(*command, "toy", "99", code=3 if "verify" in command else 2)
    life.tell("models", "verify", "tyo", code=3)


def test_export_tells_what_is_wrong_before_it_writes(life, tmp_path):
    told = life.tell(
        "export", "toy", "--version", "1", "--to", "edge", str(tmp_path / "new"), "--assets", str(tmp_path), code=2
    )
    assert "ort.wasm.min.mjs is missing" in told
    (tmp_path / "mine").write_text("keep")
    assert "not empty" in life.tell("export", "toy", "--version", "1", "--to", "edge", str(tmp_path), code=2)
    assert [one.name for one in tmp_path.iterdir()] == ["mine"]


def test_export_writes_a_folder_that_answers(life, tmp_path):
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm or node is not installed")
    written = life.json("export", "toy", "--version", "1", "--to", "edge", str(tmp_path / "edge"))
    assert written["files"]["model.onnx"] > 0
    assert json.loads((tmp_path / "edge" / "signature.json").read_text())["inputs"]
    done = in_node(tmp_path / "edge")
    assert done.stdout.strip() == "the examples have the expected answers", done.stderr
