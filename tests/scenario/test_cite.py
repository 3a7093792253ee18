"""What a scenario rests on, as BibTeX that another program can read; nothing is made up."""

import re
from pathlib import Path

import pytest

from simlab.scenario.cite import TITLE, YEAR, bibliography, escaped, keyed, listed, mentioned, sources
from simlab.scenario.load import load, shipped

ROOT = Path(__file__).parents[2]
NEEDS = {
    "misc": {"note"},
    "article": {"author", "title", "journal", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
}
WORLDS = {path.stem for path in (ROOT / "simlab/worlds").glob("*.py")}
EVERY = [name if name in WORLDS else pytest.param(name, marks=pytest.mark.nightly) for name in shipped()]


def parsed(text):
    """Entries as (kind, key, fields), read character by character as BibTeX reads them; raises on anything else."""
    found, at = [], 0
    while True:
        entry = re.compile(r"\s*@(\w+)\{([^\s,{}]+),").match(text, at)
        if not entry:
            assert text[at:].strip() == "", text[at : at + 80]
            return found
        at, fields = entry.end(), {}
        while not (closed := re.compile(r"\s*\}").match(text, at)):
            field = re.compile(r"\s*(\w+)\s*=\s*\{").match(text, at)
            assert field, text[at : at + 80]
            depth, end = 1, field.end()
            while depth:
                step = 2 if text[end] == "\\" else 1
                depth += {"{": 1, "}": -1}.get(text[end], 0)
                end += step
            assert field[1] not in fields
            fields[field[1]] = text[field.end() : end - 1]
            assert text[end] == ","
            at = end + 1
        at = closed.end()
        found.append((entry[1], entry[2], fields))


@pytest.mark.parametrize("name", EVERY)
def test_every_scenario_says_what_it_rests_on(name):
    text = bibliography(load(name))
    own, *others = parsed(text)
    assert own[1] == f"simlab{YEAR}"
    assert others
    keys = [key for _, key, _ in others]
    assert len(set(keys)) == len(keys)
    for kind, key, fields in others:
        assert re.fullmatch(r"[a-z]+(\d{4}[a-z]*)?", key)
        assert fields.keys() >= NEEDS[kind], (key, fields)
        assert all(value.strip() for value in fields.values())
        assert not re.search(r"(?<!\\)[&%$#_]", re.sub(r"\$-\$", "", " ".join(fields.values()))), fields


def test_what_is_said_of_simlab_is_so():
    assert f"Copyright (c) {YEAR} The simlab authors" in (ROOT / "LICENSE").read_text("utf-8")
    described = re.search(r'^description = "(.*)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)[1]
    assert TITLE.lower() == f"simlab: {described}".lower()


def test_names_of_one_work_are_put_together():
    found = {key: (kind, fields) for kind, key, fields in keyed(sources(load("performative")))}
    assert found["perdomo2020"] == (
        "inproceedings",
        {
            "author": "Perdomo and Zrnic and Mendler-Duenner and Hardt",
            "year": "2020",
            "title": "{Performative prediction}",
            "booktitle": "ICML, PMLR",
            "volume": "119",
            "pages": "7599--7609",
        },
    )
    assert [key for key in found if key.startswith("perdomo")] == ["perdomo2020"]


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        (
            "Bainbridge (1983), Ironies of automation, Automatica 19(6), 775-779",
            "article",
            {
                "journal": "Automatica",
                "volume": "19",
                "number": "6",
                "pages": "775--779",
                "title": "{Ironies of automation}",
            },
        ),
        (
            "Wager, Chamandy, Muralidharan & Najmi (2014), Feedback detection for live predictors, NIPS 27",
            "inproceedings",
            {"booktitle": "NIPS", "volume": "27", "author": "Wager and Chamandy and Muralidharan and Najmi"},
        ),
        ("Li & El Mhamdi (2017), A title, NIPS 30", "inproceedings", {"author": "Li and {El Mhamdi}"}),
        (
            "Rzadca et al. (2020), Autopilot, EuroSys, abstract",
            "inproceedings",
            {"author": "Rzadca and others", "note": "abstract"},
        ),
        (
            "Becker (1968), J. Political Economy 76",
            "misc",
            {"author": "Becker", "note": "Becker (1968), J. Political Economy 76"},
        ),
        ("Calvano & Li (2020), A title, AER 110(10) (quoted from memory)", "article", {"note": "quoted from memory"}),
        ("US Department of Justice (2017)", "misc", {"note": "US Department of Justice (2017)", "year": "2017"}),
        ("SEC release 34-70694 (16 October 2013), par. 13-17", "misc", {"year": "2013"}),
        (
            "Budzyń et al. 2025, 3% & more",
            "misc",
            {"author": r"Budzy{\'n} and others", "note": r"Budzy{\'n} et al. 2025, 3\% \& more"},
        ),
        ("algebra; Chow (1970), IEEE Trans. Inf. Theory 16", "misc", {"author": "Chow", "year": "1970"}),
    ],
)
def test_a_source_is_read_as_far_as_it_says(text, kind, says):
    ((found, _, fields),) = keyed(list(listed(text)))
    assert found == kind
    assert says.items() <= fields.items(), fields


@pytest.mark.parametrize("text", ["algebra", "chosen", "none found", "as above", "`hiring`", "chosen, 30 min", ""])
def test_what_is_nobody_elses_is_no_source(text):
    assert list(listed(text)) == []


def test_prose_is_read_too():
    text = """The urn of Ensign et al. (2018), "Runaway feedback", PMLR 81, section 4: it runs away (Toth et al. 2011,
    Phys. Rev. X 1; Morris & Shin 2002), and Perdomo & Hardt (2020), "Performative prediction", ICML. On 6 May 2010,
    in October 2013 and after 2015 nothing was cited, nor by arXiv 2010.01079."""
    found = [(entry.who, entry.year, entry.title, entry.venue, entry.volume) for entry in mentioned(text)]
    assert found == [
        ("Ensign et al.", "2018", "Runaway feedback", "PMLR", "81"),
        ("Toth et al.", "2011", "", "Phys. Rev. X", "1"),
        ("Morris & Shin", "2002", "", "", ""),
        ("Perdomo & Hardt", "2020", "Performative prediction", "ICML", ""),
    ]


def test_a_shorthand_does_not_make_a_single_author():
    found = {key: fields["author"] for _, key, fields in keyed(sources(load("bitrate")))}
    assert found["yan2020"] == "Yan and others"
    assert found["huang2014"] == "Huang and Johari and McKeown and Trunnell and Watson"


def test_text_is_escaped_for_latex():
    assert escaped("50% of $5 & {a_b} #1 ~ ^ \\") == (
        r"50\% of \$5 \& \{a\_b\} \#1 \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )
    assert escaped("“é” \u2013 ü") == r"``{\'e}'' -- {\"u}"
