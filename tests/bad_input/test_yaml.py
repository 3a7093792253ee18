"""What YAML can do to a reader, and what is wrong with values: refused with place, path, what was expected and the remedy."""

from __future__ import annotations

import pytest

from simlab.scenario.reader import MOST_BYTES
from tests.bad_input.cases import VALUES, YAML
from tests.bad_input.door import GOOD, knock, refused


@pytest.mark.parametrize(("text", "place", "says"), [*YAML, *VALUES])
def test_it_is_told_where_and_what(tmp_path, text, place, says):
    (tmp_path / "f.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    said = refused(tmp_path, "run", "f.yaml")
    assert f"f.yaml:{place}: " in said
    for part in says.split("|"):
        assert part in said
    assert said.endswith("; nothing was run\n")


def test_a_file_over_64_kb_is_refused_by_its_size(tmp_path):
    (tmp_path / "f.yaml").write_bytes(b"a" * (MOST_BYTES + 1))
    assert "f.yaml: 65,537 bytes; a scenario has at most 65,536 (64 kB)" in refused(tmp_path, "run", "f.yaml")


@pytest.mark.parametrize(
    "text", ["x: 1\n" * 12_000, "a: [" + "1, " * 20_000 + "]", "a" * 60_000 + ": 1", "- " * 90 + "x"]
)
def test_much_of_it_is_judged_as_quickly(tmp_path, text):
    (tmp_path / "f.yaml").write_text(text)
    refused(tmp_path, "run", "f.yaml")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("schema", "\ufeffschema"),
        ("\n", "\r\n"),
        ("title: A small run", "title: no"),
        ("seed: 7", "seed: 0x7"),
        ("title: A small run", "title: on"),
        ("title: A small run", "title: 12:30:45"),
        ("above: 0.03", "above: 3e-2"),
        ("title: A small run", "title: <script>alert(1)</script>"),
        ("title: A small run", r"title: '$\frac{$'"),
        ("title: A small run", "title: \"=cmd|' /C calc'!A0\""),
        ("title: A small run", "title: \u732b"),
        ("replications: 2", "replications: 1"),
    ],
)
def test_what_is_no_mistake(tmp_path, old, new):
    (tmp_path / "f.yaml").write_bytes((GOOD.replace(old, new) if old else GOOD).encode())
    answer = knock(tmp_path, "validate", "f.yaml")
    assert (answer.code, answer.out) == (0, "f: valid; 2 arms, 2 controls, 0 claims\n"), answer.err


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("a.b=__import__('os').system('touch x')", "a: unknown key"),
        (
            "world.flash_crash.traders=__import__('os')",
            "traders: expected a whole number, not the text \"__import__('os')\"",
        ),
        ("world=os.system", 'world: expected a mapping, not the text "os.system"'),
        ("world.os.system={}", "unknown world `os`"),
        ("world.__class__.x=1", "unknown world `__class__`"),
        ("run.sead=4", "run.sead: unknown key|did you mean `seed`?"),
        ("run.seed", "expected path=value|write e.g. `--set run.seed=7`"),
        ("=3", "expected path=value"),
        ("run.seed=", "run.seed: a value is missing"),
        ("run..seed=3", "write names with single dots"),
        (".=.", "cannot read the path"),
        ("run.seed=.nan", "run.seed: `.nan` is not a finite number"),
        ("run={", "run: not YAML"),
        ("run.seed=!!int 3", "run.seed: tag"),
        ("run.seed=&a 3", "run.seed: anchor `&a`"),
        ("run.seed=*a", "run.seed: alias `*a`"),
        ("run.seed=7\n---\n8", "a second document begins here"),
        ("title=x\u202ey", "title: U+202E"),
        ("title=\x1b[31mred", "title: U+001B"),
        ("run.seed=" + "9" * 5000, "run.seed: a number of 5,000 digits"),
        ("title=" + "x" * 70_000, "title: a value of 70,000 characters"),
        ("x" * 70_000 + "=1", "unknown key"),
        ("x" * 70_000, "expected path=value"),
        ("run.seed.x=1", "`run.seed` is 7 and has nothing inside"),
        ("arms.isolated.topology=" + "[" * 200, "nested more than 100 deep"),
    ],
)
def test_an_override_is_data_and_is_told_with_its_option(tmp_path, argument, says):
    (tmp_path / "f.yaml").write_text(GOOD)
    said = refused(tmp_path, "run", "f.yaml", "--set", argument)
    assert said.startswith("--set ")
    for part in says.split("|"):
        assert part in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--seed", "-1"], "--seed -1: run.seed: must be at least 0, not -1"),
        (["--seed", str(2**200)], f"must be at most {2**64 - 1}"),
        (["--seed", "abc"], "'abc' is not a valid integer"),
        (["--replications", "0"], "run.replications: must be at least 1, not 0"),
        (["--replications", "1.5"], "'1.5' is not a valid integer"),
        (["--jobs", "0"], "--jobs"),
        (["--sed", "3"], "--seed"),
        (["--until", "harm<=nan"], "run.until"),
        (["--until", "harm<=-1"], "run.until"),
        (["--until", "drawdwn<=1"], "did you mean `drawdown`?"),
        (["--until", "__import__('os')"], "run.until"),
        (["--until", ""], "run.until: a value is missing"),
    ],
)
def test_other_options_are_held_to_the_same(tmp_path, arguments, says):
    (tmp_path / "f.yaml").write_text(GOOD)
    assert says in refused(tmp_path, "run", "f.yaml", *arguments)


@pytest.mark.parametrize(
    ("axis", "says"),
    [
        ("world.flash_crash.tradrs=1,2", "did you mean `traders`?"),
        ("world.flash_crash.alike=0,nan", "nan"),
        ("run.seed=1,2", "cannot vary"),
        ("world.flash_crash.alike=0:1:0", "0:1:0"),
        ("world.flash_crash.alike=0:1:10000000", "10,000"),
        ("world.flash_crash.alike=log:0:1:3", "log"),
        ("world.flash_crash.alike=0,1.2", "must be at most 1, not 1.2"),
        ("world.flash_crash.alike", "="),
        ("world.flash_crash.alike=__import__('os')", "__import__('os')"),
        ("world.os.system=1,2", "unknown world"),
        ("=1,2", "="),
        ("world.flash_crash.alike=0:inf:3", "inf"),
    ],
)
def test_an_axis_is_held_to_the_same(tmp_path, axis, says):
    (tmp_path / "f.yaml").write_text(GOOD)
    assert says in refused(tmp_path, "sweep", "f.yaml", axis)
