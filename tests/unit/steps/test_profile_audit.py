"""A batch beside those before it: what has moved is told or stops, by column, and costs no second look at old rows."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandera.pandas as pa
import pyarrow as arrow
import pytest

from tidewheel.core.errors import ContractBrokenError, DefinitionError
from tidewheel.pipeline import Contract
from tidewheel.statistics.profile_pass import profile_table
from tidewheel.steps.audited_publish import AuditedPublish
from tidewheel.steps.data_ingestion import ingest
from tidewheel.steps.pandera_contract import translate
from tidewheel.steps.profile_audit import ProfileAudit, merged_reference
from tidewheel.steps.quarantine import Quarantine
from tidewheel.table_store import PyIcebergTableStore

AT = datetime(2013, 6, 1, tzinfo=UTC)
COLUMNS = {
    "id": pa.Column("int64", unique=True),
    "delay": pa.Column(float, pa.Check.in_range(-100, 1000), nullable=True),
    "carrier": pa.Column(str),
}


def rows(seed=1, *, first=0, count=2_000, shift=0.0, carriers=("AA", "UA"), missing=0.0):
    generator = np.random.default_rng(seed)
    delay = generator.normal(10 + shift, 5, count)
    delay[generator.random(count) < missing] = np.nan
    return arrow.table(
        {
            "id": arrow.array(np.arange(first, first + count)),
            "delay": arrow.array(delay, from_pandas=True),
            "carrier": generator.choice(carriers, count).tolist(),
        }
    )


class Place:
    """A table that keeps the profiles of its batches."""

    def __init__(self, folder):
        self.folder = folder
        self.store = PyIcebergTableStore.open(folder / "tables")
        self.profiles = []

    def ingest(self, data, **settings):
        import pyarrow.parquet as parquet

        path = self.folder / f"{np.random.default_rng().integers(1 << 60)}.parquet"
        parquet.write_table(data, path)
        profile = ProfileAudit(lambda table: self.profiles)
        contract = translate(Contract("t", pa.DataFrameSchema(COLUMNS), **settings))
        result = ingest(self.store, "t", [path], audit=AuditedPublish(self.store, contract, at=AT, profile=profile))
        if profile.profile is not None:
            self.profiles.insert(0, profile.profile)
        return result

    def moved(self, data, **settings):
        return {finding.rule: finding for finding in self.ingest(data, **settings).report.findings}


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_the_first_batch_is_profiled_and_compared_with_nothing(place):
    assert place.moved(rows()) == {}
    assert place.profiles[0].row_count == 2_000


def test_batches_of_one_origin_have_not_moved_and_a_key_moves_by_nature(place):
    for seed in range(5):
        assert place.moved(rows(seed, first=2_000 * seed)) == {}


def test_what_has_moved_is_told_as_a_warning_with_numbers_and_the_rows_are_published(place):
    place.ingest(rows())
    found = place.moved(rows(2, first=2_000, shift=30.0, carriers=("AA", "ZZ"), missing=0.2))
    assert sorted(found) == ["carrier.profile", "delay.profile"]
    delay = found["delay.profile"]
    assert (delay.policy, delay.severity, delay.count) == ("flag", "warning", 2_000)
    assert "delay has moved against the batch before: distance 0." in delay.message
    assert "median 9.883 -> 39.78" in delay.message
    assert "missing 0.0% -> " in delay.message
    assert "new values" in found["carrier.profile"].message
    assert place.store.snapshot("t").row_count == 4_000


def test_a_column_s_own_entry_wins_over_that_of_all_others(place):
    place.ingest(rows())
    assert place.moved(rows(2, first=2_000, shift=30.0), profile={"*": None, "carrier": None}) == {}
    assert len(place.profiles) == 1, "who does not compare does not pay for a profile"
    flagged = {"*": None, "delay": "flag"}
    assert place.moved(rows(3, first=4_000, shift=60.0), profile=flagged).keys() == {"delay.profile"}


def test_a_policy_is_that_of_the_column_or_of_all(place):
    place.ingest(rows())
    assert place.moved(rows(2, first=2_000, shift=30.0), profile={"delay": None}) == {}
    assert place.moved(rows(3, first=4_000, shift=60.0), profile=None) == {}
    assert len(place.profiles) == 2, "who does not compare does not pay for a profile"
    with pytest.raises(ContractBrokenError, match="nothing was published") as told:
        place.ingest(rows(4, first=6_000, shift=90.0), profile={"delay": "stop"})
    assert "delay has moved" in told.value.problems[0]
    assert place.store.snapshot("t").row_count == 6_000


def test_a_batch_that_stops_leaves_no_row_in_quarantine_and_no_branch(place):
    place.ingest(rows())
    spoilt = rows(2, first=1_990, shift=30.0)  # ten keys that the table has
    with pytest.raises(ContractBrokenError):
        place.ingest(spoilt, profile="stop")
    assert Quarantine(place.store, "t").rows().num_rows == 0
    assert [name for name in place.store._load("t").metadata.refs if name != "main"] == []


def test_rows_for_quarantine_are_in_no_profile(place):
    place.ingest(rows())
    spoilt = rows(2, first=2_000)
    delay = [5_000.0] * 100 + spoilt["delay"].to_pylist()[100:]
    assert list(place.moved(spoilt.set_column(1, "delay", [delay]))) == ["delay.range"]
    assert place.profiles[0].row_count == 1_900
    assert place.profiles[0].column("delay").maximum <= 1_000


def test_the_reference_is_the_profile_of_all_rows_before():
    parts = [rows(seed) for seed in range(3)]
    merged = merged_reference([profile_table(part) for part in parts], profile_table(rows(9)))
    assert merged.to_bytes() == profile_table(arrow.concat_tables(parts)).to_bytes()


def test_a_column_that_came_later_is_that_of_the_parts_which_have_it():
    old = arrow.table({"a": [1.0, 2.0]})
    new = arrow.table({"a": [3.0], "b": ["x"]})
    merged = merged_reference([profile_table(old), profile_table(new)], profile_table(new))
    assert [(column.name, column.row_count) for column in merged.columns] == [("a", 3), ("b", 1)]
    retyped = merged_reference([profile_table(arrow.table({"a": ["x"]}))], profile_table(old))
    assert retyped.columns == ()


@pytest.mark.parametrize(
    ("declared", "told"),
    [("quarantine", "'quarantine' is none of flag, stop, None"), ({"delai": "stop"}, "no column 'delai'")],
)
def test_a_wrong_declaration_is_told(declared, told):
    with pytest.raises(DefinitionError) as found:
        translate(Contract("t", pa.DataFrameSchema(COLUMNS), profile=declared))
    assert told in str(found.value)


def test_what_is_compared_is_a_part_of_the_contract():
    schema = pa.DataFrameSchema(COLUMNS)
    assert translate(Contract("t", schema)).profile == {"*": "flag", "id": None}
    assert translate(Contract("t", schema, profile=None)).profile == {}
    off = translate(Contract("t", schema, profile={"*": None, "carrier": None})).profile
    assert off == {"*": None, "carrier": None, "id": None}  # data validation asks for the entries of columns
    assert translate(Contract("t", schema, profile="stop")).digest != translate(Contract("t", schema)).digest
