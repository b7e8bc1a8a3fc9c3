"""The analysis of tables of every kind: what it suggests, what it computes, and that its page is safe and whole."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import html.parser
import json

import numpy as np
import pyarrow as pa
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from tidewheel.core.errors import NotFoundError, ParameterError
from tidewheel.statistics.association import Variable, associate, ranks
from tidewheel.statistics.profile_pass import profile_table
from tidewheel.steps.analysis_sample import Sampler
from tidewheel.steps.data_analysis import TableAnalysis, analyze, data_analysis

VOID = {"meta", "br"}


class Page(html.parser.HTMLParser):
    """Reads a page, insists that what is opened is closed, and keeps its texts and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.loads: list[str] = []
        self.events: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href") and not (value or "").startswith("#"):
                self.loads.append(value)
            if name.startswith("on"):
                self.events.append(name)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def analysis(table: pa.Table, **settings: object) -> TableAnalysis:
    return analyze(table.to_batches(), table.schema, table.num_rows, **{"title": "t", **settings})


def checked(found: TableAnalysis) -> Page:
    json.dumps(found.to_dict(), allow_nan=False)
    page = Page(found.to_html())
    assert page.loads == []
    assert page.events == []
    assert "script" not in page.tags
    return page


def topics(found: TableAnalysis) -> set[tuple[str, str]]:
    return {(work.column, work.topic) for work in found.work}


def flights(rows: int = 2_000, seed: int = 0) -> pa.Table:
    random = np.random.default_rng(seed)
    delay = random.gamma(2, 20, rows)
    start = np.datetime64("2013-01-01", "us")
    return pa.table(
        {
            "delay": delay,
            "late": delay > 30,
            "carrier": random.choice(["UA", "AA", "EV"], rows),
            "scheduled": pa.array(start + (np.arange(rows) * 3_600_000_000).astype("timedelta64[us]")),
        }
    )


ODD = {
    "no rows": pa.table({"a": pa.array([], pa.int64()), "t": pa.array([], pa.timestamp("us"))}),
    "no columns": pa.table({}),
    "one row": pa.table({"a": [1], "b": ["x"], "c": [1.5], "t": [dt.datetime(2013, 1, 1, tzinfo=dt.UTC)]}),
    "all null": pa.table({"a": pa.nulls(50, pa.float64()), "b": pa.nulls(50), "c": pa.nulls(50, pa.string())}),
    "NaN and null": pa.table({"a": [float("nan"), None, 1.0, 2.0], "b": [float("nan")] * 4}),
    "infinite": pa.table({"a": [float("inf"), -float("inf"), 1.0, 2.0], "b": [float("inf")] * 4}),
    "huge integers": pa.table(
        {"a": pa.array([2**63 - 1, -(2**63), 0]), "b": pa.array([2**64 - 1, 0, 2**63], pa.uint64())}
    ),
    "huge floats": pa.table({"a": [1.7e308, -1.7e308, 5e-324], "b": [1e300, 1e-300, 0.0]}),
    "nested": pa.table(
        {"a": [{"x": 1}, None], "b": [[1, 2], []], "c": pa.array([[("k", 1)], None], pa.map_("string", "int8"))}
    ),
    "empty texts": pa.table({"a": ["", "", "  ", None], "b": ["\n", "\t\t", "x", "\x00"]}),
    "binary": pa.table({"a": [b"\xff\x00", b"", None]}),
    "far times": pa.table(
        {"a": pa.array([-(2**62), 2**62, 0], pa.timestamp("s")), "b": pa.array([0, 86399, 7], pa.time32("s"))}
    ),
    "durations": pa.table({"a": pa.array([1, 5, None], pa.duration("s"))}),
    "decimals": pa.table({"a": [decimal.Decimal("1.25"), decimal.Decimal("-7.50"), None]}),
    "odd names": pa.table(
        {"": [1, 2], " ": [1, 2], "a.b": [1, 2], "q\"'<i>": ["x", "y"], "名": [1, 1], "x" * 500: [0, 1]}
    ),
    "categories": pa.table({"a": pa.array(["x", None, "y", "x"]).dictionary_encode(), "b": [True, False, None, True]}),
    "half floats": pa.table({"a": pa.array([np.float16(1), np.float16(2)])}),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_tables_have_an_analysis(name):
    table = ODD[name]
    found = analysis(table)
    page = checked(found)
    assert found.profile.row_count == table.num_rows
    assert {"html", "head", "body", "title", "style"} <= page.tags
    compared = analysis(table, reference=found.profile)
    assert not compared.comparison.moved
    checked(compared)
    for column in table.column_names:
        with contextlib.suppress(ParameterError):  # keys and nested columns cannot be a target
            checked(analysis(table, target=column))


EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;</style></title>]]>"


def test_values_and_names_cannot_become_markup():
    table = pa.table(
        {
            EVIL: [EVIL, "a", "b"] * 40,
            "other": [EVIL, EVIL, "n/a"] * 40,
            "number": [1.0, None, 3.0] * 40,
        }
    )
    before = profile_table(table.rename_columns([EVIL + "2", "other", "number"]))
    found = analysis(table, title=EVIL, target=EVIL, reference=before)
    page = checked(found)
    assert "img" not in page.tags
    assert any("<script>alert(1)</script>" in text for text in page.texts)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=12), st.floats(), st.none() | st.integers(-(2**63), 2**63 - 1)), max_size=30)
)
def test_any_values_give_a_whole_page(rows):
    table = pa.table(
        {
            "text": pa.array([row[0] for row in rows], pa.string()),
            "number": pa.array([row[1] for row in rows], pa.float64()),
            "whole": pa.array([row[2] for row in rows], pa.int64()),
        }
    )
    checked(analysis(table))


def test_equal_tables_give_equal_pages():
    table = flights()
    pages = {analysis(table, target="late", threads=threads).to_html() for threads in (1, 3)}
    assert len(pages) == 1


def test_the_step_is_a_plain_function():
    table = flights(500)
    found = data_analysis(table, title="flights", target="late", time="scheduled")
    assert found.profile == profile_table(table)
    assert found.report["rows"] == 500
    assert found.report["target"]["relations"][0]["column"] == "delay"
    assert b"flights" in found.page
    assert data_analysis(flights(500, 1), found.profile).report["comparison"]["columns"]


def test_the_target_is_related_to_what_decides_it():
    found = analysis(flights(), target="late")
    delay, *rest = found.target.relations
    assert delay.column == "delay"
    assert delay.strength > 0.8
    assert all(relation.strength < 0.2 for relation in rest)
    assert delay.bins[0][2] == 0.0
    assert delay.bins[-1][2] == 1.0
    assert found.target.meaning == "share of late"


def test_a_column_that_is_missing_by_the_target_is_a_leak():
    table = flights()
    gone = pa.array([None if late else 1.0 for late in table["late"].to_pylist()])
    found = analysis(table.append_column("arrived_at", gone), target="late")
    assert ("arrived_at", "leakage") in topics(found)
    assert any(work.is_urgent for work in found.work if work.column == "arrived_at")


def test_a_copy_of_the_target_is_a_leak():
    table = flights()
    found = analysis(table.append_column("outcome", table["late"].cast(pa.int64())), target="late")
    assert ("outcome", "leakage") in topics(found)


def test_suggestions_name_what_is_planted():
    random = np.random.default_rng(0)
    rows = 1_000
    table = pa.table(
        {
            "clean": random.normal(size=rows),
            "half": pa.array([None, 1.0, 2.0, None] * 250),
            "gone": pa.nulls(rows, pa.float64()),
            "same": ["x"] * rows,
            "nearly": ["x"] * 995 + ["y"] * 5,
            "key": [f"id-{n}" for n in range(rows)],
            "counter": np.arange(rows),
            "many": [f"v{n % 300}" for n in range(rows)],
            "amount": random.lognormal(3, 2, rows),
            "spike": np.append(random.normal(size=rows - 3), [500.0, 600.0, -700.0]),
            "infinite": np.append(random.normal(size=rows - 1), [np.inf]),
            "sentinel": np.append(random.integers(0, 50, rows - 20), [-999] * 20),
            "digits": [str(n % 40) for n in range(rows)],
            "days": [f"2013-01-{1 + n % 28:02}" for n in range(rows)],
            "filled": ["n/a", "red", "blue", ""] * 250,
            "spelled": ["UA", "ua ", "AA", "EV"] * 250,
            "local": pa.array(np.arange(rows) * 1_000_000, pa.timestamp("us")),
            "big": pa.array([2**60 + n % 7 for n in range(rows)]),
            "list": [[1, 2]] * rows,
        }
    )
    table = table.append_column("twice", pa.array(table["clean"].to_numpy() * 2))
    found = topics(analysis(table))
    assert {
        ("half", "missing"), ("gone", "missing"), ("same", "constant"), ("nearly", "constant"), ("key", "identifier"),
        ("counter", "identifier"), ("many", "cardinality"), ("amount", "skew"), ("spike", "outliers"),
        ("infinite", "infinite"), ("sentinel", "placeholder"), ("digits", "types"), ("days", "types"),
        ("filled", "placeholder"), ("spelled", "spelling"), ("local", "time zone"), ("big", "precision"),
        ("list", "nested"), ("twice", "redundant"),
    } <= found  # fmt: skip
    assert not {topic for column, topic in found if column == "clean"}


@pytest.mark.parametrize("step", [1, 1000])
@pytest.mark.parametrize("is_first", [True, False])
def test_of_a_time_and_a_running_number_the_number_is_to_go(step, is_first):
    at = pa.array(np.arange(500) * 3_600_000_000, pa.timestamp("us", "UTC"))
    columns = [("id", pa.array(np.arange(500) * step)), ("at", at)]
    found = analysis(pa.table(dict(columns if is_first else columns[::-1]))).work
    (work,) = [one for one in found if one.topic == "redundant"]
    assert (work.column, work.suggestion) == ("id", "leave it out: it numbers the rows in the order of 'at'")
    assert work.finding.startswith("says nearly the same as 'at'")


def test_clean_columns_need_nothing():
    random = np.random.default_rng(1)
    table = pa.table({"a": random.normal(size=5_000), "b": random.choice(["x", "y"], 5_000), "c": random.random(5_000)})
    assert analysis(table).work == ()


def test_time_buckets_hold_the_rows():
    found = analysis(flights(24 * 30), time="scheduled")
    assert found.course.step == 86_400_000_000
    assert found.course.rows == (24,) * 30
    assert len(found.course.means["delay"]) == 30


def test_columns_that_are_missing_together_are_told():
    table = pa.table({"a": [1.0, None, None, 4.0, None], "b": ["x", None, None, "x", "y"], "c": [1, 2, 3, 4, 5]})
    found = analysis(table)
    assert [(gap.columns, gap.row_count) for gap in found.gaps] == [(("a", "b"), 2), (("a",), 1)]
    assert any("Missing together" in text for text in checked(found).texts)


def test_columns_that_cannot_be_used_are_told():
    table = flights(100)
    with pytest.raises(NotFoundError, match="'lat'.*\n.*'late'"):
        analysis(table, target="lat")
    with pytest.raises(ParameterError, match="is no time"):
        analysis(table, time="delay")
    with pytest.raises(ParameterError, match="cannot be a target"):
        analysis(table.append_column("key", pa.array([str(n) for n in range(100)])), target="key")


@given(st.lists(st.integers(-5, 5), min_size=1))
def test_ranks_are_those_of_scipy(values):
    assert ranks(np.array(values)).tolist() == scipy.stats.rankdata(values).tolist()


def test_associations_are_those_of_scipy():
    random = np.random.default_rng(3)
    a, codes = random.normal(size=3_000), random.integers(0, 3, 3_000)
    b = a + random.normal(size=3_000)
    found = associate(Variable("a", a), Variable("b", b))
    assert found.strength == pytest.approx(scipy.stats.spearmanr(a, b).statistic)
    other = np.where(random.random(3_000) < 0.6, codes, random.integers(0, 3, 3_000))
    table = np.histogram2d(codes, other, 3)[0].astype(int)
    exact = scipy.stats.contingency.association(table, "cramer")
    labels = ("x", "y", "z")
    assert associate(Variable("c", codes, labels), Variable("d", other, labels)).strength == pytest.approx(
        exact, abs=0.01
    )


def test_what_has_nothing_in_common_is_near_zero_however_many_categories():
    random = np.random.default_rng(4)
    labels = tuple(f"v{n}" for n in range(200))
    category = Variable("c", random.integers(0, 200, 2_000), labels)
    assert associate(category, Variable("n", random.normal(size=2_000))).strength < 0.12
    assert associate(category, Variable("d", random.integers(0, 200, 2_000), labels)).strength < 0.12


@given(st.lists(st.integers(0, 50), max_size=8), st.integers(1, 60))
def test_a_sample_is_every_so_manyth_row(sizes, most):
    total = sum(sizes)
    numbers = np.arange(total)
    batches = [pa.record_batch({"n": part}) for part in np.split(numbers, np.cumsum(sizes)[:-1])] if sizes else []
    sampler = Sampler(total, most)
    assert sum(batch.num_rows for batch in sampler.watch(batches)) == total
    kept = sampler.sample(pa.schema([("n", pa.int64())]))["n"].to_pylist()
    every = max(1, -(-total // most))
    assert kept == list(range(0, total, every))
    assert len(kept) <= most
