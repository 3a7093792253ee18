"""A user's rule file: what it selects, as the real Prometheus reads it, and where a mistake in it is shown."""

from __future__ import annotations

import json

import pytest

import simlab
from simlab.base.errors import InputError
from simlab.results.openmetrics import clock_of
from simlab.studies.backtest import backtest
from simlab.studies.prometheus import serving
from simlab.studies.rules import Matcher, selectors
from tests.alerting import made, needs_prometheus

# An expression in any spelling, and what it selects: by the documentation of PromQL.
SELECTED = {
    'sum(rate(a_total{b="c",d!~"e|f"}[5m])) BY (g, h) > bool 1e3': ['a_total{b="c",d!~"e|f"}'],
    "a / on (b) group_left (c) d offset 5m": ["a{}", "d{}"],
    "topk without (x) (3, a:b:rate5m) or NaN * by_name": ["a:b:rate5m{}", "by_name{}"],
    "a AND b unless c > Inf": ["a{}", "b{}", "c{}"],
    'label_replace(a, "b", "$1", "c", "(.*){d}")': ["a{}"],
    "{__name__=\"a\",b='c'} == 0x1f": ['a{b="c"}'],
    '{__name__=~"a.*",b="c"}': ['{__name__=~"a.*",b="c"}'],
    "max_over_time(sum(a)[1h30m:1m] @ end())": ["a{}"],
    'sum without (b) (a{c="}\\"{ d"}) ^ -a': ['a{c="}\\"{ d"}', "a{}"],
    'absent(a{b=`c\\d`}) # e{f="g"}': ['a{b="c\\\\d"}'],
    "time() - vector(1) > scalar(a)": ["a{}"],
    'count_values("b", sum_a) > 5.5e-3': ["sum_a{}"],
    "a > a": ["a{}"],
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return simlab.open(made(tmp_path_factory.mktemp("made")))


def refused(results, folder, text, only=()):
    """The problems of a rule file, line by line."""
    path = folder / "own.yml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        backtest(path, results.record, results.scenario, 1, clock_of(results.record), only)
    assert error.value.exit_code == 2
    return str(error.value).replace(f"{folder}/", "").splitlines()


@needs_prometheus
def test_selectors_are_those_of_the_documentation(tmp_path):
    """Of each expression as the real server writes it back."""
    rules = [{"alert": f"A{i}", "expr": text} for i, text in enumerate(SELECTED)]
    (tmp_path / "r.yml").write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))
    (tmp_path / "data").mkdir()
    with serving(tmp_path, tmp_path / "r.yml") as server:
        found = [[str(one) for one in selectors(rule.query)] for rule in server.rules()]
    assert found == list(SELECTED.values())


def test_a_matcher_is_written_as_it_was_read():
    (one,) = selectors('a{b="c\\"d",e!=""}')
    assert one.matchers == (Matcher("b", "=", 'c\\"d'), Matcher("e", "!=", ""))
    assert str(one) == 'a{b="c\\"d",e!=""}'


@needs_prometheus
def test_a_name_that_the_run_has_not_is_shown_where_it_stands(results, tmp_path):
    text = """groups:
  - name: own
    rules:
      # simlab_drawdwon, some say
      - alert: Deep
        expr: |
          simlab_drawdown
            > on (arm) simlab_drawdwon
      - expr: up == 0
        alert: Down
      - record: own:unread
        expr: nobody_reads_this
"""
    said = refused(results, tmp_path, text)
    assert said[:4] == [
        "own.yml:8:24: Deep: `simlab_drawdwon` is no metric of this run",
        "    8 |             > on (arm) simlab_drawdwon",
        "      |                        ^^^^^^^^^^^^^^^ did you mean `simlab_drawdown`?",
        "own.yml:9:15: Down: `up` is no metric of this run",
    ]
    assert "^^ leave it out by naming the other alerts with --alert; the run has: own:unread, simlab_" in said[5]
    assert refused(results, tmp_path, text, ["Down"])[-1] == "1 problem; nothing was run"
    assert refused(results, tmp_path, text, ["Don"]) == [
        "own.yml: no alert `Don`; did you mean `Down`? (known: Deep, Down)"
    ]


@needs_prometheus
def test_a_matcher_that_never_matches_is_told_with_what_exists(results, tmp_path):
    text = """groups:
  - name: own
    rules:
      - record: own:most
        expr: max_over_time(simlab_drawdown[10s])
      - {alert: Value, expr: 'simlab_drawdown{arm="shard"} > 1'}
      - {alert: Label, expr: 'simlab_drawdown{replicaton="0"} > 1'}
      - {alert: Part, expr: 'simlab_drawdown{arm=~"shared|isolatd"} > 1'}
      - {alert: Both, expr: 'simlab_drawdown{arm="shared",arm!~"sh.*"} > 1'}
      - {alert: Pattern, expr: '{__name__=~"simlab_draw.*s"} > 1'}
      - {alert: Recorded, expr: 'own:most{control="feedback_of"} > 1'}
      - {alert: Right, expr: 'own:most{control="",arm=~"sh.*|isolated"} > 1'}
"""
    said = refused(results, tmp_path, text)
    assert [line for line in said if line.startswith("own.yml")] == [
        'own.yml:6:47: Value: `arm="shard"` matches no series of simlab_drawdown',
        'own.yml:7:47: Label: `replicaton="0"` matches nothing: no series of simlab_drawdown has a label `replicaton`',
        'own.yml:8:46: Part: `isolatd` of `arm=~"shared|isolatd"` matches no series of simlab_drawdown',
        'own.yml:9:59: Both: no series of simlab_drawdown has `arm!~"sh.*"` and `arm="shared"` together',
        'own.yml:10:34: Pattern: `{__name__=~"simlab_draw.*s"}` selects no series of this run',
        'own.yml:11:43: Recorded: `control="feedback_of"` matches no series of own:most',
    ]
    assert said[-1] == "6 problems; nothing was run"
    hints = [line.rpartition("^ ")[2].partition(" (")[0] for line in said if "^ " in line]
    assert hints == [f"did you mean `{name}`?" for name in ("shared", "replication", "isolated", "feedback_off")]


@needs_prometheus
def test_mistakes_of_all_kinds_are_told_at_once(results, tmp_path):
    text = """groups:
  - name: own
    rules:
      - {alert: Own, expr: ALERTS > 1}
      - {alert: Name, expr: simlab_drawdwon > 1}
      - {record: "own:most", expr: 'max_over_time(simlab_drawdown{arm="shard"}[10s])'}
      - {alert: Recorded, expr: "own:most > 1"}
      - {alert: Value, expr: 'simlab_drawdown{replicaton="0"} > 1'}
"""
    said = refused(results, tmp_path, text)
    assert [line.partition(": ")[2].partition(":")[0] for line in said if line.startswith("own.yml")] == [
        "Own",
        "Name",
        "own",
        "Value",
    ]
    assert said[-1] == "4 problems; nothing was run"


@needs_prometheus
def test_a_label_that_a_text_fills_in_and_no_series_has_is_told_and_evaluated(results, tmp_path):
    """In labels and annotations, but not in comments. What the expression makes is there, what `absent` takes from its matcher, and
    what every series has that a server fetches.
    """
    path = tmp_path / "own.yml"
    path.write_text(
        """groups:
  - name: own
    rules:
      - alert: Typo
        expr: simlab_feedback_spiral > 1
        labels: {severity: "{{ $labels.am }}"}
        annotations: {summary: '$labels.amr {{/* $labels.amr */}} {{ $labels.arm }}, {{ $labels.replicaton }} at {{ $labels.instance }}'}
      - alert: Made
        expr: label_replace(simlab_feedback_spiral, "new", "$1", "arm", "(.*)") > 1
        annotations: {summary: "{{ $labels.new }}"}
      - alert: Gone
        expr: absent(simlab_feedback_spiral{control="feedback_off"})
        annotations: {summary: "{{ $labels.control }}"}
"""
    )
    found = backtest(path, results.record, results.scenario, 2, clock_of(results.record))
    assert [one.partition(" (")[0] for one in found.warnings] == [
        "Typo: no series that it reads has a label `am` to fill in; did you mean `arm`?",
        "Typo: no series that it reads has a label `replicaton` to fill in; did you mean `replication`?",
    ]


@needs_prometheus
def test_what_may_be_misspelt_is_told_and_evaluated(results, tmp_path):
    """A negative matcher that excludes nothing; labels that nothing has, but for one that the expression makes."""
    path = tmp_path / "own.yml"
    path.write_text(
        """groups:
  - name: own
    rules:
      - {alert: Not, expr: 'simlab_feedback_spiral{arm!="shard"} > 1'}
      - {alert: By, expr: 'max by (amr, replication) (simlab_feedback_spiral) > 1'}
      - {alert: Made, expr: 'max by (new, replication) (label_replace(simlab_feedback_spiral, "new", "$1", "arm", "(.*)")) > 1'}
"""
    )
    found = backtest(path, results.record, results.scenario, 2, clock_of(results.record))
    assert [one.partition(";")[0] for one in found.warnings] == [
        'Not: `arm!="shard"` excludes no series of simlab_feedback_spiral',
        "By: nothing that it reads has a label `amr`",
    ]
    assert "did you mean `arm`?" in found.warnings[1]
    assert found.plain()["warnings"] == found.warnings
    assert [one.pages for one in found.scores[:3]] == [4, 4, 4]  # as without any of it


@needs_prometheus
@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("expr: x >", "5:18: A: parse error: unexpected end of input"),
        ("expr: |\n          sum(x)\n            by (y) y > 1", '7:20: A: parse error: unexpected identifier "y"'),
        ("expr: >\n          sum(x)\n          by (y) y > 1", '5:15: A: parse error: unexpected identifier "y"'),
        ("expr: 'x > > 1'", "5:20: A: parse error: unexpected <op:>>"),
        ("exprr: x", "5:9: unknown field `exprr`"),
        ("expr: x > 1\n        for: 5 minutes", "6:14: `5 minutes` is no duration"),
        ("expr: x > 1\n        expr: x > 2", '6:9: mapping key "expr" already defined at line 5'),
        ("expr: x > 1\n\tfor: 5m", "6:1: a tab in the indentation"),
        ("expr: x > 1\n        labels: {a-b: c}", "4:16: A: invalid label name: a-b"),
        ("expr: x > 1\n        labels: [a]", "6:9: expected "),
        ("expr: ALERTS > 1", "5:15: A: reads ALERTS, which only a running server has"),
    ],
)
def test_a_malformed_file_is_told_with_lines(results, tmp_path, body, says):
    text = f"groups:\n  - name: a\n    rules:\n      - alert: A\n        {body}\n"
    said = refused(results, tmp_path, text)
    assert said[0].startswith(f"own.yml:{says}")
    assert said[-1] == "1 problem; nothing was run"
    assert "rulefmt" not in "".join(said)
