"""What a reference stands for: whose rows, which profile, which contract, and when the time is part of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

import tidewheel
from tidewheel.core.errors import NotFoundError
from tidewheel.core.records import Artifact, ContractRule, TableContract
from tidewheel.workspace.references import load_artifact, resolve_reference

AT = datetime(2013, 4, 1, tzinfo=UTC)


def contract(*rules):
    return {"flights": TableContract(table="flights", rules=rules, digest=f"of {len(rules)} rules")}


@pytest.fixture
def stores(tmp_path):
    (tmp_path / "tidewheel.toml").write_text('[project]\nname = "referred"\n')
    with tidewheel.open(tmp_path) as workspace:
        workspace.stores.tables.create("flights", pa.table({"n": pa.array([], pa.int64())}))
        yield workspace.stores


def test_the_first_rows_are_the_reference_and_their_profile_is_made_once(stores):
    with pytest.raises(NotFoundError, match="first row of table 'flights'"):
        resolve_reference(stores, {}, "flights", "delay", AT)
    first = stores.tables.append("flights", pa.table({"n": [1, 2, 3]}))
    stores.tables.append("flights", pa.table({"n": [4]}))
    artifact, snapshot = resolve_reference(stores, {}, "flights", "delay", AT)
    assert snapshot.snapshot_id == first.snapshot_id
    found = load_artifact(stores, artifact)
    assert (found.profile.row_count, found.rows.row_count, found.contract, found.at) == (3, 3, None, None)
    assert "has no champion yet" in found.source.reason
    assert resolve_reference(stores, {}, "flights", "delay", AT)[0] == artifact
    assert len(stores.runs.list(pipeline="profile", with_operations=True)) == 1
    # Written down and read back it is the same.
    assert load_artifact(stores, Artifact.from_json(artifact.to_json())).source == found.source


def test_only_a_contract_that_looks_at_the_clock_makes_the_time_part_of_the_reference(stores):
    stores.tables.append("flights", pa.table({"n": [1]}))
    plain = ContractRule(name="n.range", kind="range", column="n", arguments={"min": 0})
    fresh = ContractRule(name="n.freshness", kind="freshness", column="n", arguments={"max_age_s": 60.0})
    future = ContractRule(name="n.future", kind="range", column="n", arguments={"max": {"now_plus_s": 0.0}})

    def digests(contracts):
        return {
            resolve_reference(stores, contracts, "flights", "", AT + timedelta(days=day))[0].digest for day in (0, 1)
        }

    assert len(digests({})) == len(digests(contract(plain))) == 1
    assert len(digests(contract(plain, fresh))) == len(digests(contract(plain, fresh, future))) == 2
    artifact, _ = resolve_reference(stores, contract(future), "flights", "", AT)
    assert load_artifact(stores, artifact).at == AT


def test_another_contract_is_another_reference(stores):
    stores.tables.append("flights", pa.table({"n": [1]}))
    rules = [ContractRule(name=f"n.{limit}", kind="range", column="n", arguments={"min": limit}) for limit in (0, 1)]
    digests = {
        resolve_reference(stores, contracts, "flights", "", AT)[0].digest
        for contracts in ({}, contract(rules[0]), contract(*rules))
    }
    assert len(digests) == 3
