"""Run directories that simlab did not write, though their checksums are right: whoever can write one can seal it too."""

from __future__ import annotations

import copy
import io
import json
import pickle
import shutil
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import simlab
from simlab.base.errors import SimlabError, StorageError
from simlab.results import disk
from simlab.results.record import Record
from simlab.views import index
from tests.bad_input.door import knock


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "results" / "run"))


def sealed(run, change=None):
    """The directory with its manifest changed, and every checksum made right."""
    manifest = disk.unseal(run / "manifest.json")
    manifest["files"] = {name: disk.digest(run / name) for name in manifest["files"]}
    if change is not None:
        change(manifest)
    (run / "manifest.json").write_text(disk.seal(manifest))


def refused(run):
    """What every way into a run says of it: one line, exit code 4 or 2, and the index shows it as a row."""
    with pytest.raises(SimlabError) as caught:
        simlab.open(run)
    assert caught.value.exit_code in (2, 4)
    (entry,) = index.entries(run.parent)
    assert isinstance(entry.verdict, str)
    return str(caught.value)


@pytest.mark.parametrize(
    "path", ["../../secret", "/etc/passwd", "parts/../../secret", "measures.npz/../../x", "other.npz"]
)
def test_a_manifest_names_no_file_but_its_own(run, path):
    (run.parent / "secret").write_text("s3cret")
    sealed(run, lambda manifest: manifest["files"].update({path: disk.digest(run.parent / "secret")}))
    said = refused(run)
    assert "is missing" in said
    assert "s3cret" not in said


def test_what_a_link_points_at_is_not_shown(run):
    (run.parent / "secret").write_text('{"password": "s3cret"}')
    (run / "manifest.json").unlink()
    (run / "manifest.json").symlink_to("../secret")
    said = refused_alone(run)
    assert said.startswith(f"{run}/manifest.json: damaged, or not written by simlab; ")
    assert "s3cret" not in said


def refused_alone(run):
    with pytest.raises(StorageError) as caught:
        simlab.open(run)
    return str(caught.value)


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_pickle_is_not_loaded(run, tmp_path):
    stuff = np.array([Bomb(tmp_path / "boom")], dtype=object)
    for content in (pickle.dumps(Bomb(tmp_path / "boom")), npz({"isolated/drawdown": npy(stuff)})):
        (run / "measures.npz").write_bytes(content)
        sealed(run)
        assert "measures.npz: not arrays that simlab wrote" in refused(run)
    assert not (tmp_path / "boom").exists()


def npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=True)
    return file.getvalue()


def npz(members, kind=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def claiming(shape, kind="<f8"):
    """An array's header for so many numbers, and eight of them."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(64)


@pytest.mark.parametrize(
    "content",
    [
        npz({"x": claiming((10**12,))}),
        npz({"x": claiming((2**31, 2**31))}),
        npz({"x": claiming((0, 10**18))}),
        npz({"x": claiming((-8,))}),
        npz({"x": claiming((8,), "|O")}),
        npz({"x": claiming((8,), "<U1000000")}),
        npz({"x": b"\x93NUMPY\x01\x00"}),
        npz({"x": b"no"}),
        npz({"x": npy(np.zeros(2_000_000))}, zipfile.ZIP_DEFLATED),
        b"PK\x03\x04",
        b"",
        npz({"x": claiming((8,))})[:-30],
    ],
)
def test_an_array_that_claims_more_than_it_holds_takes_no_memory(content):
    tracemalloc.start()
    try:
        with pytest.raises(StorageError, match=r"m\.npz: not arrays that simlab wrote"):
            disk.unpack(content, "m.npz")
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_arrays_that_do_not_go_together_are_refused(run):
    for key, array in (
        ("isolated/drawdown", np.zeros(3)),
        ("isolated/drawdown", np.array(["a", "b"])),
        ("isolated/@diverged", np.zeros((2, 2))),
        ("isolated/@alike", np.zeros((5, 1, 1), np.float32)),
    ):
        arrays = disk.unpack(run / "measures.npz", "") | {key: array}
        disk.write(run / "measures.npz", disk.pack(arrays.items()))
        sealed(run)
        assert "not a run that simlab wrote" in refused(run)


ODD = (None, True, -1, "x", [], {}, [[1]], "../../x", 1e300)


FIRST = 24  # of the keys of a mapping


def places(document, at=()):
    """Every place in a JSON document, of long lists and mappings only the first."""
    if at:
        yield at
    keys = (
        list(document)[:FIRST]
        if isinstance(document, dict)
        else range(min(len(document), 1) if isinstance(document, list) else 0)
    )
    for key in keys:
        yield from places(document[key], (*at, key))


def spoiled(document, place, odd):
    document = copy.deepcopy(document)
    inside = document
    for key in place[:-1]:
        inside = inside[key]
    if odd is ...:
        del inside[place[-1]]
    else:
        inside[place[-1]] = odd
    return document


@pytest.mark.parametrize("file", ["manifest.json", "failed.json"])
def test_whatever_its_documents_say_it_is_a_run_or_refused(run, file):
    """Every place of the manifest is replaced by something else in turn, and left out."""
    good = disk.unseal(run / "manifest.json")
    document = good if file == "manifest.json" else {"isolated": {"0": "Traceback"}}
    here = [place for place in places(document) if place[0] not in ("versions", "machine", "document", "files")]
    here = [
        place
        for place in here
        if place[0] != "measures" or len(place) == 1 or place[1] in list(document["measures"])[:2]
    ]
    told = 0
    for i, place in enumerate(here):
        for odd in (ODD[i % len(ODD)], ...):
            if file == "manifest.json":
                (run / file).write_text(disk.seal(spoiled(good, place, odd)))
            else:
                (run / file).write_text(json.dumps(spoiled(document, place, odd)))
                sealed(run)
            try:
                Record.open(run)
            except SimlabError:
                told += 1
    assert told


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("events.jsonl", "[]\n"),
        ("events.jsonl", '{"cell": "nobody"}\n'),
        ("events.jsonl", "{" * 5000 + "\n"),
        ("failed.json", "[" * 100_000),
        ("summary.json", "[]"),
        ("summary.json", "NaN"),
        ("events.jsonl", '{"cell": "isolated", "time": "soon"}\n'),
        ("failed.json", '{"isolated": {"x": 1}}'),
    ],
)
def test_lines_that_simlab_never_writes(run, file, content):
    (run / file).write_text(content)
    sealed(run)
    assert "not a run that simlab wrote" in refused(run)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("world",), {"os.system": {}}, "unknown world"),
        (("title",), "a\u202eb", "U+202E"),
        (("title",), "x" * 300, "at most 200"),
        ((), [], "no scenario"),
        (("world", "flash_crash", "traders"), 10**90, "models; expected"),
        (("plugins",), {"os": "os.system"}, "plugins"),
    ],
)
def test_its_scenario_is_held_to_what_a_file_is_held_to(run, path, value, says):
    def change(manifest):
        inside = manifest
        for key in ("document", *path)[:-1]:
            inside = inside[key]
        inside[("document", *path)[-1]] = value

    sealed(run, change)
    assert says in refused(run)


def test_a_summary_by_somebody_else_is_a_row_of_the_index_and_no_end_of_it(run):
    (run / "summary.json").write_text('{"arms": 3}')
    sealed(run)
    (entry,) = index.entries(run.parent)
    assert entry.verdict == "Cannot be read: not a run that simlab wrote."
    assert knock(run.parent.parent, "index").code == 0


def test_its_words_are_shown_as_words(run):
    sealed(
        run,
        lambda manifest: manifest["document"].update(
            title="<script>alert(1)</script>", story="<img src=x onerror=alert(1)>"
        ),
    )
    simlab.open(run)
    page = index.write(run.parent).read_text("utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
