"""The command that begins a world of one's own."""

from __future__ import annotations

import keyword
import os
import re
import sys
from importlib import util
from pathlib import Path

import click

from simlab.base.errors import InputError, StorageError

FILES = {
    "{name}.py": "world",
    "{name}.yaml": "scenario",
    "test_{name}.py": "test",
    "pytest.ini": "pytest",
    "README.md": "readme",
}
MOST = 40  # letters in a name


@click.command(short_help="Begin a world of your own, with a scenario and a test.")
@click.argument("name")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Where the folder NAME is made; by default here.",
)
def new(name: str, folder: Path) -> None:
    """Begin a world of your own: a folder NAME with a world, its scenario, and tests that pass.

    NAME is in small letters, e.g. `corner_shops`. Nothing that is there is overwritten, and all files are written or none.
    """
    place = create(name, folder)
    click.echo(f"{place}: {', '.join(one.format(name=name) for one in FILES)}")
    click.echo(f"next: cd {place} && simlab run {name}.yaml --plugin {name}.py")


def create(name: str, folder: Path) -> Path:
    """Write the files of a new world into `folder/name`, and return that.

    Raises InputError for a name that cannot be used or a folder that is there, StorageError where nothing can be written.
    """
    import shutil
    import tempfile
    from importlib import resources
    from string import Template

    _check(name)
    place = folder / name
    if os.path.lexists(place):
        raise InputError(f"{place} is there already, and nothing in it was touched; choose another name, or --dir DIR")
    words = {"name": name, "klass": _klass(name), "title": name.replace("_", " ").capitalize()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder))
        try:
            for file, template in FILES.items():
                text = resources.files("simlab._door").joinpath("template", f"{template}.txt").read_text("utf-8")
                (made / file.format(name=name)).write_text(Template(text).substitute(words), "utf-8", newline="\n")
            made.chmod(0o755)
            made.rename(place)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    except OSError as error:
        raise StorageError(f"{place}: {error.strerror or error}; nothing was written") from None
    return place


def _check(name: str) -> None:
    """Raise InputError, with the nearest call that works, for a name that no world can have."""
    from simlab.scenario.load import shipped
    from simlab.scenario.registry import HOUSE, snake
    from simlab.scenario.walker import RESERVED

    near = (
        re.sub(r"\W+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name), flags=re.ASCII).lower().strip("_0123456789")
    )
    near = snake(_klass(near))[:MOST].strip("_") if near else ""
    if not name or near != name or keyword.iskeyword(name) or name in RESERVED:
        near = f"my_{near}" if keyword.iskeyword(near) or near in RESERVED else near or "my_world"
        raise InputError(
            f"`{name[:80]}` is not a name: small letters, digits and _, at most {MOST}; write e.g. `simlab new {near}`"
        )
    known = {f"{shelf.kind}s": shelf.find(name) for shelf in HOUSE} | {"scenarios": shipped().get(name)}
    taken = next((kind for kind, found in known.items() if found is not None), None)
    if taken is not None:
        raise InputError(f"`{name}` is one of simlab's {taken}; write e.g. `simlab new my_{name}`")
    if name in sys.stdlib_module_names or name == "simlab" or getattr(util.find_spec(name), "origin", None) is not None:
        raise InputError(
            f"`{name}` is a Python module already, which would hide yours; write e.g. `simlab new my_{name}`"
        )


def _klass(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
