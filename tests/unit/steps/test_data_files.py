"""Files as people have them: what is read, what is refused, and what the refusal says."""

from __future__ import annotations

import gzip
import io
import json
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidewheel.core.errors import SchemaMismatchError, UnreadableFileError
from tidewheel.steps.data_files import read_files

CSV = b"""carrier,delay,late,hour
UA,2,1.5,2013-01-01 05:00:00
"NA",NA,,2013-01-01 06:00:00
NA,-3,2,2013-01-01 07:00:00
"""
ROWS = [("UA", 2, 1.5), ("NA", None, None), (None, -3, 2.0)]


@pytest.fixture
def write(tmp_path):
    def write(name, data):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


def zipped(name, data, **more):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, content in {name: data, **more}.items():
            archive.writestr(member, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("f.csv", lambda data: data),
        ("f.CSV", lambda data: b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n")),
        ("f.csv.gz", gzip.compress),
        ("f.csv.zip", lambda data: zipped("f.csv", data)),
        ("f.zip", lambda data: zipped("in/f.csv", data)),
    ],
)
def test_csv_is_read_plain_and_packed(write, name, pack):
    table = read_files([write(name, pack(CSV))])
    assert list(zip(*(table[c].to_pylist() for c in ("carrier", "delay", "late")), strict=True)) == ROWS
    assert table.schema.types == [pa.string(), pa.int64(), pa.float64(), pa.timestamp("us")]


def test_json_lists_and_lines_give_the_same_rows(write):
    rows = [{"a": 1, "b": "x"}, {"a": 2}, {"b": "y", "a": None}]
    lines = write("f.ndjson", "\n".join(json.dumps(row) for row in rows))
    listed = write("f.json", json.dumps(rows, indent=1))
    assert read_files([lines]).equals(read_files([listed]))
    assert read_files([listed]).to_pylist() == [{"a": 1, "b": "x"}, {"a": 2, "b": None}, {"a": None, "b": "y"}]


TIMES = {
    "zoned": (["2025-03-02T01:00:00+01:00", "2025-03-02 00:00:00Z"], pa.timestamp("us", "UTC")),
    "zoned_exactly": (["2025-03-02T00:11:33.000Z", "2025-03-02T00:11:33.5Z"], pa.timestamp("us", "UTC")),
    "local": (["2025-03-02T00:11:33", "2025-03-02 00:11:33.25"], pa.timestamp("us")),
    "day": (["2025-03-02", None], pa.date32()),
    "mixed": (["2025-03-02T00:11:33Z", "2025-03-02T00:11:33"], pa.string()),
    "said": (["2025-03-02", "soon"], pa.string()),
    "year": (["2025", "2026"], pa.string()),
}


def test_times_in_json_keep_their_zone_and_are_told_from_all_values(write):
    rows = [{name: values[number] for name, (values, _) in TIMES.items()} for number in (0, 1)]
    table = read_files([write("f.json", json.dumps(rows))])
    assert {name: table.schema.field(name).type for name in TIMES} == {
        name: type_ for name, (_, type_) in TIMES.items()
    }
    assert len(set(table["zoned"].to_pylist())) == 1  # the same instant
    assert table["said"].to_pylist() == ["2025-03-02", "soon"]


@pytest.mark.parametrize(
    ("text", "type_", "said"),
    [
        ("2025-03-02T00:11:33Z", pa.timestamp("us", "UTC"), ""),
        ("2025-03-02", pa.timestamp("us"), ""),
        ("2025-03-02", pa.string(), ""),
        ("2025-03-02T00:11:33", pa.timestamp("us", "UTC"), "row 2.* is no timestamp.*: its offset from UTC is missing"),
        ("2025-03-02T00:11:33Z", pa.timestamp("us"), "row 2.* is no timestamp.*: the column has no time zone"),
        ("soon", pa.date32(), "row 2: 'soon' is no date32"),
    ],
)
@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_time_is_read_as_its_column_is_and_else_named(write, form, text, type_, said):
    first = {"timestamp[us]": "2025-01-01T00:00:00", "timestamp[us, tz=UTC]": "2025-01-01T00:00:00Z"}
    values = [first.get(str(type_), "2025-01-01"), text]
    data = json.dumps([{"at": one} for one in values]) if form == "json" else "\n".join(["at", *values, ""])
    path, schema = write(f"f.{form}", data), pa.schema([("at", type_)])
    if said:
        with pytest.raises(SchemaMismatchError, match=said):
            read_files([path], schema=schema)
    else:
        assert read_files([path], schema=schema).schema == schema


def test_parquet_is_read_whatever_its_types_of_string(tmp_path):
    pq.write_table(pa.table({"s": pa.array(["x"], pa.large_string())}), tmp_path / "f.parquet")
    assert read_files([tmp_path / "f.parquet"]).schema == pa.schema({"s": pa.string()})


def test_types_are_told_from_the_whole_file(write):
    lines = "".join(f"{n}\n" for n in range(300_000))  # more than one block of the reader
    assert read_files([write("f.csv", "n\n" + lines + "0.5\n")]).schema == pa.schema({"n": pa.float64()})


def test_files_of_one_table_get_the_widest_type(write):
    table = read_files([write("a.csv", "n\n1\n"), write("b.csv", "n\n1.5\n")])
    assert table["n"].to_pylist() == [1.0, 1.5]
    with pytest.raises(SchemaMismatchError, match=r"(?s)'n' is string.*int64.*c\.csv"):
        read_files([write("a.csv", "n\n1\n"), write("c.csv", "n\nx\n")])


def test_integers_written_with_a_point_are_integers_in_an_integer_column(write):
    schema = pa.schema([("id", pa.int64()), ("seats", pa.int32())])
    rows = read_files([write("points.csv", b"id,seats\n7.0,149.0\n8,\n")], schema=schema)
    assert rows.to_pylist() == [{"id": 7, "seats": 149}, {"id": 8, "seats": None}]


@pytest.mark.parametrize("text", ["6.5", "9007199254740993.0", "nan", "inf", "1e30"])
def test_what_is_no_exact_integer_is_refused_in_an_integer_column(write, text):
    file = write("points.csv", f"id,other\n1.0,1\n{text},2\n".encode())
    with pytest.raises(SchemaMismatchError, match=r"column 'id'.*is no int64"):
        read_files([file], schema=pa.schema([("id", pa.int64()), ("other", pa.int64())]))


def test_other_texts_can_mean_no_value(write):
    path = write("f.csv", "n,s\n-,NA\n2,x\n")
    assert read_files([path], nulls=["-"]).to_pylist() == [{"n": None, "s": "NA"}, {"n": 2, "s": "x"}]


def test_a_quoted_line_break_is_part_of_the_value(write):
    assert read_files([write("f.csv", 'a,b\n"x\ny",1\n')]).to_pylist() == [{"a": "x\ny", "b": 1}]


SCHEMA = pa.schema({"carrier": pa.string(), "delay": pa.int32()})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("carrier,dealy\nUA,1\n", r"'delay' is missing.*'dealy' is unknown \(did you mean 'delay'"),
        ("carrier\nUA\n", "'delay' is missing"),
        ("carrier,delay,more\nUA,1,2\n", "'more' is unknown"),
        ("carrier,delay\nUA,1\nAA,2\nB6,x1\nC,zz\n", "column 'delay', row 3: 'x1' is no int32"),
        ("carrier,delay\nUA,1\nAA,99999999999\n", "column 'delay', row 2: '99999999999' is no int32"),
        ("carrier,delay\nUA,1.5\n", "column 'delay', row 1: '1.5' is no int32"),
    ],
)
def test_what_does_not_fit_the_table_is_named_with_its_place(write, data, message):
    path = write("f.csv", data)
    with pytest.raises(SchemaMismatchError, match=f"(?s){message}") as caught:
        read_files([path], schema=SCHEMA)
    assert str(path) in str(caught.value)


def test_columns_of_a_known_table_may_come_in_any_order(write):
    table = read_files([write("f.csv", "delay,carrier\nNA,UA\n7,NA\n")], schema=SCHEMA)
    assert table.schema == SCHEMA
    assert table.to_pylist() == [{"carrier": "UA", "delay": None}, {"carrier": None, "delay": 7}]


def test_a_json_value_of_another_type_is_refused(write):
    with pytest.raises(SchemaMismatchError, match="'delay' is int32, the data has string"):
        read_files([write("f.json", '[{"carrier": "UA", "delay": "1"}]')], schema=SCHEMA)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("f.csv", b"", "is empty"),
        ("f.csv", b" \n\n", "is empty"),
        ("f.csv", b"a,b\n", "has no rows"),
        ("f.json", b"[]", "has no rows|no JSON"),
        ("f.csv", b"a,b\n1,2\n\xe4x,3\n", r"no UTF-8: byte 0xe4 in line 3 \(byte offset 8\)"),
        ("f.csv", b"\xe4,b\n1,2\n", "no UTF-8: byte 0xe4 in line 1"),
        ("f.csv", "a,b\n1,2\n".encode("utf-16"), "is UTF-16"),
        ("f.json", b'[{"a": "\xe4"}]', "no UTF-8: byte 0xe4 in line 1"),
        ("f.ndjson", b'{"a": 1}\n{"a": \xe4}\n', "no UTF-8: byte 0xe4 in line 2"),
        ("f.csv", b"a,b,a\n1,2,3\n", "same name: 'a'"),
        ("f.csv", b"a,,c\n1,2,3\n", "no name for column 2"),
        ("f.csv", b"a,b\n1,2\n3\n", r"(?i)row #3|expected 2 columns"),
        ("f.json", b'{"a": 1', "cannot be read as json"),
        ("f.json", b"[1, 2]", "no JSON list of objects"),
        ("f.parquet", b"PAR1nonsense", "cannot be read as parquet"),
        ("f.csv.zip", zipped("f.csv", CSV * 50)[:-30], "truncated"),
        ("f.csv.zip", b"PK\x03\x04", "truncated"),
        ("f.csv.gz", gzip.compress(CSV, mtime=0)[:-10], "truncated"),
        ("f.csv.gz", b"no gzip", "truncated or no gz"),
        ("f.csv.zip", zipped("a.csv", CSV, **{"b.csv": CSV}), r"2 files \(a\.csv, b\.csv\)"),
        ("f.txt", b"a\n1\n", "no known kind"),
        ("f.zip", zipped("a.exe", b"x"), "no known kind"),
        ("noname", b"x", "no known kind"),
    ],
)
def test_what_cannot_be_read_says_which_file_and_why(write, name, data, message):
    path = write(name, data)
    with pytest.raises(UnreadableFileError, match=message) as caught:
        read_files([path])
    assert str(path) in str(caught.value)
    assert "next:" in str(caught.value)


def test_a_missing_file_and_no_file_are_told(tmp_path):
    with pytest.raises(UnreadableFileError, match=r"gone\.csv"):
        read_files([tmp_path / "gone.csv"])
    with pytest.raises(UnreadableFileError, match="no files"):
        read_files([])
