"""Recorded metrics: what is read, what is treated and said, what is refused and where."""

from __future__ import annotations

import io
import os
import sys

import numpy as np
import pandas as pd
import pytest

from simlab.base.errors import InputError
from simlab.results import tables
from simlab.results.metrics import Columns, read, split
from simlab.results.tables import CsvTable

EPOCH = "t: read as a Unix epoch in"
ZONES = "t: times of several zones; here all are in UTC"
ASKED = Columns("t", ("p",), ("y",))
PLAIN = "t,p,y\n10,1,2\n20,3,4\n30,5,6\n"


@pytest.fixture
def file(tmp_path):
    def put(content, name="m.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return put


def refused(path, wanted=ASKED, **how):
    with pytest.raises(InputError) as caught:
        read(path, wanted, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{path.parent}/", "")


@pytest.mark.parametrize(
    "content",
    [
        PLAIN, PLAIN.replace("\n", "\r\n"), PLAIN.replace("\n", "\r"), "\ufeff" + PLAIN, PLAIN.rstrip("\n"), f"\n\n{PLAIN}",
        PLAIN.replace("\n20", "\n\n  \n20"), PLAIN.replace(",", ", "), '"t","p","y"\n10,"1",2\n20,3,4\n30,5,6',
        "note,t,y,p\nx,10,2,1\n,20,4,3\nz,30,6,5\n",
    ],
)  # fmt: skip
def test_one_table_in_many_hands(file, content):
    found = read(file(content), ASKED)
    assert found.times.tolist() == [0, 10, 20]
    assert [found.stamp(i) for i in range(3)] == [10, 20, 30]
    assert found.predictions.tolist() == [[1], [3], [5]]
    assert found.reality.tolist() == [[2], [4], [6]]
    assert (found.features.shape, found.nudges.shape) == ((3, 0), (3, 0))
    assert (found.step, found.gaps.tolist(), found.notes) == (10, [], ())


@pytest.mark.parametrize(("separator", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
def test_another_separator_is_found_and_said(file, separator, word):
    found = read(file(PLAIN.replace(",", separator)), ASKED)
    assert found.predictions.tolist() == [[1], [3], [5]]
    assert found.notes == (f"columns are separated by {word}, not by commas; read so",)


@pytest.mark.parametrize(
    ("cells", "seconds", "last", "notes"),
    [
        (("0", "0.5", "2"), [0, 0.5, 2], 2.0, ()),
        (("-5", "0", "5"), [0, 5, 10], 5, ()),
        (("1700000000", "1700000015", "1700000030"), [0, 15, 30], 1700000030, ()),
        (("1700000000000", "1700000000001", "1700000015000"), [0, 0.001, 15], 1700000015000, (f"{EPOCH} milliseconds",)),
        (("1700000000000000", "1700000000000001", "1700000000000002"), [0, 1e-6, 2e-6], 1700000000000002, (f"{EPOCH} microseconds",)),
        ((f"{10**18}", f"{10**18 + 1}", f"{10**18 + 10**9}"), [0, 1e-9, 1], 10**18 + 10**9, (f"{EPOCH} nanoseconds",)),
        (("2024-02-28", "2024-02-29", "2024-03-01"), [0, 86400, 172800], "2024-03-01", ()),
        (("2024-01-31 23:59:59.5", "2024-02-01 00:00:00", "2024-02-01 00:00:01"), [0, 0.5, 1.5], "2024-02-01 00:00:01", ()),
        (("2024-01-31T23:59+02:00", "2024-02-01T00:00+02:00", "2024-02-01T00:01+02:00"), [0, 60, 120], "2024-02-01T00:01+02:00", ()),
        (("20240131T235900Z", "20240201T000000Z", "20240201T000100Z"), [0, 60, 120], "20240201T000100Z", ()),
        (("2024-03-31T01:59+01:00", "2024-03-31T03:00+02:00", "2024-03-31T01:01Z"), [0, 60, 120], "2024-03-31T01:01:00Z", (ZONES,)),
        (("9999-12-31", "9999-12-31T00:00:01", "9999-12-31T00:00:02"), [0, 1, 2], "9999-12-31T00:00:02", ()),
    ],
)  # fmt: skip
def test_times_are_seconds_and_keep_the_form_of_the_file(file, cells, seconds, last, notes):
    found = read(file("t,p,y\n" + "".join(f"{cell},1,2\n" for cell in cells)), ASKED)
    np.testing.assert_allclose(found.times, seconds, rtol=1e-9)
    assert found.stamp(2) == last
    assert type(found.stamp(2)) is type(last)
    assert found.notes == notes


def test_of_several_zones_every_time_is_written_in_utc(file):
    found = read(file("t,p,y\n2024-03-31T01:59:00+01:00,1,2\n2024-03-31T03:00:00+02:00,3,4\n"), ASKED)
    assert [found.stamp(0), found.stamp(1)] == ["2024-03-31T00:59:00Z", "2024-03-31T01:00:00Z"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("t,p,y\n1,2,3\nabc,2,3\n", "m.csv:3: t: cannot read `abc` as a time; write seconds, a Unix epoch, or ISO 8601"),
        ("t,p,y\n1,2,3\n,2,3\n", "m.csv:3: t: no time;"),
        ("t,p,y\n1,2,3\ninf,2,3\n", "m.csv:3: t: `inf` is not a time;"),
        ("t,p,y\n2024-01-01,2,3\n2024-02-30,2,3\n", "m.csv:3: t: cannot read `2024-02-30` as a time"),
        ("t,p,y\n2024-01-01,2,3\nnow,2,3\n", "m.csv:3: t: cannot read `now` as a time"),
        ("t,p,y\n31/01/2024,2,3\n", "m.csv:2: t: cannot read `31/01/2024` as a time"),
        ("t,p,y\nTrue,2,3\n", "m.csv:2: t: `True` is not a time"),
        ("t,p,y\n2024-01-01T00:00Z,2,3\n2024-01-01T00:01,2,3\n", "m.csv:3: t: `2024-01-01T00:01` has no zone, and other times have"),
        ("t,p,y\n2024-01-01T00:00:00Z,2,3\n2024-01-05,2,3\n", "m.csv:3: t: `2024-01-05` has no zone"),
        ("t,p,y\n3,2,3\n4,2,3\n\n2,2,3\n1,2,3\n", "m.csv:5: t: time goes back, from 4 to 2; sort the file, or give --sort"),
        ("t,p,y\n3,2,3\n4,2,3\n4,2,3\n4,2,3\n", "m.csv:4: t: 4 stands twice (rows that repeat a time: 2); keep one row an instant"),
        ("t,p,y\n1,x,3\n2,3,4\n3,4,z\n", "m.csv:2: p: `x` is not a number"),
        ("t,p,y\n1,2,3\n2,3,z\n3,z,z\n", "m.csv:4: p: `z` is not a number"),
        ("t,y,p\n1,2,3\n2,3,z\n3,4,q\n", "m.csv:3: p: `z` is not a number (nor is 1 more cell of this column)"),
        ("t;p;y\n1;2,5;3\n2;3,5;3\n", "`2,5` is not a number (nor is 1 more cell of this column); with a decimal point it is `2.5`"),
        ("t,p,y\n1,=1+1,3\n", "m.csv:2: p: `=1+1` is not a number"),
        ("t,p,y\n1,=cmd|' /C calc'!A0,3\n", "m.csv:2: p: `=cmd|' /C calc'!A0` is not a number"),
        ("t,p,y\n1,\x1b[31mred,3\n", "m.csv:2: p: `\ufffd[31mred` is not a number"),
        ("t,p,y\n1,0x10,3\n", "`0x10` is not a number"),
        ("t,p,y\n1,1_000,3\n", "`1_000` is not a number"),
        ("t,p,y\n1,\u0663,3\n", "`\u0663` is not a number"),
        ('t,p,y\n1,"2\n",3\n2,3,4\n\n3,"q\n",5\n', "m.csv:6: p: `q\ufffd` is not a number"),
        ('t,p,y\n1,2,3\n2,"3,4\n3,4,5\n', 'm.csv:3: a quote (") that is never closed'),
        ("t,p,y\n1,2,3\n2,3,4,5\n", "m.csv:3: 4 cells in a table of 3 columns; quote a cell that holds a comma, and write 1.5 for a"),
        ("t,p,y\n1,2,3,4\n2,3,4,5\n", "m.csv:2: 4 cells in a table of 3 columns"),
        ("t,p,y\n1,2,3\n2,3\n3,4,5\n", "m.csv:3: ends after 2 of 3 columns"),
        ('t,p,y\n"1",2,3\n"2",3\n3,4,5\n', "m.csv:3: ends after 2 of 3 columns"),
        ("t,p,y\n1,,3\n2,nan,4\n3,NA,5\n", "m.csv: p: no cell holds a number; leave the column out"),
        ("t,p,y\n1,inf,3\n2,-inf,4\n", "m.csv: p: no cell holds a number; leave the column out"),
        ("t,p,y\n1,2,3\n", "m.csv: only one instant; a detector compares instants"),
        ("t,p,y\n", "m.csv: a header and no rows"),
        ("t,p,y", "m.csv: a header and no rows"),
        ("", "m.csv: empty; expected a header and rows"),
        ("\ufeff \r\n\n", "m.csv: empty; expected a header and rows"),
        ("t,p\n1,2\n", "m.csv:1: no column `y` (--reality); (columns: t, p)"),
        ("t,p,yy\n1,2,3\n", "m.csv:1: no column `y` (--reality); did you mean `yy`? (columns: t, p, yy)"),
        ("\n\ntime,p,y\n1,2,3\n", "m.csv:3: no column `t` (--time); "),
        ("t,p,y,p\n1,2,3,4\n", "m.csv:1: column `p` stands twice: 2 and 4"),
        ("t,p,y\n1,2,3\n2,\x00,3\n", "m.csv:3: a NUL character; is this a text file?"),
        (b"t,p,y\n1,2,3\n2,caf\xe9,3\n", "m.csv:3: not UTF-8 (the byte 0xe9); save the file as UTF-8"),
        (b"t,p,\xe9\n1,2,3\n", "m.csv:1: not UTF-8 (the byte 0xe9)"),
        (PLAIN.encode("utf-16"), "m.csv: in UTF-16; save it as UTF-8"),
        (b"PK\x03\x04rest", "m.csv: a spreadsheet or a zip archive; export it as CSV in UTF-8"),
        (b"\x1f\x8brest", "m.csv: compressed; unpack it first"),
        (b"PAR1 and no more", "m.csv: a damaged Parquet file ("),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_place(file, content, says):
    assert refused(file(content)).startswith(says) or says in refused(file(content))


def test_what_is_not_there_or_no_file(file, tmp_path):
    file(PLAIN, "metrics.csv")
    assert refused(
        tmp_path / "metrisc.csv"
    ) == f"metrisc.csv: no such file; did you mean `{tmp_path}/metrics.csv`?".replace(f"{tmp_path}/", "")
    assert refused(tmp_path / "nowhere" / "m.csv") == "m.csv: no such file"
    assert refused(tmp_path).endswith(": a directory; name the file in it")
    os.mkfifo(tmp_path / "pipe.csv")
    assert "not a regular file" in refused(tmp_path / "pipe.csv")
    assert "NUL character" in refused(tmp_path / "a\0b")
    assert "File name too long" in refused(tmp_path / f"{'a' * 300}.csv")
    assert "Not a directory" in refused(tmp_path / "metrics.csv" / "m.csv")
    assert "not a Parquet file" in refused(file(PLAIN, "m.parquet"))
    assert "m.parquet: empty" in refused(file("", "m.parquet"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_of_somebody_else(file):
    path = file(PLAIN)
    path.chmod(0)
    assert refused(path) == "m.csv: Permission denied"


def test_huge_cells_and_headers_are_cut_in_messages(file):
    assert refused(file(f"t,p,y\n1,{'9a' * 2_000_000},3\n")) == f"m.csv:2: p: `{'9a' * 18}9...` is not a number"
    assert "a header of more than 1,048,576 bytes" in refused(file("t,p,y" * 400_000))
    assert len(refused(file(f"{'t' * 500_000},p,y\n1,2,3\n"))) < 300
    many = ",".join(f"column{i}" for i in range(5000))
    said = refused(file(f"{many}\n"))
    assert ", and 4,970 more)" in said
    assert len(said) < 600


def test_more_than_memory_is_refused_before_it_is_read(file, monkeypatch):
    monkeypatch.setattr(tables, "_free_memory", lambda: 100.0)
    assert refused(file(PLAIN)).startswith("m.csv: needs about 0.0 GB of memory and 0.0 GB are free; keep the columns")


def test_unknown_values_are_counted(file):
    found = read(file("t,p,y\n1,,2\n2,3,inf\n3,nan,-inf\n4,1e400,5\n5,null,7\n"), ASKED)
    np.testing.assert_array_equal(found.predictions[:, 0], [np.nan, 3, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(found.reality[:, 0], [2, np.nan, np.nan, 5, 7])
    assert found.notes == (
        "p: 1 of 5 values is infinite, the first in line 5; taken as unknown",
        "p: 3 of 5 values are unknown (empty or NaN); detectors skip them",
        "y: 2 of 5 values are infinite, the first in line 3; taken as unknown",
    )


def test_decisions_are_numbers(file):
    found = read(file("t,p,q,y\n1,True,true,1\n2,False,,0\n3,True,FALSE,1\n"), ASKED._replace(predictions=("p", "q")))
    np.testing.assert_array_equal(found.predictions, [[1, 1], [0, np.nan], [1, 0]])
    assert found.notes[:2] == tuple(f"{name}: true and false are read as 1 and 0" for name in "pq")


def test_a_line_that_was_cut_at_the_end_is_left_out(file):
    found = read(file("t,p,y\n1,2,3\n2,3,4\n3,4"), ASKED)
    assert found.predictions.tolist() == [[2], [3]]
    assert found.notes == ("line 4, the last, ends after 2 of 3 columns: left out",)


def test_sorting_is_stable_and_said(file):
    found = read(file("t,p,y\n1,1,1\n4,4,4\n2,2,2\n5,5,5\n3,3,3\n"), ASKED, sort=True)
    assert found.predictions[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert found.times.tolist() == [0, 1, 2, 3, 4]
    assert [found.stamp(i) for i in range(5)] == [1, 2, 3, 4, 5]
    assert found.notes == ("rows sorted by time: 2 stood after a later one",)
    told = refused(file("t,p,y\n3,1,1\n1,2,2\n3,1,1\n"), sort=True)
    assert told.startswith("m.csv:4: t: 3 stands twice (rows that repeat a time: 1);")


def test_averaging_takes_the_mean_of_what_is_known(file):
    found = read(file("t,p,y\n1,1,1\n2,2,\n2,4,\n2,,9\n3,,3\n3,,5\n"), ASKED, average=True)
    np.testing.assert_array_equal(found.predictions[:, 0], [1, 3, np.nan])
    np.testing.assert_array_equal(found.reality[:, 0], [1, 9, 4])
    assert [found.stamp(i) for i in range(3)] == [1, 2, 3]
    assert found.notes[-1] == "3 of 6 rows repeat a time: each instant has the mean of what is known of it"
    assert "only one instant" in refused(file("t,p,y\n1,1,1\n1,2,2\n"), average=True)


def test_times_are_kept_from_the_first_in_time(file):
    found = read(file("t,p,y\n9,1,1\n2,2,2\n2,4,4\n"), ASKED, sort=True, average=True)
    assert found.times.tolist() == [0, 7]
    assert [found.stamp(0), found.stamp(1)] == [2, 9]
    assert found.predictions[:, 0].tolist() == [3, 1]


def test_columns_by_wildcard_take_what_nobody_names(file):
    path = file("t,pred_b,pred_a,y,odd[1],f1,f2\n1,1,2,3,4,5,6\n2,1,2,3,4,5,6\n")
    found = read(path, Columns("t", ("pred_*",), ("y",), ("*",), ("odd[1]",)))
    assert found.columns == Columns("t", ("pred_b", "pred_a"), ("y",), ("f1", "f2"), ("odd[1]",))
    assert found.predictions[0].tolist() == [1, 2]
    assert found.features[0].tolist() == [5, 6]
    assert found.nudges[0].tolist() == [4]
    each = read(path, Columns("t", ("pred_a", "pred_b"), ("f2", "f1")))
    assert each.predictions[0].tolist() == [2, 1]
    assert each.reality[0].tolist() == [6, 5]


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (Columns("t", ("q*",), ("y",)), "m.csv:1: no column `q*` (--predictions);"),
        (Columns("t*", ("p",), ("y",)), "m.csv:1: no column `t*` (--time);"),
        (Columns("t", (), ("y",)), "--predictions: name at least one column"),
        (Columns("t", ("p",), ()), "--reality: name at least one column"),
        (Columns("t", ("p",), ("p",)), "column `p` is named twice: --predictions and --reality"),
        (Columns("t", ("p", "p"), ("y",)), "column `p` is named twice: --predictions and --predictions"),
        (Columns("t", ("t",), ("y",)), "column `t` is named twice: --time and --predictions"),
        (Columns("t", ("p",), ("y", "z")), "--reality: 2 columns for 1 predictions; name one for all of them, or one for each"),
        (Columns("t", ("p", "q", "z"), ("y",), (), ("n", "o")), "--nudges: 2 columns for 3 predictions;"),
    ],
)  # fmt: skip
def test_columns_that_cannot_be_meant(file, wanted, says):
    assert refused(
        file("t,p,q,y,z,n,o\n1,2,3,4,5,6,7\n") if len(wanted.predictions) > 1 else file("t,p,y,z\n1,2,3,4\n"), wanted
    ).startswith(says)


def test_gaps_are_steps_of_more_than_ten_usual_ones(file):
    times = [0, 1, 2, 3, 13, 14, 15, 25.5, 26, 27]
    found = read(file("t,p,y\n" + "".join(f"{t},1,2\n" for t in times)), ASKED)
    assert found.step == 1
    assert found.gaps.tolist() == [7]  # 10 steps are none, 10.5 are


def frame(**columns):
    n = len(next(iter(columns.values()), range(3)))
    return pd.DataFrame({"t": range(n), "p": np.arange(n) * 1.0, "y": range(n)} | columns)


@pytest.fixture
def parquet(tmp_path):
    def put(table, name="m.parquet", **how):
        path = tmp_path / name
        table.to_parquet(path, **how)
        return path

    return put


def test_parquet_is_read_as_it_was_written(parquet):
    days = pd.date_range("2024-03-30", periods=3, tz="Europe/Berlin")
    table = frame(
        t=days, p=pd.array([1, None, 3], dtype="Int64"), y=pd.Categorical(["1.5", "2.5", "1.5"]), other=["a", "b", "c"]
    ).set_index("t")
    found = read(parquet(table), ASKED)
    assert found.times.tolist() == [0, 86400, 86400 + 23 * 3600]  # a day of 23 hours: clocks went forward
    np.testing.assert_array_equal(found.predictions[:, 0], [1, np.nan, 3])
    assert found.reality[:, 0].tolist() == [1.5, 2.5, 1.5]
    assert found.notes == ("p: 1 of 3 values is unknown (empty or NaN); detectors skip them",)


@pytest.mark.parametrize(
    ("times", "last"),
    [
        (pd.date_range("2024-01-01", periods=3, freq="s"), "2024-01-01T00:00:02"),
        (pd.date_range("2024-01-01", periods=3, freq="s", tz="UTC"), "2024-01-01T00:00:02Z"),
        (["2024-01-01T00:00:00Z", "2024-01-01T00:00:01Z", "2024-01-01T00:00:02Z"], "2024-01-01T00:00:02Z"),
        ([7, 8, 9], 9),
        ([0.5, 1.5, 2.5], 2.5),
    ],
)
def test_parquet_holds_times_of_every_sort(parquet, times, last):
    found = read(parquet(frame(t=times), name="no_suffix"), ASKED)
    assert found.times.tolist() == [0, 1, 2]
    assert found.stamp(2) == last


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"p": ["1", "x", "3"]}, "m.parquet: row 2: p: `x` is not a number"),
        ({"p": [[1], [2], [3]]}, "m.parquet: row 1: p: `[1]` is not a number (nor are 2 more"),
        ({"p": pd.date_range("2024-01-01", periods=3)}, "m.parquet: row 1: p: holds times; expected numbers"),
        ({"t": [1, 3, 2]}, "m.parquet: row 3: t: time goes back, from 3 to 2;"),
        ({"t": [1.0, None, 2.0]}, "m.parquet: row 2: t: no time;"),
        ({"t": [[1], [2], [3]]}, "m.parquet: row 1: t: cannot read `[1]` as a time;"),
        ({"t": [True, False, True]}, "m.parquet: row 1: t: `True` is not a time;"),
    ],
)
def test_parquet_is_refused_by_row(parquet, columns, says):
    assert refused(parquet(frame(**columns))).startswith(says)


def test_parquet_that_is_empty_damaged_or_of_other_columns(parquet):
    assert refused(parquet(frame().iloc[:0])) == "m.parquet: columns and no rows"
    assert refused(parquet(frame().rename(columns={"p": "pp"}))).startswith(
        "m.parquet: no column `p` (--predictions); did you mean"
    )
    path = parquet(frame(), compression=None)
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: len(content) // 2])
    assert refused(path).startswith("m.parquet: a damaged Parquet file (")
    content[4:40] = bytes(36)
    path.write_bytes(content)
    assert refused(path).startswith("m.parquet: a damaged Parquet file (")


def test_without_pyarrow_parquet_is_refused_with_the_command(parquet, monkeypatch):
    path = parquet(frame())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert refused(path) == "m.parquet: reading Parquet needs pyarrow: pip install 'simlab[parquet]'"


def test_csv_and_parquet_give_the_same_arrays(parquet, tmp_path):
    rng = np.random.Generator(np.random.SFC64(1))
    table = frame(p=rng.normal(size=200), y=rng.normal(size=200), t=np.cumsum(rng.random(200)))
    table.to_csv(tmp_path / "m.csv", index=False)
    one, other = read(tmp_path / "m.csv", ASKED), read(parquet(table), ASKED)
    for name in ("times", "predictions", "reality"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.stamp(199) == other.stamp(199)


def test_every_line_is_found_again(file):
    """The place of a row, against a reader that counts line ends itself."""
    text = 't,p,y\n1,"2\n\n",3\n\n \n2,"a ""q"" b",4\n"3",5,6\n'
    table = tables.read(file(text), "t")
    assert isinstance(table, CsvTable)
    rows = pd.read_csv(io.StringIO(text))["t"].tolist()
    lines = text.split("\n")
    for row, value in enumerate(rows):
        line = int(table.place(row).rsplit(":", 1)[1])
        assert lines[line - 1].strip('"').startswith(str(value))


def test_lists_of_columns():
    assert split(" p1, p2 ,,p3") == ("p1", "p2", "p3")
    assert split("") == ()


WRECKS = (
    *(b",", b";", b"\n", b"\r", b'"', b"\0", b"\xff", b"\xe9", b"1e999", b"-", b"nan", b"inf", b"=", b"2024-01-01", b"T", b"Z"),
    *(b"+02:00", b" ", b"\t", b"True", b"9" * 40, b"\xef\xbb\xbf", b"|", b"'", b"0x1", b"\xe2\x80\xae", b"NaT", b"now", b"\x1a"),
)  # fmt: skip


@pytest.mark.parametrize(
    "whole", [b't,p,y\n1,2,3\n"2",3,4\n3,4,5\n', b"t;p;y\n2024-01-01T00:00Z;1;2\n2024-01-01T00:01Z;2;3\n", None]
)
def test_whatever_the_bytes_it_is_read_or_refused_in_a_line(tmp_path, parquet, whole):
    rng, path, told, read_ = np.random.Generator(np.random.SFC64(5)), tmp_path / "m", [], 0
    whole = parquet(frame(), name="whole").read_bytes() if whole is None else whole
    for _ in range(250):
        content = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            at, gone = rng.integers(len(content) + 1), rng.integers(3)
            content[at : at + gone] = WRECKS[rng.integers(len(WRECKS))] if rng.integers(2) else b""
        path.write_bytes(content)
        try:
            found = read(path, ASKED, sort=True, average=True)
        except InputError as error:
            told.append(str(error))
        else:
            read_ += 1
            assert (np.diff(found.times) > 0).all()
            assert not np.isinf(found.predictions).any()
    assert not [one for one in told if "\n" in one]
    assert read_ > 0
