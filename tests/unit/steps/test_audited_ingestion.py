"""Write, audit, publish: what each policy does, what stops a batch, and what an interrupted ingest leaves."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pandera.pandas as pa
import pyarrow
import pyarrow.parquet as pq
import pytest

from tidewheel.core.errors import (
    ConflictError,
    ContractBrokenError,
    NotFoundError,
    ParameterError,
    SchemaMismatchError,
    UnreadableFileError,
)
from tidewheel.metadata_store import Database, IngestStore
from tidewheel.pipeline import Contract, Freshness, RowRule
from tidewheel.steps.audited_publish import AuditedPublish
from tidewheel.steps.data_ingestion import books, ingest
from tidewheel.steps.pandera_checks import run_slow_checks
from tidewheel.steps.pandera_contract import translate
from tidewheel.steps.quarantine import INGEST, REASONS, ROW, Quarantine
from tidewheel.steps.quarantine_release import release
from tidewheel.table_store import PyIcebergTableStore
from tidewheel.table_store.pyiceberg_catalog import drop_unchanged

AT = datetime(2013, 6, 1, tzinfo=UTC)
COLUMNS = {
    "id": pa.Column(int),
    "carrier": pa.Column(str, pa.Check.isin(["AA", "UA"])),
    "delay": pa.Column(float, pa.Check.in_range(-60, 600), nullable=True),
    "at": pa.Column("datetime64[us, UTC]"),
}
HEAD = "id,carrier,delay,at\n"
GOOD = "{0},AA,1.5,2013-01-01T00:00:00Z\n"


def contract(columns=COLUMNS, **settings):
    settings.setdefault("unique", ["id"])
    settings.setdefault("freshness", Freshness("at"))
    return Contract("t", pa.DataFrameSchema(columns), **settings)


class Workspace:
    """A store with its books, and files."""

    def __init__(self, folder):
        self.folder = folder
        self.store = PyIcebergTableStore.open(folder / "tables")
        self.ingests = IngestStore(Database.open(f"sqlite:///{folder}/facts.db"))
        self.reports = []

    def audit(self, declared):
        return AuditedPublish(
            self.store,
            translate(declared),
            at=AT,
            slow=lambda _, rows: run_slow_checks(declared, rows),
            listener=self.reports.append,
        )

    def write(self, name, text, head=HEAD):
        (self.folder / name).write_text(head + text)
        return self.folder / name

    def ingest(self, name, text, declared=None, head=HEAD):
        path = self.write(name, text, head)
        return ingest(self.store, "t", [path], ingests=self.ingests, audit=self.audit(declared or contract()))

    def ids(self):
        if not self.store.exists("t"):
            return []
        return self.store.read(self.store.snapshot("t")).to_arrow(["id"])["id"].to_pylist()

    @property
    def quarantine(self):
        return Quarantine(self.store, "t", books(self.store, "t", self.ingests))

    def release(self, declared=None, **settings):
        return release(self.store, "t", self.audit(declared or contract()), ingests=self.ingests, **settings)

    def branches(self):
        return [name for name in self.store._load("t").metadata.refs if name != "main"]


@pytest.fixture
def place(tmp_path):
    return Workspace(tmp_path)


def test_good_rows_are_published_in_one_snapshot_on_an_empty_table(place):
    result = place.ingest("a.csv", GOOD.format(1) + GOOD.format(2))
    assert (result.rows, result.quarantined, place.ids()) == (2, 0, [1, 2])
    assert [one.row_count for one in place.store.snapshots("t")] == [0, 2]
    assert result.report.findings == ()
    assert place.branches() == []
    assert not place.store.exists("quarantine.t")


def test_rows_that_break_a_rule_go_to_quarantine_with_their_reasons_and_the_rest_is_published(place):
    text = GOOD.format(1) + "2,ZZ,700,2013-01-01T00:00:00Z\n" + GOOD.format(1) + "4,UA,,2050-01-01T00:00:00Z\n"
    result = place.ingest("a.csv", text)
    assert (result.rows, result.quarantined, place.ids()) == (1, 3, [1])
    rows = place.quarantine.rows().to_pylist()
    assert [(row["id"], row[ROW], row[REASONS]) for row in rows] == [
        (2, 2, ["carrier.domain", "delay.range"]),
        (1, 3, ["id.unique"]),
        (4, 4, ["at.future"]),
    ]
    (batch,) = place.quarantine.batches()
    assert (batch.rows, batch.files, batch.status) == (3, ("a.csv",), "held")
    properties = place.store.properties("t", result.snapshot.snapshot_id)
    kept = place.store.properties("quarantine.t", place.store.snapshot("quarantine.t").snapshot_id)
    assert properties["tidewheel.ingest_id"] == kept["tidewheel.ingest_id"] == batch.ingest_id
    assert place.branches() == []
    assert {finding.rule: finding.count for finding in result.report.findings} == {
        "carrier.domain": 1,
        "delay.range": 1,
        "id.unique": 1,
        "at.future": 1,
    }


def test_a_key_that_the_table_has_already_goes_to_quarantine(place):
    place.ingest("a.csv", GOOD.format(1))
    result = place.ingest("b.csv", GOOD.format(1) + GOOD.format(2))
    assert (result.rows, result.quarantined, place.ids()) == (1, 1, [1, 2])


def test_a_clipped_value_is_the_nearest_allowed_one(place):
    text = "1,AA,9999,2013-01-01T00:00:00Z\n2,AA,-99,2013-01-01T00:00:00Z\n3,AA,,2013-01-01T00:00:00Z\n"
    result = place.ingest("a.csv", text, contract(policies={"delay.range": "clip"}))
    rows = place.store.read(result.snapshot).to_arrow()
    assert rows["delay"].to_pylist() == [600.0, -60.0, None]
    assert (result.report.clipped, result.quarantined) == (2, 0)


@pytest.mark.parametrize("policy", ["quarantine", "clip"])
def test_a_nan_among_numbers_is_a_missing_value_and_beyond_no_range(place, policy):
    """Parquet's statistics say nothing of NaN, so DuckDB must not conclude from them."""
    columns = {"v": pa.Column(float, pa.Check.in_range(0, 1), nullable=policy == "clip")}
    declared = contract(columns, unique=[], freshness=None, policies={"v.range": policy})
    pq.write_table(pyarrow.table({"v": [0.25, float("nan"), 0.5, 7.0]}), place.folder / "a.parquet")
    result = ingest(place.store, "t", [place.folder / "a.parquet"], ingests=place.ingests, audit=place.audit(declared))
    counted = {finding.rule: finding.count for finding in result.report.findings}
    kept = repr(place.store.read(result.snapshot).to_arrow()["v"].to_pylist())
    if policy == "clip":
        assert (counted, kept) == ({"v.range": 1}, "[0.25, nan, 0.5, 1.0]")
    else:
        assert (counted, kept) == ({"v.not_null": 1, "v.range": 1}, "[0.25, 0.5]")


def test_a_whole_number_is_clipped_to_a_whole_number_within_the_range(place):
    columns = {"v": pa.Column(int, pa.Check.in_range(0.5, 2.5))}
    declared = contract(columns, unique=[], freshness=None, policies={"v.range": "clip"})
    result = place.ingest("a.csv", "-7\n2\n9\n", declared, "v\n")
    assert place.store.read(result.snapshot).to_arrow()["v"].to_pylist() == [1, 2, 2]


def test_a_column_of_any_type_has_that_of_the_first_file(place):
    columns = {"id": pa.Column(int), "v": pa.Column(None)}
    place.ingest("a.csv", "1,0.5\n", contract(columns, freshness=None), "id,v\n")
    result = place.ingest("b.csv", "2,3\n", contract(columns, freshness=None), "id,v\n")
    assert place.store.read(result.snapshot).to_arrow()["v"].to_pylist() == [0.5, 3.0]


def test_a_flag_publishes_and_tells(place):
    result = place.ingest("a.csv", "1,ZZ,1,2013-01-01T00:00:00Z\n", contract(policies={"carrier": "flag"}))
    (finding,) = result.report.findings
    assert (result.rows, finding.severity, finding.samples[0]["carrier"]) == (1, "warning", "ZZ")


def test_a_rule_that_stops_publishes_nothing_and_quarantines_nothing(place):
    place.ingest("a.csv", GOOD.format(1))
    declared = contract(policies={"carrier.domain": "stop"})
    with pytest.raises(ContractBrokenError, match="1 of 2 rows break it") as told:
        place.ingest("b.csv", GOOD.format(2) + "3,ZZ,1000,2013-01-01T00:00:00Z\n", declared)
    stopping, other = told.value.problems
    assert (stopping.endswith("such as 'ZZ'"), other.endswith("; its policy is quarantine")) == (True, True)
    assert (place.ids(), place.branches(), place.store.exists("quarantine.t")) == ([1], [], False)
    assert [finding.rule for finding in place.reports[-1].findings] == ["carrier.domain", "delay.range"]


def test_a_first_batch_that_stops_leaves_no_table_and_the_next_one_makes_it(place):
    declared = contract(policies={"carrier.domain": "stop"})
    for _ in range(2):
        with pytest.raises(ContractBrokenError):
            place.ingest("a.csv", "1,ZZ,1,2013-01-01T00:00:00Z\n", declared)
        assert not place.store.exists("t")
        assert place.store.list() == ()
        assert not list(place.folder.glob("tables/**/*.parquet"))
    assert place.ingest("b.csv", GOOD.format(1), declared).rows == 1


def test_a_table_that_was_made_by_hand_stays_when_its_first_batch_stops(place):
    place.ingest("a.csv", GOOD.format(1))
    schema = place.store.schema("t")
    place.store.drop("t")
    place.store.create("t", schema)
    with pytest.raises(ContractBrokenError):
        place.ingest("b.csv", "1,ZZ,1,2013-01-01T00:00:00Z\n", contract(policies={"carrier.domain": "stop"}))
    assert place.store.snapshot("t").row_count == 0


def test_a_first_batch_that_stops_keeps_the_rows_of_a_writer_who_was_there_meanwhile(place, monkeypatch):
    declared = contract(policies={"carrier.domain": "stop"})
    drop = place.store.drop_unused

    def late(name):
        monkeypatch.setattr(place.store, "drop_unused", drop)
        place.ingest("b.csv", GOOD.format(1), declared)
        return drop(name)

    monkeypatch.setattr(place.store, "drop_unused", late)
    with pytest.raises(ContractBrokenError):
        place.ingest("a.csv", "1,ZZ,1,2013-01-01T00:00:00Z\n", declared)
    assert place.ids() == [1]


def test_a_drop_of_what_changed_since_it_was_looked_at_does_nothing(place):
    place.ingest("a.csv", GOOD.format(1))
    location = place.store._load("t").metadata_location
    place.ingest("b.csv", GOOD.format(2))
    assert not drop_unchanged(place.store._catalog, "t", location)
    assert not place.store.drop_unused("t")
    assert place.ids() == [1, 2]


def test_an_ingest_whose_table_goes_meanwhile_makes_it_again(place, monkeypatch):
    """Another process made it, and took it away since its own first rows were refused."""
    place.ingest("a.csv", GOOD.format(1))
    schema = place.store.schema("t")
    place.store.drop("t")
    place.store.create("t", schema)
    stage, gone = place.store.staging.stage, []

    def late(name, *arguments):
        if not gone:
            gone.append(place.store.drop_unused("t"))
        return stage(name, *arguments)

    monkeypatch.setattr(place.store.staging, "stage", late)
    assert place.ingest("b.csv", GOOD.format(2)).rows == 1
    assert (gone, place.ids()) == ([True], [2])


def test_a_rule_across_columns_and_a_slow_one_keep_rows_out(place):
    columns = {**COLUMNS, "carrier": pa.Column(str, pa.Check(lambda texts: texts != "UA", name="not united"))}
    declared = contract(columns, rules=[RowRule("late ones are AA", "delay < 10 or carrier = 'AA'")])
    text = "1,UA,1,2013-01-01T00:00:00Z\n2,B6,50,2013-01-01T00:00:00Z\n3,B6,5,2013-01-01T00:00:00Z\n"
    result = place.ingest("a.csv", text, declared)
    assert place.ids() == [3]
    assert {row["id"]: row[REASONS] for row in place.quarantine.rows().to_pylist()} == {
        1: ["carrier.not united"],
        2: ["late ones are AA"],
    }
    assert result.report.rules == 8


def test_a_rule_that_is_broken_again_without_the_rows_for_quarantine_is_told_once(place):
    greatest = pa.Check(lambda values: values < values.max(), name="not the greatest")
    declared = contract({**COLUMNS, "delay": pa.Column(float, greatest)})
    text = "".join(f"{number},AA,{number},2013-01-01T00:00:00Z\n" for number in range(4))
    with pytest.raises(ContractBrokenError, match="what is left without the rows for quarantine") as told:
        place.ingest("a.csv", text + "4,ZZ,0,2013-01-01T00:00:00Z\n", declared)
    assert [problem.partition(" (")[0] for problem in told.value.problems] == [
        "carrier.domain",
        "delay.not the greatest",
    ]
    assert "1 of 3 rows break it" in told.value.problems[1]
    assert told.value.problems[1].endswith("such as 2.0, among the rows that are left")
    assert place.reports[-1].findings[-1].samples[0]["delay"] == 2.0


def test_a_batch_whose_rows_are_all_bad_is_published_without_rows_and_known(place):
    place.ingest("a.csv", "1,ZZ,1,2013-01-01T00:00:00Z\n")
    again = place.ingest("b.csv", "1,ZZ,1,2013-01-01T00:00:00Z\n")
    assert (place.ids(), again.files_skipped != (), len(place.quarantine.batches())) == ([], True, 1)


@pytest.mark.parametrize(
    ("head", "row", "told"),
    [
        ("id,carrier,at\n", "1,AA,2013-01-01T00:00:00Z\n", ["'delay' is missing"]),
        ("id,carrier,delay,at,gate\n", "1,AA,1,2013-01-01T00:00:00Z,B\n", ["'gate' is unexpected"]),
        ("id,carier,delay,at\n", "1,AA,1,2013-01-01T00:00:00Z\n", ["'carrier' is missing", "'carier' is unexpected"]),
        (
            HEAD,
            "x,AA,late,2013-01-01T00:00:00Z\n",
            ["'id', row 1: 'x' is no int64", "'delay', row 1: 'late' is no double"],
        ),
        (HEAD, "1,AA,1,2013-01-01\n", ["'at', row 1"]),
        ("id,at,gate\n", "x,2013-01-01T00:00:00Z,B\n", ["'carrier'", "'delay'", "'gate'", "'id', row 1"]),
    ],
)
@pytest.mark.parametrize("exists", [False, True])
def test_other_columns_stop_with_all_findings_and_change_nothing(place, head, row, told, exists):
    if exists:
        place.ingest("first.csv", GOOD.format(7))
    with pytest.raises(ContractBrokenError) as error:
        place.ingest("a.csv", row, head=head)
    assert len(error.value.problems) == len(told)
    for part in told:
        assert any(part in problem for problem in error.value.problems), (part, error.value.problems)
    assert place.store.exists("t") == exists
    assert place.ids() == ([7] if exists else [])
    assert place.reports[-1].findings
    assert not exists or place.branches() == []


@pytest.mark.parametrize("content", [b"", b"id,carrier,delay,at\n", b"id,carrier\n1,\xff\n", b"\xff\xfei\x00"])
def test_a_file_that_cannot_be_read_changes_nothing(place, content):
    place.ingest("first.csv", GOOD.format(7))
    (place.folder / "bad.csv").write_bytes(content)
    with pytest.raises(UnreadableFileError):
        ingest(place.store, "t", [place.folder / "bad.csv"], audit=place.audit(contract()))
    assert (place.ids(), place.branches()) == ([7], [])


def test_an_optional_column_may_be_absent_and_a_code_keeps_its_zeros(place):
    columns = {"id": pa.Column(int), "code": pa.Column(str), "note": pa.Column(str, required=False, nullable=True)}
    declared = Contract("t", pa.DataFrameSchema(columns))
    place.ingest("a.csv", "1,007\n", declared, head="id,code\n")
    rows = place.store.read(place.store.snapshot("t")).to_arrow().to_pylist()
    assert rows == [{"id": 1, "code": "007", "note": None}]


def test_an_all_null_column_and_stale_rows_stop_where_the_contract_says_so(place):
    declared = contract(max_null_share={"delay": 0.5}, freshness=Freshness("at", max_age=timedelta(days=30)))
    with pytest.raises(ContractBrokenError) as error:
        place.ingest("a.csv", "1,AA,,2013-01-01T00:00:00Z\n", declared)
    assert [problem.split(" ")[0] for problem in error.value.problems] == ["delay.null_share", "at.freshness"]


@pytest.mark.parametrize("exists", [False, True])
def test_more_rows_for_quarantine_than_the_contract_lets_go_stop_the_whole_batch(place, exists):
    declared = contract(max_quarantine_share=0.5)
    if exists:
        place.ingest("first.csv", GOOD.format(9), declared)
    null_keys = "1,,1,2013-01-01T00:00:00Z\n2,,700,2013-01-01T00:00:00Z\n"
    with pytest.raises(ContractBrokenError, match="nothing went to quarantine") as told:
        place.ingest("a.csv", GOOD.format(0) + null_keys, declared)
    assert told.value.problems[-1] == (
        "quarantine_share (at most 50.0% of a batch go to quarantine): 2 of 3 rows would (66.7%)"
    )
    assert len(told.value.problems) == 3
    assert (place.store.exists("t"), place.store.exists("quarantine.t")) == (exists, False)
    finding = place.reports[-1].findings[-1]
    assert (finding.rule, finding.policy, finding.count) == ("quarantine_share", "stop", 2)
    if exists:
        assert (place.ids(), place.branches()) == ([9], [])


def test_as_many_rows_for_quarantine_as_the_contract_lets_go_are_no_reason_to_stop(place):
    bad = "".join(f"{number},ZZ,1,2013-01-01T00:00:00Z\n" for number in range(29))
    good = "".join(GOOD.format(number) for number in range(29, 100))
    result = place.ingest("a.csv", bad + good, contract(max_quarantine_share=0.29))
    assert (result.rows, result.quarantined) == (71, 29)


def test_a_limit_that_flags_tells_how_many_rows_were_kept_out(place):
    declared = contract(max_quarantine_share=0, policies={"quarantine_share": "flag"})
    result = place.ingest("a.csv", GOOD.format(1) + "2,ZZ,1,2013-01-01T00:00:00Z\n", declared)
    assert [(f.rule, f.severity) for f in result.report.findings][-1] == ("quarantine_share", "warning")
    assert (result.rows, result.quarantined) == (1, 1)


def test_rows_that_stay_in_quarantine_stop_no_release(place):
    place.ingest("a.csv", "1,ZZ,1,2013-01-01T00:00:00Z\n2,ZZ,1,2013-01-01T00:00:00Z\n3,B6,1,2013-01-01T00:00:00Z\n")
    wider = {**COLUMNS, "carrier": pa.Column(str, pa.Check.isin(["B6"]))}
    (result,) = place.release(contract(wider, max_quarantine_share=0.1))
    assert (result.released, result.kept) == (1, 2)


def test_json_brings_times_with_their_zone(place):
    row = {"id": 1, "carrier": "AA", "delay": 1.5, "at": "2013-01-01T01:00:00+01:00"}
    place.ingest("a.json", json.dumps([row]), head="")
    place.ingest("b.json", json.dumps([{**row, "id": 2, "at": "2013-01-01T00:00:00.000Z"}]), head="")
    at = place.store.read(place.store.snapshot("t")).to_arrow(["at"])["at"].to_pylist()
    assert at == [datetime(2013, 1, 1, tzinfo=UTC)] * 2
    with pytest.raises(ContractBrokenError, match="nothing was published") as told:
        place.ingest("c.json", json.dumps([{**row, "id": 3, "at": "2013-01-01T00:00:00"}]), head="")
    assert "its offset from UTC is missing" in told.value.problems[0]


def test_a_release_is_no_delivery_so_neither_its_age_nor_its_missing_values_stop_it(place):
    place.ingest("a.csv", "1,ZZ,,2013-01-01T00:00:00Z\n2,ZZ,1,2013-01-01T00:00:00Z\n3,B6,,2013-01-01T00:00:00Z\n")
    later = {
        "columns": {**COLUMNS, "carrier": pa.Column(str, pa.Check.isin(["B6"]))},
        "max_null_share": {"delay": 0.5},
        "freshness": Freshness("at", max_age=timedelta(days=30)),
    }
    (result,) = place.release(contract(**later))
    assert (result.released, result.kept) == (1, 2)
    with pytest.raises(ContractBrokenError):
        place.ingest("b.csv", "4,B6,,2013-01-01T00:00:00Z\n", contract(**later))


def test_a_contract_that_grew_lets_the_table_grow(place):
    place.ingest("a.csv", GOOD.format(1))
    columns = {**COLUMNS, "gate": pa.Column(str)}
    place.ingest("b.csv", "2,AA,1,2013-01-01T00:00:00Z,B2\n", contract(columns), head="id,carrier,delay,at,gate\n")
    assert place.store.read(place.store.snapshot("t")).to_arrow(["gate"])["gate"].to_pylist() == [None, "B2"]


def test_a_column_whose_type_the_contract_leaves_open_grows_the_table_with_that_of_the_file(place):
    place.ingest("a.csv", GOOD.format(1))
    declared, head = (
        contract({**COLUMNS, "gate": pa.Column(None, nullable=True, required=False)}),
        HEAD.strip() + ",gate\n",
    )
    place.ingest("b.csv", GOOD.format(2), declared)
    assert "gate" not in place.store.schema("t").names, "no file says what it is"
    place.ingest("c.csv", "3,AA,1,2013-01-01T00:00:00Z,7\n", declared, head=head)
    place.ingest("d.csv", "4,AA,1,2013-01-01T00:00:00Z,8\n", declared, head=head)
    assert place.store.schema("t").field("gate").type == pyarrow.int64()
    assert place.store.read(place.store.snapshot("t")).to_arrow(["gate"])["gate"].to_pylist() == [None, None, 7, 8]


@pytest.mark.parametrize("exists", [False, True])
def test_an_optional_column_of_an_open_type_may_be_in_one_file_only(place, exists):
    declared = Contract(
        "t", pa.DataFrameSchema({"id": pa.Column(int), "gate": pa.Column(None, nullable=True, required=False)})
    )
    if exists:
        place.ingest("first.csv", "1\n", Contract("t", pa.DataFrameSchema({"id": pa.Column(int)})), head="id\n")
    files = [place.write("a.csv", "2\n", "id\n"), place.write("b.csv", "3,7\n", "id,gate\n")]
    ingest(place.store, "t", files, ingests=place.ingests, audit=place.audit(declared))
    rows = place.store.read(place.store.snapshot("t")).to_arrow()
    assert dict(zip(*rows.to_pydict().values(), strict=True)) == {**({1: None} if exists else {}), 2: None, 3: 7}


@pytest.mark.parametrize("exists", [False, True])
def test_an_optional_column_of_an_open_type_waits_for_a_file_with_a_value_in_it(place, exists):
    declared = Contract(
        "t", pa.DataFrameSchema({"id": pa.Column(int), "gate": pa.Column(None, nullable=True, required=False)})
    )
    if exists:
        place.ingest("first.csv", "1\n", Contract("t", pa.DataFrameSchema({"id": pa.Column(int)})), head="id\n")
    place.ingest("a.csv", "2,\n", declared, head="id,gate\n")
    assert place.store.schema("t").names == ["id"]
    files = [place.write("b.csv", "3,\n", "id,gate\n"), place.write("c.csv", "4,7\n", "id,gate\n")]
    ingest(place.store, "t", files, ingests=place.ingests, audit=place.audit(declared))
    place.ingest("d.csv", "5,\n", declared, head="id,gate\n")
    rows = place.store.read(place.store.snapshot("t")).to_arrow()
    assert rows.schema.field("gate").type == pyarrow.int64()
    assert dict(zip(*rows.to_pydict().values(), strict=True)) == {
        **({1: None} if exists else {}), 2: None, 3: None, 4: 7, 5: None
    }  # fmt: skip


def test_a_rule_that_is_a_number_is_refused_where_only_the_file_says_so(place):
    declared = Contract("t", rules=[RowRule("small", "id + 1")])
    with pytest.raises(ParameterError, match=r"'id \+ 1' is BIGINT, not true or false") as refused:
        place.ingest("a.csv", "1\n", declared, head="id\n")
    assert refused.value.where == "contract of table 't', rule 'small'"
    assert place.ids() == []


def test_rows_without_a_schema_are_held_against_rules_alone(place):
    declared = Contract("t", unique=["id"], rules=[RowRule("small", "id < 10")])
    place.ingest("a.csv", "1,x\n99,y\n1,z\n", declared, head="id,text\n")
    assert place.ids() == [1]
    with pytest.raises(ContractBrokenError, match="'id' is missing"):
        place.ingest("b.csv", "1\n", declared, head="text\n")


def test_quarantine_is_released_after_the_contract_changed_and_the_rest_stays(place):
    place.ingest("a.csv", GOOD.format(1) + "2,B6,1,2013-01-01T00:00:00Z\n3,ZZ,1,2013-01-01T00:00:00Z\n")
    (before,) = place.quarantine.batches()
    wider = contract({**COLUMNS, "carrier": pa.Column(str, pa.Check.isin(["AA", "UA", "B6"]))})
    (result,) = place.release(wider)
    assert (result.released, result.kept, place.ids()) == (1, 1, [1, 2])
    (after,) = place.quarantine.batches()
    assert (after.ingest_id, after.rows, after.reasons) == (result.kept_as, 1, {"carrier.domain": 1})
    assert after.contract_digest != before.contract_digest
    (row,) = place.quarantine.rows().to_pylist()
    assert (row["id"], row[ROW], row[INGEST]) == (3, 3, result.kept_as)
    everything = contract({**COLUMNS, "carrier": pa.Column(str)})
    place.release(everything)
    assert (place.ids(), place.quarantine.batches()) == ([1, 2, 3], ())


def test_a_release_holds_keys_against_the_table_of_today(place):
    place.ingest("a.csv", "1,ZZ,1,2013-01-01T00:00:00Z\n")
    place.ingest("b.csv", GOOD.format(1))
    (result,) = place.release(contract({**COLUMNS, "carrier": pa.Column(str)}))
    assert (result.released, result.kept, place.ids()) == (0, 1, [1])
    assert place.quarantine.batches()[0].reasons == {"id.unique": 1}


def test_dropped_rows_are_gone_and_unknown_ones_are_told(place):
    place.ingest("a.csv", "1,ZZ,1,2013-01-01T00:00:00Z\n")
    place.ingest("b.csv", "2,ZZ,1,2013-01-01T00:00:00Z\n")
    first, second = place.quarantine.batches()
    place.quarantine.remove([first.ingest_id])
    assert [batch.ingest_id for batch in place.quarantine.batches()] == [second.ingest_id]
    with pytest.raises(NotFoundError):
        place.release(ingest_id=first.ingest_id)


def test_what_an_ingest_left_that_died_before_publishing_is_finished_by_a_rerun(place, monkeypatch):
    """The process dies between the two commits: rows are in quarantine, the good ones are only staged."""
    staging = type(place.store.staging)
    with monkeypatch.context() as patch:
        patch.setattr(staging, "publish", lambda *arguments, **settings: (_ for _ in ()).throw(SystemExit))
        patch.setattr(staging, "discard", lambda *arguments: None)
        patch.setattr(Quarantine, "take_back", lambda *arguments: None)
        with pytest.raises(SystemExit):
            place.ingest("a.csv", GOOD.format(1) + "2,ZZ,1,2013-01-01T00:00:00Z\n")
    assert (place.ids(), len(place.branches())) == ([], 2)
    died = place.branches()[0].removeprefix("staging-")[:16]
    (place.folder / "tables" / "staging" / f"{died}.lock").touch()  # what a killed process cannot take away
    (batch,) = place.quarantine.batches()
    assert batch.status == "unfinished"
    with pytest.raises(ConflictError, match=r"(?s)interrupted.*a\.csv"):
        place.release()
    again = place.ingest("a.csv", GOOD.format(1) + "2,ZZ,1,2013-01-01T00:00:00Z\n")
    assert (again.rows, again.quarantined, place.ids(), place.branches()) == (1, 1, [1], [])
    assert [(one.rows, one.status) for one in place.quarantine.batches()] == [(1, "held")]
    assert place.quarantine._rows(None).num_rows == 1


@pytest.mark.parametrize("unique", [[], ["id"]])
def test_a_writer_that_was_first_is_kept_and_keys_are_compared_again(place, monkeypatch, unique):
    place.ingest("first.csv", GOOD.format(0), contract(unique=unique))
    staging = type(place.store.staging)
    publish, turns = staging.publish, []

    def beaten(self, staged, **settings):
        if not turns:
            turns.append(1)
            place.ingest("other.csv", GOOD.format(2), contract(unique=unique))
        return publish(self, staged, **settings)

    monkeypatch.setattr(staging, "publish", beaten)
    text = GOOD.format(1) + GOOD.format(2) + "3,ZZ,1,2013-01-01T00:00:00Z\n"
    result = place.ingest("a.csv", text, contract(unique=unique))
    if unique:
        assert (sorted(place.ids()), result.quarantined) == ([0, 1, 2], 2)
    else:
        assert (sorted(place.ids()), result.quarantined) == ([0, 1, 2, 2], 1)
    assert place.branches() == []
    assert sum(batch.rows for batch in place.quarantine.batches()) == result.quarantined
    assert place.store.read(place.store.snapshot("t")).to_arrow().num_rows == len(place.ids())


def test_an_ingest_that_is_stopped_leaves_neither_a_branch_nor_a_lock_nor_a_file(place):
    place.ingest("a.csv", GOOD.format(1))
    files = sorted((place.folder / "tables").rglob("*.parquet"))
    with pytest.raises(ContractBrokenError):
        place.ingest("b.csv", "2,ZZ,1,2013-01-01T00:00:00Z\n", contract(policies={"*": "stop"}))
    assert sorted((place.folder / "tables").rglob("*.parquet")) == files
    assert list((place.folder / "tables" / "staging").iterdir()) == []
    assert place.branches() == []


def test_rows_that_were_sorted_out_leave_no_file_behind(place):
    place.ingest("a.csv", GOOD.format(1) + "2,ZZ,1,2013-01-01T00:00:00Z\n")
    files = set((place.folder / "tables").rglob("*.parquet"))
    named = {
        file.path
        for table in ("t", "quarantine.t")
        for file in place.store.reference(place.store.snapshot(table)).files
    }
    assert {str(path) for path in files} == named


def test_columns_may_have_names_that_neither_a_path_nor_sql_would_take(place):
    columns = {"id": pa.Column(int), 'dep "x" delay': pa.Column(float, pa.Check.ge(0)), "名前.1": pa.Column(str)}
    declared, head = contract(columns, freshness=None, unique=["id", "名前.1"]), 'id,"dep ""x"" delay",名前.1\n'
    place.ingest("a.csv", "1,2.5,a\n2,-1,b\n", declared, head)
    assert place.ingest("b.csv", "3,2,a\n4,7,d\n", declared, head).quarantined == 1
    (first, second) = place.quarantine.rows().to_pylist()
    assert [first['dep "x" delay'], first[REASONS]] == [-1.0, ['dep "x" delay.range']]
    assert [second["名前.1"], second[REASONS], second[ROW]] == ["a", ["名前.1.unique"], 1]
    reference = place.store.reference(place.store.snapshot("t"))
    assert reference.is_direct
    assert place.store.read(place.store.snapshot("t")).to_arrow().to_pylist() == [
        {"id": 1, 'dep "x" delay': 2.5, "名前.1": "a"},
        {"id": 4, 'dep "x" delay': 7.0, "名前.1": "d"},
    ]


def test_no_name_of_a_column_is_taken_for_one_of_the_audit(place):
    names = ["place", "reasons", "is_known", "rule", "raw", "clean", "bad", "marked", "source"]
    declared = contract({name: pa.Column(float, pa.Check.ge(0)) for name in names}, freshness=None, unique=names)
    head = ",".join(names) + "\n"
    result = place.ingest("a.csv", "2,2,2,2,2,2,2,2,2\n3,3,3,3,3,3,3,3,3\n-1,4,4,4,4,4,4,4,4\n", declared, head)
    assert (result.rows, result.quarantined) == (2, 1)
    assert place.quarantine.rows()[REASONS].to_pylist() == [["place.range"]]


def test_a_column_with_the_name_of_one_of_the_quarantine_is_refused_before_a_table_is_made(place):
    columns = {"id": pa.Column(int), "tidewheel_row": pa.Column(int)}
    with pytest.raises(SchemaMismatchError, match="cannot begin with 'tidewheel_': 'tidewheel_row'"):
        place.ingest("a.csv", "1,1\n", contract(columns, freshness=None), "id,tidewheel_row\n")
    with pytest.raises(SchemaMismatchError, match="'Tidewheel_row'"):
        open_contract = Contract("t", None, unique=["id"])
        place.ingest("b.csv", "1,1\n", open_contract, "id,Tidewheel_row\n")
    assert not place.store.exists("t")


def test_a_key_that_is_there_and_comes_twice_counts_once_a_row(place):
    place.ingest("a.csv", GOOD.format(1))
    result = place.ingest("b.csv", GOOD.format(1) + GOOD.format(1) + GOOD.format(2) + GOOD.format(2))
    (finding,) = result.report.findings
    assert (finding.count, result.quarantined) == (3, 3)
