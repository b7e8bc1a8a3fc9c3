"""The proof of a registered package: signing it, and verifying file, bill, examples and signatures."""

from __future__ import annotations

import sys
from pathlib import Path

from tidewheel.core.errors import (
    ArtifactCorruptError,
    ArtifactMissingError,
    SchemaMismatchError,
    StorageError,
    UnreadableFileError,
)
from tidewheel.core.records.model_version import ModelVersion
from tidewheel.core.records.record import Record
from tidewheel.core.whole_file import write_whole
from tidewheel.model_package import Package
from tidewheel.model_package.bill_of_materials import BILL, wrong_files
from tidewheel.model_package.signing import (
    Envelope,
    is_signed,
    key_id,
    read_envelope,
    read_private_key,
    read_public_key,
    sign_package,
)
from tidewheel.steps.gate_package import measured
from tidewheel.workspace.champions import chosen_version
from tidewheel.workspace.stores import Stores


class Check(Record, frozen=True, kw_only=True):
    """One thing that was looked at.

    Attributes:
        name: `digest`, `form`, `bill`, `examples` or `signature`.
        is_passed: None for what there is nothing to check of.
        told: what was found, in words.
    """

    name: str
    is_passed: bool | None
    told: str


class PackageProof(Record, frozen=True, kw_only=True):
    """What is known of a version's package.

    Attributes:
        checks: in the order in which they were made; after one that failed there may be none.
    """

    model: str
    version: int
    package_digest: str
    checks: tuple[Check, ...]

    @property
    def is_passed(self) -> bool:
        """Whether no check failed."""
        return all(check.is_passed is not False for check in self.checks)


def sign(stores: Stores, model: str, version: int | None, key: str) -> Envelope:
    """Signs a version's package and keeps the signature beside the workspace's facts; the key is kept nowhere.

    Raises:
        NotFoundError: no such version.
        ParameterError: the key is none.
        ArtifactMissingError, ArtifactCorruptError: the package is not what was registered.
        StorageError: the signature cannot be written.
    """
    private = read_private_key(key)
    chosen = chosen_version(stores, model, version)
    stores.artifacts.load(chosen.package)
    path = stores.artifacts.path_of(chosen.package)
    digest = chosen.package.digest
    envelope = sign_package(path, digest, private, model=model, version=chosen.version)
    place = _place(stores, chosen, envelope.signatures[0].keyid)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, envelope.to_json())
    except OSError as error:
        raise StorageError(f"the signature cannot be written: {error.strerror}", where=str(place)) from error
    return envelope


def verify(stores: Stores, model: str, version: int | None, key: str | None) -> PackageProof:
    """Looks at a version's package anew; nothing of a package that fails is loaded.

    Args:
        key: a public key in PEM form that must have signed it; without one signatures are counted, not checked.

    Raises:
        NotFoundError: no such version.
        ParameterError: the key is none.
    """
    public = read_public_key(key) if key is not None else None
    chosen = chosen_version(stores, model, version)
    checks = [*_content_checks(stores, chosen)]
    if all(check.is_passed is not False for check in checks):
        path, digest = stores.artifacts.path_of(chosen.package), chosen.package.digest
        folder = _place(stores, chosen, "x").parent
        found = [read_envelope(one.read_bytes(), str(one)) for one in sorted(folder.glob("*.json"))]
        names = sorted({mark.keyid[:16] for envelope in found for mark in envelope.signatures})
        if public is not None:
            whose = {"model": model, "version": chosen.version}
            is_good = any(is_signed(one, path, digest, public, **whose) for one in found)  # type: ignore[arg-type]
            told = f"{'signed' if is_good else 'not signed'} by key {key_id(public)[:16]}"
            checks.append(Check(name="signature", is_passed=is_good, told=told))
        else:
            told = f"signed by {', '.join(names)}; not checked without a key" if names else "nobody signed it"
            checks.append(Check(name="signature", is_passed=None, told=told))
    return PackageProof(model=model, version=chosen.version, package_digest=chosen.package.digest, checks=tuple(checks))


def _content_checks(stores: Stores, version: ModelVersion) -> list[Check]:
    try:
        package = stores.artifacts.load(version.package)
    except (ArtifactMissingError, ArtifactCorruptError) as error:
        return [Check(name="digest", is_passed=False, told=error.what)]
    except UnreadableFileError as error:
        return [_digest_check(version), Check(name="form", is_passed=False, told=error.what)]
    checks = [_digest_check(version)]
    told = f"{package.runtime} with {len(package.signature.inputs)} features"
    checks += [Check(name="form", is_passed=True, told=told), _bill_check(package)]
    if checks[-1].is_passed is False:
        return checks
    return [*checks, _examples_check(package)]


def _examples_check(package: Package) -> Check:
    """In a process of its own, so that a package that asks for all memory ends that one only."""
    try:
        facts = measured(package, sys.executable)
    except SchemaMismatchError as error:
        return Check(name="examples", is_passed=False, told=error.what)
    if not facts["difference"] <= facts["tolerance"]:
        told = f"the examples' answers differ by {facts['difference']:.3g}, more than {facts['tolerance']:.3g}"
        return Check(name="examples", is_passed=False, told=told)
    count = len(next(iter(package.examples.inputs.values())))
    return Check(name="examples", is_passed=True, told=f"{count} rows have the answers of the model")


def _digest_check(version: ModelVersion) -> Check:
    return Check(name="digest", is_passed=True, told=f"the file is {version.package.digest[:16]}")


def _bill_check(package: Package) -> Check:
    try:
        wrong = wrong_files(package.bill, package.files)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return Check(name="bill", is_passed=False, told=f"{BILL} is no bill of materials")
    if wrong:
        return Check(name="bill", is_passed=False, told=f"{BILL} does not tell the hash of {', '.join(wrong)}")
    return Check(name="bill", is_passed=True, told="its files have the hashes of the bill of materials")


def _place(stores: Stores, version: ModelVersion, name: str) -> Path:
    return stores.folder / "signatures" / version.package.digest / f"{version.model}-{version.version}-{name}.json"
