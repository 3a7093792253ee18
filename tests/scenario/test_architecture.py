"""ARCHITECTURE.yaml: what is read, the defaults, and every fault with its place and remedy."""

from fractions import Fraction

import pytest

from simlab.scenario.architecture import FOLDER, MOST_PARTS, Link, Rhythm, build, exactly, load
from simlab.scenario.load import shipped
from simlab.scenario.problems import ScenarioError
from simlab.scenario.reader import read

SHOP = """\
schema: 1
title: A shop
sources:
  clicks: {shaped_by: {ranking: 0.4}, fails: 0.02}
  orders:
stores: {features: {from: [clicks, orders]}}
brains: {embeddings: {trained_on: [clicks]}}
compute: {cluster: {slots: 2}}
fallbacks: {popularity: {reads: [orders]}}
models:
  ranking:
    {reads: [features], brain: embeddings, runs_on: [cluster], traffic: 3, fallback: popularity,
     retrain: {every: 1 day, phase: 2 h, busy: 30 min, on: cluster}}
  pricing: {reads: [features, ranking], gain: {ranking: 0.7}, trained_on: [orders]}
consumers: {page: {uses: [ranking, pricing], needs: any, weight: 0.7}}
correlation: 0.1
fails: {model: 0.05}
costs: {split: 4}
limits: {loop: 0.5}
relief: {firewall: 0.2}
"""


def made(text):
    return build(read(text.encode(), "a.yaml"))


def refused(text):
    with pytest.raises(ScenarioError) as caught:
        made(text)
    return caught.value.problems, str(caught.value)


def test_everything_that_is_written_is_read():
    shop = made(SHOP)
    assert [part.name for part in shop.parts] == [
        *("clicks", "orders", "features", "cluster", "embeddings", "popularity", "ranking", "pricing", "page"),
    ]
    ranking, page = shop.part("ranking"), shop.part("page")
    assert ranking.rhythm == Rhythm(86_400.0, 7_200.0, 1_800.0, "cluster")
    assert (ranking.weight, ranking.fallback, ranking.fails, ranking.chosen) == (3.0, "popularity", 0.05, True)
    assert (page.weight, page.any_will_do, page.fails) == (0.7, True, 0.0)
    assert (shop.part("clicks").fails, shop.part("clicks").chosen) == (0.02, False)
    assert shop.part("cluster").slots == 2
    assert (shop.correlation, shop.costs.split, shop.costs.stagger) == (0.1, 4.0, 1.0)
    assert (shop.limits.loop, shop.limits.blast) == (0.5, 0.5)
    assert (shop.relief.firewall, shop.relief.fallback) == (0.2, 0.001)
    assert Link("ranking", "clicks", "shaped_by", 0.4, False) in shop.links


def test_what_a_part_reads_and_learns_from_shares_a_gain_of_1_where_it_does_not_say():
    gains = {(link.source, link.target): (link.gain, link.chosen) for link in made(SHOP).links}
    assert gains["clicks", "features"] == (1 / 2, True)
    assert gains["features", "ranking"] == gains["embeddings", "ranking"] == (1 / 2, True)
    assert gains["features", "pricing"] == gains["orders", "pricing"] == (1 / 3, True)
    assert gains["ranking", "pricing"] == (0.7, False)


def test_the_shipped_architectures_are_valid_and_found_by_name():
    assert set(shipped(FOLDER)) == {"shop", "shop_mended"}
    assert not set(shipped(FOLDER)) & set(shipped())
    assert load("shop").title == "A web shop on one feature store"


HEAD = "schema: 1\ntitle: x\n"
MODEL = HEAD + "models: {a: {}}\n"


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("- 1", "1:1", "an architecture is a mapping"),
        ("title: x\nmodels: {a: {}}", "1:1", "schema: missing"),
        (HEAD, "1:1", "models: there is no model"),
        (HEAD + "models: {}", "3:1", "models: there is no model"),
        (HEAD + "models: {a: {reads: [b]}}", "3:22", "unknown source, store or model `b`"),
        (HEAD + "sources: {clicks: }\nmodels: {a: {reads: [clics]}}", "4:22", "did you mean `clicks`?"),
        (HEAD + "models: {a: {reads: clicks}}", "3:21", "write e.g. `[clicks]`"),
        (HEAD + "models: {a: {reads: [3]}}", "3:22", "expected the name of a part"),
        (HEAD + "models: {a: {reads: [a]}}", "3:22", "`a` depends on itself"),
        (HEAD + "stores: {s: {from: [s]}}\nmodels: {a: {}}", "3:21", "`s` depends on itself"),
        (HEAD + "sources: {c: }\nmodels: {a: {reads: [c, c]}}", "4:25", "`c` is named twice"),
        (HEAD + "sources: {c: }\nmodels: {a: {brain: c}}", "4:21", "`c` is a source; expected a brain"),
        (MODEL + "consumers: {a: {uses: [a]}}", "4:13", "`a` is already the name of a model, on line 3"),
        (MODEL + "consumers: {p: {}}", "4:13", "a consumer uses at least one model"),
        (MODEL + "consumers: {p: {uses: [a], needs: some}}", "4:35", "must be one of all, any"),
        (MODEL + "sources: {c: {shaped_by: {b: 1}}}", "4:27", "unknown model `b`"),
        (MODEL + "sources: {c: {shaped_by: {a: -1}}}", "4:30", "must be at least 0, not -1"),
        (MODEL + "sources: {c: {shaped_by: [a]}}", "4:26", "expected a mapping"),
        (HEAD + "models: {a: {gain: {b: 1}}}", "3:21", "it neither reads nor learns from `b`"),
        (HEAD + "models: {a: {fails: 1.2}}", "3:21", "must be at most 1, not 1.2"),
        (HEAD + "models: {a: {fails: true}}", "3:21", "expected a number, not true"),
        (HEAD + "models: {a: {traffic: 0}}", "3:1", "every `traffic` is 0"),
        (MODEL + "consumers: {p: {uses: [a], weight: 0}}", "4:1", "every `weight` is 0"),
        (HEAD + "models: {a: {retrain: {every: 1 dya}}}", "3:31", "unknown unit `dya`"),
        (HEAD + "models: {a: {retrain: {every: 60}}}", "3:31", "write `60 s`"),
        (HEAD + "models: {a: {retrain: {every: 0 s}}}", "3:31", "must be at least 0.001 s"),
        (HEAD + "models: {a: {retrain: {busy: 1 s}}}", "3:14", "every: missing"),
        (HEAD + "models: {a: {retrain: {every: 1 h, busy: 2 h}}}", "3:42", "must end before the next begins"),
        (HEAD + "models: {a: {retrain: {every: 1 h, on: gpu}}}", "3:40", "unknown compute `gpu`"),
        (HEAD + "models: {a: {reads: [b]}, b: {reads: [a]}}", "3:", "is a circle within one instant"),
        (HEAD + "models: {a: {fallback: b}, b: {reads: [a]}}", "3:", "is a circle within one instant"),
        (HEAD + "models: {Ranking: {}}", "3:10", "`Ranking` is not a name"),
        (HEAD + "models: {con: {}}", "3:10", "has a meaning to the file system"),
        (HEAD + "models: {a: {raeds: []}}", "3:14", "did you mean `reads`?"),
        (MODEL + "sorces: {}", "4:1", "did you mean `sources`?"),
        (MODEL + "fails: {modle: 0.1}", "4:9", "did you mean `model`?"),
        (MODEL + "costs: {split: 0}", "4:16", "must be above 0, not 0"),
        (MODEL + "limits: {together: 2}", "4:20", "must be at most 1, not 2"),
        (MODEL + "correlation: 1", "4:14", "must be at most 0.99"),
        (MODEL + "compute: {c: {slots: 1.5}}", "4:22", "expected a whole number"),
        (HEAD + "title: y\nmodels: {a: {}}", "3:1", "duplicate key `title`"),
        (HEAD + "models: {a: {}, a: {}}", "3:17", "duplicate key `a`"),
        (HEAD + "models: {a: !!python/object:os.system {}}", "3:13", "tags are not used"),
        ("", "1:1", "the file is empty"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place_and_remedy(text, place, says):
    _, shown = refused(text)
    assert f"a.yaml:{place}" in shown
    assert says in shown


def test_all_faults_come_at_once_in_their_order():
    problems, shown = refused(
        HEAD + "models:\n  a: {reads: [z], fails: 2}\n  b: {brain: y}\nconsumers: {p: {uses: [c]}}\nlimit: {}\n"
    )
    assert [problem.mark.line for problem in problems] == [3, 3, 4, 5, 6]
    assert shown.endswith("5 problems; nothing was run")


def test_a_circle_through_training_or_reality_is_no_fault():
    text = HEAD + "sources: {c: {shaped_by: {a: 2}}}\nmodels: {a: {reads: [b, c]}, b: {trained_on: [a]}}"
    assert len(made(text).links) == 4


def test_a_circle_is_written_out_and_names_the_link_that_closes_it():
    _, shown = refused(HEAD + "models:\n  a: {reads: [c]}\n  b: {reads: [a]}\n  c: {reads: [b]}\n")
    assert "`a` -> `b` -> `c` -> `a` is a circle within one instant" in shown
    assert "a.yaml:4:15" in shown


def test_too_many_parts_are_refused():
    many = ", ".join(f"m{i}" for i in range(MOST_PARTS + 1))
    assert "401 parts; at most 400 are audited" in refused(HEAD + f"models: {{{many.replace(',', ': ,')}: }}")[1]


def test_an_unknown_name_has_a_suggestion():
    with pytest.raises(ScenarioError, match="no architecture is called `shopp`; did you mean `shop`"):
        load("shopp")


@pytest.mark.parametrize(
    ("seconds", "exact"), [(0.1, Fraction(1, 10)), (1e-4, Fraction(1, 10_000)), (3e9, 3_000_000_000)]
)
def test_durations_are_the_numbers_that_were_written(seconds, exact):
    assert exactly(seconds) == exact
