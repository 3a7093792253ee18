"""Files that are written whole or not at all, with the same bytes every time, and hold no code."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import os
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from simlab.base.arrays import Array
from simlab.base.errors import StorageError

Hook = Callable[[str], None]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_TEMPORARY = ".simlab-", ".tmp"
_UNREADABLE = (
    ValueError,
    KeyError,
    EOFError,
    OSError,
    AttributeError,
    NotImplementedError,  # a flipped bit may ask for an unknown compression
    RuntimeError,  # or for a password
    MemoryError,
    zipfile.BadZipFile,
)


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn what the operating system says about `path` into a StorageError of one line."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            what = "no space left; free some and give the same command again: what was finished is kept"
        elif error.errno in _CLOSED:
            what = "cannot be written (read-only, or not yours); choose another directory with --out"
        elif error.errno == errno.ENOTDIR:
            what = "a part of this path is a file, not a directory"
        else:
            what = error.strerror or str(error)
        raise StorageError(f"{path}: {what}") from error


def unwatched(instant: str) -> None:
    """The hook of everyday use: nobody asks."""


def directory(path: str | Path) -> Path:
    """`path` as a Path. Raises StorageError for what no directory can be called."""
    if "\0" in str(path):
        raise StorageError(f"{str(path)!r}: a path cannot hold a NUL character")
    return Path(path)


def unmade(path: Path) -> list[Path]:
    """The directories that are not there yet on the way to `path`, itself first."""
    return [folder for folder in (path, *path.parents) if not folder.exists()]


def unmake(folders: Iterable[Path]) -> None:
    """Remove directories, innermost first, as far as nobody has put anything into them."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def place(folder: str | Path, *inside: str) -> Path:
    """Make a directory, with one `inside` if that is asked for, or find it there; returns it.

    Raises StorageError where something else is in its place, a symbolic link included: what is written is then where it is said to be.
    """
    path = directory(folder)
    for one in (path, *(path / name for name in inside)):
        with storage(one):
            if one.is_symlink():
                raise StorageError(f"{one}: a symbolic link; name the directory itself")
            if one.exists() and not one.is_dir():
                raise StorageError(f"{one}: a file, and a directory is wanted here")
            one.mkdir(parents=True, exist_ok=True)
    return path.joinpath(*inside)


def write(path: Path, fill: Callable[[IO[bytes]], object], at: Hook = unwatched, label: str | None = None) -> str:
    """Write a file through `fill`, replace `path` with it in one instant, and return its sha256.

    `at` is told, under the file's `label`, of every instant at which a crash would leave something else on the disk.
    Raises StorageError; a temporary file that a crash leaves behind is swept by `sweep`.
    """
    label = label or path.name
    temporary = path.with_name(path.name.join(_TEMPORARY))
    try:
        with storage(path):
            temporary.unlink(missing_ok=True)
            with temporary.open("xb") as file:  # never through a link that somebody put there
                at(f"{label}: opened")
                fill(file)
                file.flush()
                os.fsync(file.fileno())
            checksum = digest(temporary)
            at(f"{label}: before replace")
            temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    at(f"{label}: written")
    return checksum


def sweep(folder: Path) -> None:
    """Remove the temporary files that a crash left in `folder`."""
    for path in folder.glob("*".join(_TEMPORARY)):
        path.unlink(missing_ok=True)


def is_temporary(name: str) -> bool:
    """Whether a file of this name is one that `write` had not finished."""
    return name.startswith(_TEMPORARY[0]) and name.endswith(_TEMPORARY[1])


def digest(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pack(arrays: Iterable[tuple[str, Array]]) -> Callable[[IO[bytes]], None]:
    """A filler that writes `arrays` as an uncompressed NPZ without dates, so that equal arrays give equal bytes."""

    def fill(file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays:
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)

    return fill


def packed(arrays: Iterable[tuple[str, Array]]) -> bytes:
    """The bytes that `pack` writes."""
    file = io.BytesIO()
    pack(arrays)(file)
    return file.getvalue()


def unpack(source: Path | bytes, name: object) -> dict[str, Array]:
    """The arrays of an NPZ as `pack` writes it. Raises StorageError for anything else, a pickle inside included (it is not run).

    An array that claims to be larger than what the file holds of it is refused before any memory is taken.
    """
    file: IO[bytes] | Path = io.BytesIO(source) if isinstance(source, bytes) else source
    room = len(source) if isinstance(source, bytes) else source.stat().st_size
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > room:
                raise ValueError("it claims to hold more than it does")
            return {member.filename.removesuffix(".npy"): _array(archive, member) for member in members}
    except _UNREADABLE as error:
        raise StorageError(f"{name}: not arrays that simlab wrote ({error})") from error


def readable(path: Path) -> tuple[dict[str, Array], list[str]]:
    """What can still be read of a damaged NPZ: the arrays whose own checksum is right, and the names of the others.

    Raises StorageError when its directory is damaged, so that nobody can say which arrays it had.
    """
    arrays: dict[str, Array] = {}
    lost: list[str] = []
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            with path.open("rb") as file:
                file.seek(
                    -22, os.SEEK_END
                )  # the last record; what it counts, zipfile does not hold against what it found
                told = int.from_bytes(file.read()[10:12], "little")
            if told not in (len(names), 0xFFFF) or len(set(names)) < len(names):
                raise StorageError(f"{path}: not arrays that simlab wrote (its directory is damaged)")
            for name in names:
                key = name.removesuffix(".npy")
                try:  # whole members: their checksum is looked at when the last byte is read
                    arrays[key] = np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)
                except _UNREADABLE:
                    lost.append(key)
    except _UNREADABLE as error:
        raise StorageError(f"{path}: not arrays that simlab wrote ({error})") from error
    return arrays, lost


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    """One array of an NPZ, whose header must ask for exactly the bytes that follow it. Raises ValueError."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(file)
        if kind.hasobject:
            raise ValueError(f"{member.filename} holds Python objects, which are never loaded")
        asked, held = math.prod(shape) * kind.itemsize, member.file_size - file.tell()
        if asked != held:
            raise ValueError(f"{member.filename} claims {asked:,} bytes of numbers and holds {held:,}")
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def plain(value: Any, odd: Callable[[float], object] = str) -> Any:
    """`value` as JSON holds it: dicts, lists, strings, finite numbers; `odd` says what stands for nan and inf."""
    if isinstance(value, Mapping):
        return {str(key): plain(item, odd) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist(), odd)
    if isinstance(value, list | tuple):
        return [plain(item, odd) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return odd(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def dumps(document: Any, *, short: bool = False) -> str:
    """`document` as strict JSON in ASCII, keys in their own order: the order of arms means something."""
    if short:
        return json.dumps(document, allow_nan=False, separators=(",", ":"))
    return json.dumps(document, allow_nan=False, indent=1) + "\n"


def now() -> str:
    """This second of UTC, as in ISO 8601: 2030-01-02T03:04:05Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def text(content: str) -> Callable[[IO[bytes]], None]:
    """A filler that writes `content` in UTF-8."""

    def fill(file: IO[bytes]) -> None:
        file.write(content.encode())

    return fill


def seal(document: Mapping[str, Any]) -> str:
    """`document` as JSON that carries its own checksum, so that `unseal` finds any flipped byte."""
    body = plain(document)
    check = hashlib.sha256(dumps(body).encode()).hexdigest()
    return dumps({**body, "check": check})


def unseal(path: Path) -> dict[str, Any]:
    """The document that `seal` wrote. Raises StorageError when simlab did not write it, or a byte has changed."""
    with storage(path):
        content = path.read_bytes()
    try:
        document = json.loads(content)
        body = {key: item for key, item in document.items() if key != "check"}
        whole = seal(body).encode() == content
    except (ValueError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise StorageError(f"{path}: damaged, or not written by simlab")
    return body


def was(path: Path, sealed: str) -> bool:
    """Whether a file that is damaged now once held this sealed document: its checksum is still there, or all the rest is."""
    body, key, check = sealed.rpartition('"check"')
    with storage(path):
        content = path.read_bytes()
    return (key + check.rstrip("}\n")).encode() in content or content.startswith(body.encode())


def recognised(path: Path) -> dict[str, Any]:
    """The sealed document that says whose a directory is. Raises StorageError, with the way out, where it cannot be read."""
    try:
        return unseal(path)
    except StorageError as error:
        raise StorageError(f"{error}; move its folder away, and the command that made it begins anew") from None
