"""Scenarios by path and by name, and the schema for editors."""

import json
import math
import re
from pathlib import Path

import pytest

from simlab.brains.brain import Brain
from simlab.interventions.kill_switch import KillSwitch
from simlab.scenario.load import load, shipped
from simlab.scenario.problems import ScenarioError
from simlab.scenario.reader import plain, read
from simlab.scenario.registry import HOUSE, Shelf
from simlab.scenario.schema import schema
from tests.scenario.toys import GOOD, TOYS, Echo

SCENARIOS = Path(__file__).parents[2] / "scenarios"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "toy.yaml").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_path_is_loaded(folder):
    (folder / "link.yaml").symlink_to("toy.yaml")
    assert load("toy.yaml", registry=TOYS).name == "toy"
    assert load(folder / "toy.yaml", registry=TOYS).title == "A toy market"
    assert load("link.yaml", registry=TOYS).name == "link"


def test_replications_seed_and_overrides_enter_the_resolved_document(folder):
    scenario = load("toy.yaml", {"run.horizon": "1 h"}, replications=9, seed=11, registry=TOYS)
    assert (scenario.replications, scenario.seed) == (9, 11)
    assert scenario.resolved["run"] | {"stride": ""} == {
        "replications": 9, "seed": 11, "horizon": "1 h", "stride": "", "warmup": "0 s", "allow_diverged": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "says"), [({"replications": 0}, "--replications 0: "), ({"seed": 2**64}, "--seed 18")]
)
def test_impossible_numbers_name_their_option(folder, options, says):
    with pytest.raises(ScenarioError) as caught:
        load("toy.yaml", registry=TOYS, **options)
    assert str(caught.value).startswith(says)


def test_python_values_are_not_coerced(folder):
    with pytest.raises(ScenarioError, match=r"expected a number, not the text \"3\""):
        load("toy.yaml", {"world.market.impact": "3"}, registry=TOYS)


def test_a_file_name_becomes_a_safe_scenario_name(folder):
    (folder / "my toy;rm -rf.yaml").write_text(GOOD)
    (folder / "con.yaml").write_text(GOOD)
    assert load("my toy;rm -rf.yaml", registry=TOYS).name == "my_toy_rm_-rf"
    assert load("con.yaml", registry=TOYS).name == "con_"


def test_the_house_finds_its_parts_by_module_name_only():
    assert HOUSE.interventions.find("kill_switch") is KillSwitch
    for name in ("os.system", "os", "intervention", "kill_switch.KillSwitch", "__init__", "../kill_switch"):
        assert HOUSE.interventions.find(name) is None
    assert "brain" not in HOUSE.brains.names()
    assert "topology" not in HOUSE.brains.names()


def test_a_module_with_two_classes_is_a_mistake_of_ours():
    with pytest.raises(TypeError, match="expected one"):
        Shelf(Brain, "tests.scenario").find("toys")
    assert Shelf(Brain, "tests.scenario", {"echo": Echo}).find("echo") is Echo


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_scenarios_load_and_read_back_equal(name):
    from simlab.scenario.build import build

    scenario = load(name)
    assert scenario.name == name
    assert build(json.loads(json.dumps(scenario.resolved)), name, scenario.path) == scenario


def misfits(value, rule, path="$"):
    """Where a document breaks a JSON Schema; the part of draft 7 that `schema` uses, and nothing else is let through."""
    known = {"$schema", "title", "description", "default", "examples", "type", "properties", "additionalProperties", "required",
             "items", "enum", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "anyOf", "minProperties",
             "maxProperties", "propertyNames", "maxLength", "minItems", "uniqueItems", "$ref"}  # fmt: skip
    assert set(rule) <= known, set(rule) - known
    if "$ref" in rule:
        assert set(rule) == {"$ref"}, "in draft 7 what stands beside a reference is not looked at"
        for key in rule["$ref"].removeprefix("#/").split("/"):
            rule = schema()[key] if "$ref" in rule else rule[key]
    if "anyOf" in rule and all(list(misfits(value, option, path)) for option in rule["anyOf"]):
        yield f"{path}: fits none"
    types = {
        "object": dict,
        "array": list,
        "string": str,
        "boolean": bool,
        "null": type(None),
        "integer": int,
        "number": (int, float),
    }
    allowed = rule.get("type", list(types))
    allowed = [allowed] if isinstance(allowed, str) else allowed
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if not any(isinstance(value, types[kind]) and (kind not in ("integer", "number") or numeric) for kind in allowed):
        yield f"{path}: {value!r} is not {allowed}"
        return
    if value not in rule.get("enum", [value]):
        yield f"{path}: {value!r} is not one of {rule['enum']}"
    if isinstance(value, str) and (
        not re.search(rule.get("pattern", ""), value) or len(value) > rule.get("maxLength", 10**6)
    ):
        yield f"{path}: {value[:50]!r} does not match"
    if rule.get("uniqueItems") and isinstance(value, list) and len({json.dumps(item) for item in value}) < len(value):
        yield f"{path}: names something twice"
    if numeric:
        low, high = rule.get("minimum", -math.inf), rule.get("maximum", math.inf)
        if not low <= value <= high or not rule.get("exclusiveMinimum", -math.inf) < value < rule.get(
            "exclusiveMaximum", math.inf
        ):
            yield f"{path}: {value} is out of bounds"
    if isinstance(value, list):
        if len(value) < rule.get("minItems", 0):
            yield f"{path}: too short"
        for i, item in enumerate(value):
            yield from misfits(item, rule.get("items", {}), f"{path}.{i}")
    if isinstance(value, dict):
        yield from (f"{path}.{key}: missing" for key in rule.get("required", []) if key not in value)
        if not rule.get("minProperties", 0) <= len(value) <= rule.get("maxProperties", 10**6):
            yield f"{path}: {len(value)} keys"
        for key, item in value.items():
            yield from misfits(key, rule.get("propertyNames", {}), f"{path}.{key}")
            inside = rule.get("properties", {}).get(key, rule.get("additionalProperties", {}))
            if inside is False:
                yield f"{path}.{key}: unknown"
            else:
                yield from misfits(item, inside, f"{path}.{key}")


def test_the_schema_file_is_up_to_date():
    """When this fails: `simlab schema > scenarios/scenario.schema.json`."""
    assert json.loads((SCENARIOS / "scenario.schema.json").read_text()) == schema()


@pytest.mark.parametrize("name", sorted(shipped()))
def test_the_schema_fits_shipped_scenarios_and_their_resolved_documents(name):
    path = shipped()[name]
    assert path.read_text().startswith("# yaml-language-server: $schema=scenario.schema.json\n")
    assert list(misfits(plain(read(path.read_bytes(), name)), schema())) == []
    assert list(misfits(json.loads(json.dumps(load(name).resolved)), schema())) == []


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [("", "", None), ("pause: 5 s", "pose: 5 s", "$.world.market.pose"), ("pause: 5 s", "pause: 5", "$.world.market.pause"),
     ("impact: 0.2", "impact: 1.2", "$.world.market.impact"), ("seed: 7", "sead: 7", "$.run.sead"),
     ("{market:", "{markt:", "$.world.markt"),
     ("- damp\n", "- dmp\n", "$.arms.shared.interventions.0"), ("stat: {exceeds", "stat: {exceed", "$.claims.0.stat"),
     ("  feedback_off: {vanishes: [drawdown]}\n", "", "$.controls.feedback_off"),
     ("topology: isolated", "topolgy: x", "$.arms.isolated.topolgy")],
)  # fmt: skip
def test_the_schema_tells_good_from_bad(old, new, where):
    found = list(misfits(plain(read(GOOD.replace(old, new, 1).encode(), "toy")), schema(TOYS)))
    assert any(misfit.startswith(f"{where}:") for misfit in found) if where else found == []


def test_the_schema_tells_units_and_sources():
    about = schema(TOYS)["properties"]["world"]["properties"]["market"]["properties"]
    assert (
        about["impact"]["description"] == "price move of an order; source: Kyle 1985; may change while the run goes on"
    )
    assert about["pause"]["description"] == "trading pause; a time; at least 0 s"
    assert about["waits"]["default"] == ["0.5 s", "1.5 min"]
