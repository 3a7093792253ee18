"""A table that somebody else wrote, CSV or Parquet, as columns; every row keeps its place for messages.

The contents decide what a file is, not its name. Nothing in it is executed: a formula is text.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
import unicodedata
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from simlab.base.errors import InputError, nearest

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
LONGEST_HEADER = 1 << 20  # bytes in which the header must end
LISTED = 30  # the most column names that a message lists
_SWELLING = 4  # bytes of memory for a byte of CSV, text and numbers together, at the peak
_PACKED = {b"PK\x03\x04": "a spreadsheet or a zip archive; export it as CSV in UTF-8"}
_PACKED |= dict.fromkeys((b"\x1f\x8b", b"BZh", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ"), "compressed; unpack it first")
_PACKED |= dict.fromkeys((b"\xff\xfe", b"\xfe\xff"), "in UTF-16; save it as UTF-8")
_PARQUET = b"PAR1"


class Table(ABC):
    """The columns of a file, by position; names may repeat, so that who asks for one can be told."""

    name: str
    columns: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    @abstractmethod
    def header(self) -> str:
        """Where the names of the columns stand."""

    @abstractmethod
    def place(self, row: int) -> str:
        """Where a row stands, counted from 0."""

    @abstractmethod
    def load(self, wanted: Sequence[int]) -> tuple[list[pd.Series[Any]], tuple[str, ...]]:
        """The columns at these positions, and what was done to have them. Raises InputError naming the place of what is wrong."""


def read(path: str | Path, key: str) -> Table:
    """The table in a file, its columns not yet loaded; `key` is a column of it, which tells what separates the columns.

    Raises InputError, naming the file, where there is no table.
    """
    name = visible(str(path), 200)
    if "\0" in str(path):
        raise InputError(f"{name}: a path cannot hold a NUL character")
    path = Path(path)
    with _named(path):
        if path.is_dir():
            raise InputError(f"{name}: a directory; name the file in it")
        if path.exists() and not path.is_file():
            raise InputError(f"{name}: not a regular file; write its contents to one first")
        with path.open("rb") as file:
            start = file.read(8)
        if start.startswith(_PARQUET):
            return _parquet(path, name)
        if path.suffix.lower() in (".parquet", ".pq") and start:
            raise InputError(f"{name}: not a Parquet file; it does not begin with `PAR1`")
        for magic, what in _PACKED.items():
            if start.startswith(magic):
                raise InputError(f"{name}: {what}")
        _ask_memory(name, _SWELLING * path.stat().st_size)
        return _csv(path.read_bytes(), name, key)


def visible(text: str, most: int = 60) -> str:
    """`text` for a terminal: cut, and with control, zero-width and direction characters made visible."""
    cut = text if len(text) <= most else f"{text[: most - 3]}..."
    return "".join(c if unicodedata.category(c)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for c in cut)


def missing(table: Table, column: str, role: str) -> InputError:
    """The error for a column that is not there, with the nearest one that is."""
    names = [visible(one) for one in dict.fromkeys(table.columns)]
    guess = nearest(visible(column), names)
    hint = f"did you mean `{guess}`? " if guess else ""
    more = "" if len(names) <= LISTED else f", and {len(names) - LISTED:,} more"
    return InputError(
        f"{table.header}: no column `{visible(column)}` ({role}); {hint}(columns: {', '.join(names[:LISTED])}{more})"
    )


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn what the operating system says about `path` into an InputError of one line."""
    name = visible(str(path), 200)
    try:
        yield
    except FileNotFoundError:
        folder = path.parent
        there = [one.name for one in folder.iterdir()] if folder.is_dir() and os.access(folder, os.R_OK) else []
        guess = nearest(path.name, there)
        hint = f"; did you mean `{visible(str(folder / guess), 200)}`?" if guess else ""
        raise InputError(f"{name}: no such file{hint}") from None
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}") from error


def _ask_memory(name: str, need: int) -> None:
    """Raise InputError where `need` bytes are over 80% of what is free; where nobody can say, go on."""
    free = _free_memory()
    if need > 0.8 * free:
        raise InputError(
            f"{name}: needs about {need / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free; "
            "keep the columns that are named, or split the file by time"
        )


def _free_memory() -> float:
    """Bytes that can be had without swapping; infinite where nobody says."""
    try:
        said = Path("/proc/meminfo").read_text("ascii")
    except OSError:
        return math.inf
    found = re.search(r"^MemAvailable:\s+(\d+) kB", said, re.MULTILINE)
    return 1024.0 * int(found[1]) if found else math.inf


def _csv(data: bytes, name: str, key: str) -> CsvTable:
    blank = b"\xef\xbb\xbf \r\n\t"
    if not data[:LONGEST_HEADER].strip(blank) and not data.strip(blank):
        raise InputError(f"{name}: empty; expected a header and rows")
    if b"\0" in data:
        raise InputError(f"{name}:{_line(data, data.index(0))}: a NUL character; is this a text file?")
    head = data[:LONGEST_HEADER]
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3 or len(head) == len(data):  # else the cut went through a character
            raise _not_utf8(name, data, error.start) from None
        text = head[: error.start].decode("utf-8-sig")
    header = text.lstrip(" \r\n")
    line = 1 + text[: len(text) - len(header)].count("\n")
    if len(data) > len(head) and not {"\n", "\r"} & set(header):
        raise InputError(f"{name}:{line}: a header of more than {LONGEST_HEADER:,} bytes; is this a CSV file?")
    tried = {separator: _fields(header, separator) for separator in SEPARATORS}
    separator = next((one for one, fields in tried.items() if key in fields), None)
    separator = separator or next((one for one, fields in tried.items() if len(fields) > 1), ",")
    said = f"columns are separated by {SEPARATORS[separator]}s, not by commas; read so"
    return CsvTable(name, tuple(tried[separator]), () if separator == "," else (said,), data, separator, line)


def _fields(text: str, separator: str) -> list[str]:
    with _any_length(len(text)):
        first = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True), [])
    return [column.strip() for column in first]


@contextmanager
def _any_length(most: int) -> Iterator[None]:
    """The csv module with room for a field of `most` characters."""
    before = csv.field_size_limit(most + 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _line(data: bytes, position: int) -> int:
    """The line, from 1, in which a byte stands."""
    return data.count(b"\n", 0, position) + 1


def _not_utf8(name: str, data: bytes, position: int) -> InputError:
    place = f"{name}:{_line(data, position)}"
    return InputError(f"{place}: not UTF-8 (the byte 0x{data[position]:02x}); save the file as UTF-8")


@final
@dataclass(frozen=True, eq=False)
class CsvTable(Table):
    """A CSV file in memory. Blank lines are no rows; a cell is unknown where it is empty, `NaN`, `NA`, `null` and their kin."""

    name: str
    columns: tuple[str, ...]
    notes: tuple[str, ...]
    data: bytes = field(repr=False)
    separator: str
    top: int  # the line of the header

    @property
    def header(self) -> str:
        """The file and the line of the header."""
        return f"{self.name}:{self.top}"

    def place(self, row: int) -> str:
        """The file and the line on which a row begins."""
        line = next((line for i, (line, _) in enumerate(self._widths()) if i == row + 1), 0)
        return f"{self.name}:{line}"

    def load(self, wanted: Sequence[int]) -> tuple[list[pd.Series[Any]], tuple[str, ...]]:
        """All columns are read, so that a row with a cell too many is seen; a last line that was cut is left out."""
        import pandas as pd

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)
                frame = pd.read_csv(
                    io.BytesIO(self.data), sep=self.separator, names=range(len(self.columns)), header=0,
                    index_col=False, skipinitialspace=True, low_memory=False,
                )  # fmt: skip
        except UnicodeDecodeError:
            raise self._undecodable() from None
        except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
            raise self._malformed(error) from None
        if not len(frame):
            raise InputError(f"{self.name}: a header and no rows")
        rows, notes = len(frame), tuple[str, ...]()
        if frame[len(self.columns) - 1].isna().any():
            rows, notes = self._whole_rows(len(frame))
        return [frame[i].iloc[:rows] for i in wanted], notes

    def _whole_rows(self, rows: int) -> tuple[int, tuple[str, ...]]:
        """How many rows to keep: all, or all but a last one that ends early. Raises InputError where another one does."""
        for i, (line, width) in enumerate(self._widths()):
            if width >= len(self.columns):
                continue
            if i < rows or rows < 2:
                raise InputError(f"{self.name}:{line}: ends after {width} of {len(self.columns)} columns")
            return rows - 1, (f"line {line}, the last, ends after {width} of {len(self.columns)} columns: left out",)
        return rows, ()

    def _widths(self) -> Iterator[tuple[int, int]]:
        """The line and the number of cells of every record, the header first."""
        if b'"' not in self.data:
            separator = self.separator.encode()
            for line, row in enumerate(self.data.splitlines(), 1):
                if row.strip(b" " if self.separator == "\t" else b" \t"):
                    yield line, row.count(separator) + 1
            return
        text = self._text()
        with _any_length(len(text)):
            records = csv.reader(io.StringIO(text, newline=""), delimiter=self.separator, skipinitialspace=True)
            line = 1
            for record in records:
                if len(record) > 1 or any(cell.strip() for cell in record):
                    yield line, len(record)
                line = records.line_num + 1

    def _text(self) -> str:
        try:
            return self.data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise self._undecodable() from None

    def _undecodable(self) -> InputError:
        try:
            self.data.decode()
        except UnicodeDecodeError as error:
            return _not_utf8(self.name, self.data, error.start)
        return InputError(f"{self.name}: not UTF-8")

    def _malformed(self, error: Exception) -> InputError:
        """What the parser stumbled over, by its line: a row with too many cells, or a quote that is not closed."""
        line, most = self.top, len(self.columns)
        for line, width in self._widths():
            if width > most:
                said = f"{width} cells in a table of {most} columns; quote a cell that holds a {SEPARATORS[self.separator]}"
                return InputError(f"{self.name}:{line}: {said}, and write 1.5 for a decimal 1,5")
        if "EOF inside string" in str(error):
            return InputError(f'{self.name}:{line}: a quote (") that is never closed')
        return InputError(f"{self.name}: cannot be read as CSV ({visible(str(error).strip(), 200)})")


def _parquet(path: Path, name: str) -> ParquetTable:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_schema
    except ImportError:
        raise InputError(f"{name}: reading Parquet needs pyarrow: pip install 'simlab[parquet]'") from None
    try:
        return ParquetTable(name, tuple(read_schema(path).names), (), path)
    except (ArrowException, OSError, ValueError) as error:
        raise InputError(f"{name}: a damaged Parquet file ({visible(str(error), 200)})") from None


@final
@dataclass(frozen=True, eq=False)
class ParquetTable(Table):
    """A Parquet file; only the columns asked for are read. Rows are counted from 1 in messages."""

    name: str
    columns: tuple[str, ...]
    notes: tuple[str, ...]
    path: Path

    @property
    def header(self) -> str:
        """The file."""
        return self.name

    def place(self, row: int) -> str:
        """The file and the number of a row."""
        return f"{self.name}: row {row + 1:,}"

    def load(self, wanted: Sequence[int]) -> tuple[list[pd.Series[Any]], tuple[str, ...]]:
        """The columns as they were written, whatever index they once had."""
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile

        try:
            with ParquetFile(self.path) as file:
                _ask_memory(self.name, 8 * 3 * len(wanted) * file.metadata.num_rows)
                table = file.read(columns=list(dict.fromkeys(self.columns[i] for i in wanted)))
                frame = table.replace_schema_metadata(None).to_pandas()
        except (ArrowException, OSError, ValueError) as error:
            raise InputError(f"{self.name}: a damaged Parquet file ({visible(str(error), 200)})") from None
        if not len(frame):
            raise InputError(f"{self.name}: columns and no rows")
        return [frame[self.columns[i]] for i in wanted], ()
