"""Claims as they are written: orders, ratios, rises over a study, and what is wrong with one."""

import json

import pytest

from simlab.scenario.build import build
from simlab.scenario.describe import sections
from tests.scenario.test_build import changed, made, refused
from tests.scenario.toys import TOYS

SIDE = "versus: isolated, above: 0, because: shared signals"


def written(text):
    """The toy scenario with its first claim ending in `text`."""
    return changed(SIDE, f"{text}, because: shared signals")


def test_an_order_and_a_ratio_are_read():
    ratio = made(written("versus: isolated, ratio: true, above: 2")).claims[0]
    assert (ratio.versus, ratio.ratio, ratio.above) == ("isolated", True, 2.0)
    order = made(written("order: [isolated, blocks, shared]").replace("arm: shared, order", "order")).claims[0]
    assert (order.order, order.arm, order.above) == (("isolated", "blocks", "shared"), "isolated", None)


@pytest.mark.parametrize("text", ["versus: isolated, ratio: true, above: 2", "order: [isolated, blocks]"])
def test_the_resolved_document_gives_an_equal_claim(text):
    scenario = made(written(text).replace("arm: shared, order", "order"))
    again = build(json.loads(json.dumps(scenario.resolved)), "toy", "toy.yaml", registry=TOYS)
    assert again == scenario


def test_claims_without_the_new_keys_are_stored_as_before():
    """So that the name of a run that is done stays its name."""
    stored = made().resolved["claims"][0]
    assert list(stored) == ["measure", "arm", "versus", "above", "expect", "because", "stat"]


def test_they_are_described():
    text = written("order: [isolated, shared]").replace("arm: shared, order", "order")
    said = next(rows for heading, _, _, rows in sections(made(text)) if heading == "Claims")
    assert said[0] == ("P(drawdown > 0.03) rises from arm to arm: isolated, shared", "shared signals")
    text = written("versus: isolated, ratio: true, above: 2")
    said = next(rows for heading, _, _, rows in sections(made(text)) if heading == "Claims")
    assert said[0][0] == "P(drawdown > 0.03) in shared over isolated is above 2"


BAD = [
    ("ratio: true, above: 2", "35:61: claims.0.ratio: divides by nothing without `versus`", "add e.g. `versus: isolated`"),
    ("rises: true, above: 2", "35:61: claims.0.rises: says nothing without `over`", "the name of a study"),
    ("order: [isolated, blocks]", "35:48: claims.0.arm: given together with `order`", "keep one of them"),
    ("over: load, rises: true", "35:67: claims.0.over: unknown study `load`", "there is no study here"),
    ("over: load", "claims.0.rises: missing", "add e.g. `rises: true`"),
    ("over: load, rises: true, above: 0", "claims.0.above: given together with `over`", "keep one of them"),
    ("over: load, rises: maybe", 'claims.0.rises: expected true or false, not the text "maybe"', ""),
]  # fmt: skip
ORDERS = [
    ("order: [isolated, shred]", "35:66: claims.0.order.1: unknown arm `shred`", "did you mean `shared`?"),
    ("order: [isolated]", "35:55: claims.0.order: expected at least two arms", "write e.g. `[isolated, shared]`"),
    ("order: isolated", "claims.0.order: expected a list, not the text", ""),
    ("order: [isolated, shared, isolated]", "claims.0.order.2: names `isolated` twice", "remove one of them"),
    ("order: [isolated, shared], above: 0", "claims.0.above: given together with `order`", "keep one of them"),
    ("above: 1", "35:5: claims.0.arm: missing; the arm it is about", "add e.g. `arm: isolated`"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says", "hint"), BAD, ids=[text for text, _, _ in BAD])
def test_what_is_wrong_is_said(text, says, hint):
    shown = refused(written(text))
    assert says in shown
    assert hint in shown
    assert "^" in shown


@pytest.mark.parametrize(("text", "says", "hint"), ORDERS, ids=[text for text, _, _ in ORDERS])
def test_what_is_wrong_with_an_order_is_said(text, says, hint):
    shown = refused(written(text).replace(f"arm: shared, {text}", text))
    assert says in shown
    assert hint in shown
    assert "^" in shown
