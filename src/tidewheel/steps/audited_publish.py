"""Write, audit, publish: rows reach a table only through a staging branch on which its contract was checked.

1. The rows are written to a staging branch, which no reader of the table sees.
2. The contract is checked there. A rule whose policy is `stop` ends it, and so do more rows for quarantine than the
   contract lets go: the staging goes, the table and its quarantine are as they were.
3. Rows that break other rules go to the table's quarantine, one commit; what is left, clipped where the policy says so,
   is staged and checked again.
4. What is about to be published is profiled, and compared with the profiles of the batches before.
5. Publishing is one guarded commit. When another writer was first, the staging moves on top of what the table is now;
   rules that look across batches run again there.

Both commits carry the ingest id. The second decides: until then the quarantined rows count for nothing.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

import msgspec
import pyarrow as pa

from tidewheel.core.counted import counted
from tidewheel.core.errors import ConflictError, ContractBrokenError, StorageError
from tidewheel.core.identifier import new_id
from tidewheel.core.records import ContractFinding, ContractReport, Snapshot, TableContract
from tidewheel.steps.ingest_properties import CONTRACT, INGEST_ID
from tidewheel.steps.profile_audit import ProfileAudit
from tidewheel.steps.quarantine import Origin, Quarantine
from tidewheel.table_store import PyIcebergTableStore, TableReference
from tidewheel.table_store.contract_sql import BATCH_KINDS
from tidewheel.table_store.duckdb_contract import FILE, REASONS, ROW, ContractAudit, open_audit
from tidewheel.table_store.pyiceberg_staging import PREFIX, StagedBatch

SlowChecks: TypeAlias = Callable[[TableContract, TableReference], pa.Table]
"""Carries out the slow rules of a contract over staged rows; see `duckdb_contract.PLACES` for the answer."""

_WHOLE_BATCH_KINDS = BATCH_KINDS | {"quarantine_share"}
"""Rules that no single row breaks."""

_PATIENCE_S = 120.0


class Batch(NamedTuple):
    """Rows that want to be published.

    Attributes:
        table: where.
        tables: the rows, one item after the other.
        locate: where a row is from: the file, and its row there, from the number of the item and its row, from 0.
        properties: for the snapshot, from the number of good rows of each item.
        unless: keys of properties; when a snapshot of the table has one, another ingest was first.
        is_first: the table was made for these rows, and goes when they do not get in.
        is_from_quarantine: they were kept out before. They are no delivery of their source: how many of them stay, lack
            a value, or how old they are tells of no wrong batch, so rules about whole batches are not asked.
    """

    table: str
    tables: Iterable[pa.Table]
    locate: Callable[[int, int], tuple[Origin, int]]
    properties: Callable[[Sequence[int]], Mapping[str, str]]
    unless: Sequence[str]
    is_first: bool = False
    is_from_quarantine: bool = False


class Published(NamedTuple):
    """What became of a batch."""

    snapshot: Snapshot
    report: ContractReport
    ingest_id: str
    good_counts: tuple[int, ...]


class AuditedPublish:
    """Publishes batches to tables with a contract.

    Args:
        store: where the tables are.
        contract: of the table.
        at: the workspace's time, for freshness.
        slow: carries out slow rules; without it a contract that has some is refused.
        profile: compares batches with those before; without it the contract's `profile` is not looked at.
        listener: is told what an audit found, also before it stops a batch.
    """

    def __init__(
        self,
        store: PyIcebergTableStore,
        contract: TableContract,
        *,
        at: datetime,
        slow: SlowChecks | None = None,
        profile: ProfileAudit | None = None,
        listener: Callable[[ContractReport], None] = lambda report: None,
    ) -> None:
        self._store = store
        self.contract = contract
        self._at = at
        self._slow = slow
        self._profile = profile
        self.listener = listener
        self._is_across_batches = any(rule.kind == "unique" for rule in contract.rules)

    def publish(self, batch: Batch) -> Published:
        """Publishes the rows that keep the contract, all in one commit, and puts the others in quarantine.

        Raises:
            ContractBrokenError: a rule whose policy is to stop is broken; nothing was published.
            ConflictError: another ingest brought the same, or other writers were first for two minutes.
            StorageError: the disk or the catalog refused; nothing was published.
        """
        ingest_id = new_id()
        counts: list[int] = []
        properties: dict[str, str] = {}

        def counted() -> Iterable[pa.Table]:
            for table in batch.tables:
                counts.append(table.num_rows)
                yield table
            properties.update(self._properties(batch, ingest_id, counts))

        try:
            with self._store.staging.claim(ingest_id):
                staged = self._store.staging.stage(batch.table, f"{PREFIX}{ingest_id}", counted(), properties)
                return self._publish(batch, ingest_id, staged, counts)
        except BaseException:
            if batch.is_first:
                with contextlib.suppress(StorageError):  # the first error is the one to tell
                    self._store.drop_unused(batch.table)
            raise

    def _publish(self, batch: Batch, ingest_id: str, raw: StagedBatch, counts: list[int]) -> Published:
        staging, deadline, attempt = self._store.staging, time.monotonic() + _PATIENCE_S, 0
        places: dict[str, StagedBatch] = {"raw": raw}
        try:
            while True:
                attempt += 1
                clean, report, good_counts = self._audit(batch, ingest_id, places, counts, attempt)
                while True:
                    replaces = None if clean is places["raw"] else places["raw"]
                    snapshot = staging.publish(clean, unless=batch.unless, replaces=replaces)
                    if snapshot is not None:
                        self.listener(report)
                        return Published(snapshot, report, ingest_id, tuple(good_counts))
                    if time.monotonic() > deadline:
                        raise ConflictError(
                            f"publishing to table {batch.table!r}: other writers were first {attempt} times",
                            next_step="run it again when fewer writers are at work on this table",
                        )
                    time.sleep(random.uniform(0, 0.05 * min(attempt, 10)))
                    if self._is_across_batches:
                        break
                    attempt += 1
                    was_raw = clean is places["raw"]
                    clean = staging.restage(clean, f"{PREFIX}{ingest_id}-{attempt}")
                    places["raw" if was_raw else "clean"] = clean
                self._take_back(batch, ingest_id, places)
                places["raw"] = staging.restage(places["raw"], f"{PREFIX}{ingest_id}-{attempt + 1}-raw")
        except BaseException:
            self._take_back(batch, ingest_id, places)
            staging.discard(places["raw"])
            raise

    def _audit(
        self, batch: Batch, ingest_id: str, places: dict[str, StagedBatch], counts: list[int], attempt: int
    ) -> tuple[StagedBatch, ContractReport, list[int]]:
        """Checks the staged rows; gives what may be published: the same staging, or one with the good rows only."""
        raw, staging = places["raw"], self._store.staging
        rows = staging.reference(raw)
        published = self._published(raw)
        slow = self._slow_places(rows)
        with open_audit(self._contract_of(batch), rows, at=self._at, published=published, slow=slow) as audit:
            findings = audit.check()
            report = self._report(audit, findings)
            if _stops(findings):
                self.listener(report)
                raise broken(report, "nothing was published")
            if not any(finding.policy in ("quarantine", "clip") for finding in findings):
                report = self._with_profile(raw, report)
                return raw, msgspec.structs.replace(report, published=sum(counts)), list(counts)
            audit.separate()
            bad_counts = audit.bad_counts()
            report = self._with_limits(report, audit.too_many(sum(bad_counts.values())))
            good = list(counts)
            for number, bad in bad_counts.items():
                good[raw.files[number].source] -= bad
            if bad_counts:
                places["quarantined"] = raw
                self._quarantine(batch, ingest_id, raw, audit.bad())
            branch = f"{PREFIX}{ingest_id}-{attempt}"
            properties = self._properties(batch, ingest_id, good)
            clean = places["clean"] = staging.stage(batch.table, branch, [audit.good()], properties)
        self._check_again(batch, clean, published, report)
        report = self._with_profile(clean, report)
        clipped = sum(finding.count for finding in findings if finding.policy == "clip")
        quarantined = sum(bad_counts.values())
        report = msgspec.structs.replace(report, published=sum(good), quarantined=quarantined, clipped=clipped)
        return clean, report, good

    def _with_limits(self, report: ContractReport, exceeded: Sequence[ContractFinding]) -> ContractReport:
        """Adds that too many rows are kept out, which says more of the batch than of its rows."""
        found = msgspec.structs.replace(report, findings=(*report.findings, *exceeded))
        if _stops(exceeded):
            self.listener(found)
            raise broken(found, "nothing was published, and nothing went to quarantine")
        return found

    def _quarantine(self, batch: Batch, ingest_id: str, raw: StagedBatch, bad: pa.Table) -> None:
        places = zip(bad[FILE].to_pylist(), bad[ROW].to_pylist(), strict=True)
        files = [(raw.files[file], row) for file, row in places]
        origins = [batch.locate(file.source, file.first_row + row) for file, row in files]
        rows = bad.drop_columns([FILE, ROW, REASONS])
        Quarantine(self._store, batch.table).put(rows, bad[REASONS], ingest_id, origins, self._at, self.contract.digest)

    def _contract_of(self, batch: Batch) -> TableContract:
        """Rows from quarantine are held to the rules about rows alone."""
        if not batch.is_from_quarantine:
            return self.contract
        rules = tuple(rule for rule in self.contract.rules if rule.kind not in _WHOLE_BATCH_KINDS)
        return msgspec.structs.replace(self.contract, rules=rules)

    def _check_again(
        self, batch: Batch, clean: StagedBatch, published: TableReference | None, report: ContractReport
    ) -> None:
        """What is about to be published keeps every rule, also those about the batch as a whole."""
        rows = self._store.staging.reference(clean)
        slow = self._slow_places(rows)
        with open_audit(self._contract_of(batch), rows, at=self._at, published=published, slow=slow) as audit:
            left = [finding for finding in audit.check() if finding.policy != "flag"]
        if left:
            found = msgspec.structs.replace(report, findings=_looked_at_twice(report.findings, left))
            self.listener(found)
            raise broken(found, "what is left without the rows for quarantine breaks it too; nothing was published")

    def _with_profile(self, staged: StagedBatch, report: ContractReport) -> ContractReport:
        """What the comparison with the batches before adds; by itself it stops only what the contract says."""
        if self._profile is None:
            return report
        moved = self._profile.check(self._store.staging.reference(staged), self.contract)
        found = msgspec.structs.replace(report, findings=(*report.findings, *moved))
        if _stops(moved):
            self.listener(found)
            raise broken(found, "nothing was published")
        return found

    def _take_back(self, batch: Batch, ingest_id: str, places: dict[str, StagedBatch]) -> None:
        """Undoes what a round that was not published left."""
        clean = places.pop("clean", None)
        if clean is not None:
            self._store.staging.discard(clean)
        if places.pop("quarantined", None) is not None:
            Quarantine(self._store, batch.table).take_back(ingest_id)

    def _properties(self, batch: Batch, ingest_id: str, good: Sequence[int]) -> dict[str, str]:
        return {**batch.properties(good), INGEST_ID: ingest_id, CONTRACT: self.contract.digest}

    def _published(self, staged: StagedBatch) -> TableReference | None:
        """The rows with which keys must not be shared: those of the snapshot on which the staging lies."""
        if not self._is_across_batches:
            return None
        return self._store.reference(self._store.snapshot(staged.table, id=staged.base_id))

    def _slow_places(self, rows: TableReference) -> pa.Table | None:
        if not any(rule.is_slow for rule in self.contract.rules):
            return None
        if self._slow is None:
            raise ContractBrokenError(
                f"the contract of table {self.contract.table!r} has rules that only Python can check",
                (),
                next_step="ingest through the workspace, which loads the project that declares them",
            )
        return self._slow(self.contract, rows)

    def _report(self, audit: ContractAudit, findings: Sequence[ContractFinding]) -> ContractReport:
        return ContractReport(
            table=self.contract.table,
            contract_digest=self.contract.digest,
            rows=audit.row_count,
            rules=len(self.contract.rules),
            findings=tuple(findings),
        )


def broken(report: ContractReport, outcome: str) -> ContractBrokenError:
    """The error that tells every finding of a report."""
    return ContractBrokenError(
        f"a batch of {counted(report.rows)} for table {report.table!r} breaks its contract: {outcome}",
        _problems(report.findings),
        where=f"contract {report.contract_digest[:16]}",
        next_step="correct the data, or change the contract or the policies of these rules",
    )


def _looked_at_twice(
    first: Sequence[ContractFinding], second: Sequence[ContractFinding]
) -> tuple[ContractFinding, ...]:
    """One finding for each rule: what the rows that are left break counts, since that is why they are not published."""
    left = {
        one.rule: msgspec.structs.replace(one, message=f"{one.message}, among the rows that are left") for one in second
    }
    return (*(one for one in first if one.rule not in left), *left.values())


def _problems(findings: Sequence[ContractFinding]) -> list[str]:
    """What was found; beside findings that stop a batch, the others say what would have become of their rows."""
    if not _stops(findings):
        return [one.message for one in findings]
    return [one.message if one.policy == "stop" else f"{one.message}; its policy is {one.policy}" for one in findings]


def _stops(findings: Sequence[ContractFinding]) -> bool:
    return any(finding.policy == "stop" for finding in findings)
