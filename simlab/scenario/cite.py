"""What a scenario rests on, as BibTeX: simlab itself, and every source that the scenario, its world and its brains name.

Sources are written for people: in method sections `Author & Author (2020), "Title", Journal 12(3)`, or shorter, `(Author et al. 2020)`; in
`source:` texts several with semicolons between. They are read by what they look like, and nothing is made up: of one work that is named
several times the names are put together, and one that lacks an author, a year, a title or a place is a @misc with its text as it stands.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from simlab.base.par import parameters
from simlab.scenario.guide import method
from simlab.scenario.scenario import Scenario

TITLE = "simlab: a discrete-event simulation lab for models that change the world they learn from, and share a brain"
AUTHORS = "The simlab authors"
YEAR = "2026"  # of LICENSE

_YEAR = r"(?P<year>(?:18|19|20)\d\d)(?!\.?\d)"
_LOW = r"[^\W\d_A-ZÀ-Þ]"
_WORD = rf"[^\W\d_a-zß-ÿ][^\W\d_]*{_LOW}(?:['’-][^\W\d_]+)*"  # noqa: RUF001
_NAME = rf"(?:(?:[^\W\d_a-z]\. )+)?(?:(?:[Vv]an|[Vv]on|[Dd]e|[Dd]a|El) )*{_WORD}(?: y {_WORD})?"
_WHO = rf"(?<![\w-])(?P<who>{_NAME}(?:, {_NAME})*(?:,? & {_NAME})?(?: et al\.)?)"
_SHORT = "Adv|Am|Appl|Bull|Comput|Econ|Found|Inf|J|Learn|Lett|Mach|Math|Phys|Prob|Proc|Psychol|Quant|Rev|Sci|Stat|Trans"
_TOKEN = rf"(?:(?:{_SHORT})\.|[A-Z][\w&-]*|of|and|the|in|on|for|&)"
_VENUE = rf"(?P<venue>(?:(?:{_SHORT})\.|[A-Z][\w&/-]*)(?: {_TOKEN})*(?: \d+(?:\(\d+(?:-\d+)?\))?)?)"
_PAGES = r"(?:, (?P<pages>e?\d+(?:-\d+)?)(?![\w.]))?"
_CITED = re.compile(rf'{_WHO},? \(?{_YEAR}\)?(?:, "(?P<title>[^"]+?),?")?(?:, {_VENUE}(?=[\s,;:.)]|$){_PAGES})?')
_BOOK = re.compile(
    rf"{_WHO}(?:,? {_YEAR})?, (?P<title>[A-Z]\w+(?: (?:of|and|the|[A-Z]\w+))+)"
    r"(?: \((?:\d\w+ ed\. )?(?P<late>(?:18|19|20)\d\d)\))?, (?:ch\.|chapter|sections?) [\d.]+"
)
_HEAD = re.compile(rf"{_WHO},? \(?{_YEAR}\)?(?P<rest>.*)$", re.DOTALL)
_LATE = re.compile(rf"{_WHO},(?P<rest>.*) \({_YEAR}\)(?P<more>,.*)?$", re.DOTALL)
_STOP = "".join(f"(?<!{short})" for short in _SHORT.split("|")) + r"(?<!\b[A-Z])\. "
_AFTER = re.compile(rf", [A-Z\"][^;:()]*?(?=[;:()]|{_STOP}|$)")
_VOLUME = re.compile(r"(?P<name>.*\D) (?P<volume>\d+)(?:\((?P<number>\d+(?:-\d+)?)\))?$")
_MEETINGS = (
    "AIES|AISTATS|ALT|CIKM|DISCEX|EuroSys|FAccT|HotOS|ICDM|ICLR|ICML|"
    "KDD|NIPS|NSDI|NeurIPS|OSDI|PODC|RecSys|SIGCOMM|SIGMOD|SOSP|USENIX|WWW"
)
_PERIODICAL = re.compile(
    r"(Journal|Review|Annals|Proceedings) |.*(Bulletin|Review|Reviews)$|(Nature|Econometrica|Management Science)$"
)
_REMARK = re.compile(
    r"(quoted|from memory|abstract|sections?|chapter|ch\.|lemma|definition|par\.|Fig|figures|as |who |for |its |on )"
)
_NOBODY = re.compile(
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|After|And|Appendix|As|At|Before|By|County|Exercise|Fig|Figure|From|In|Of|On|See|Since|Table|The|To|With)\b"
)
_OWN = re.compile(r"[^A-Z]|[A-Z] \W |Exercise |Phi\b|$")  # algebra, chosen, another scenario: not somebody else's


class Entry(NamedTuple):
    """A source: the `text` in which it was named, and what could be read of it; empty where it says nothing."""

    text: str
    who: str = ""
    year: str = ""
    title: str = ""
    venue: str = ""
    volume: str = ""
    number: str = ""
    pages: str = ""
    remark: str = ""

    @property
    def whole(self) -> bool:
        """Whether it is all there: an author, a year, a title and where it appeared."""
        return bool(self.who and self.year and self.title and self.venue)

    @property
    def bare(self) -> bool:
        """Whether it names an author and a year, and nothing else."""
        return bool(self.who) and not (self.title or self.venue)


def bibliography(scenario: Scenario) -> str:
    """BibTeX of simlab and of a scenario's sources, ordered by key."""
    from simlab.results.provenance import code_version

    version = code_version()
    own = {"author": f"{{{AUTHORS}}}", "title": f"{{{TITLE}}}", "year": YEAR, "note": f"Version {version}"}
    entries = [_format("misc", f"simlab{YEAR}", own)]
    return "\n".join([*entries, *(_format(*one) for one in keyed(sources(scenario)))])


def sources(scenario: Scenario) -> list[Entry]:
    """Everything that a scenario, its world and its brains name, each work once, in the order of authors and years."""
    found: list[Entry] = []
    document = scenario.resolved
    for part in (scenario.arms[0].trial.world, *(brain for arm in scenario.arms for brain in arm.trial.brains)):
        found += mentioned(method(type(part)))
        found += [entry for one in parameters(type(part)).values() for entry in listed(one.par.source)]
    for text in (scenario.story, *(claim["because"] for claim in document.get("claims", ()))):
        found += mentioned(text)
    for row in (*scenario.record, *document.get("scoreboard", ())):
        found += listed(row.get("source", ""))
        found += [entry for key in ("retelling", "record") for entry in mentioned(row.get(key, ""))]
    together: list[Entry] = []
    for entry in sorted(
        dict.fromkeys(found), key=lambda one: (not one.title, not one.volume, not one.venue, "et al." in one.who)
    ):
        same = next((i for i, other in enumerate(together) if _same(entry, other)), None)
        if same is None:
            together.append(entry)
        else:
            together[same] = _joined(together[same], entry)
    return sorted(together, key=lambda one: (_plain(_surname(one)), one.year, one.title, one.text))


def listed(text: str) -> Iterator[Entry]:
    """The sources in a `source:` text, in which semicolons stand between them."""
    for part in re.split(r";\s*(?![^()]*\))", " ".join(text.split())):
        head = _HEAD.match(part)
        if head and not _excluded(head["who"]):
            yield _read(part, head["who"], head["year"], head["rest"])
        elif late := _LATE.match(part):
            yield _read(part, late["who"], late["year"], late["rest"] + (late["more"] or ""))
        elif _OWN.match(part):
            yield from mentioned(part)
        else:
            years = re.findall(r"\b(?:18|19|20)\d\d\b", part)
            yield Entry(part, year=years[-1] if len(set(years)) == 1 else "")


def mentioned(text: str) -> Iterator[Entry]:
    """The sources that are named in prose."""
    flat = " ".join(text.split())
    books = list(_BOOK.finditer(flat))
    for book in books:
        yield Entry(book[0], _stripped(book["who"]), book["year"] or book["late"] or "", book["title"])
    for found in _CITED.finditer(flat):
        who = _stripped(found["who"])
        inside = any(book.start() <= found.start() < book.end() for book in books)
        before = re.search(r"(Bank|University|Department) of $", flat[: found.start()])
        if not who or inside or before or _excluded(who):
            continue
        venue = found["venue"] or ""
        placed = _place(venue)
        title = found["title"] or ""
        after = None if placed else _AFTER.match(flat, found.end("title") + 1 if title else found.end("year"))
        after = None if after and re.search(r"\b(?:18|19|20)\d\d\b", after[0]) else after
        end = (
            after.end() if after else found.end() if placed else found.end("title") + 1 if title else found.end("year")
        )
        text = flat[found.end("who") - len(who) : end].rstrip(" ,.")
        opened = text.count("(") - text.count(")")
        text = text + ")" * opened if opened > 0 else text[:opened] if opened and text.endswith(")") else text
        yield Entry(
            text, who, found["year"], title, *(placed or ("", "", "")), (found["pages"] or "") if placed else ""
        )


def keyed(found: list[Entry]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """The kind, the key and the fields of each entry; keys are the first author and the year, with a letter where two agree."""
    names = [(re.sub(r"[^a-z]", "", _plain(_surname(one)).lower()) or "source") + one.year for one in found]
    for i, (name, one) in enumerate(zip(names, found, strict=True)):
        key = name + (_letters(names[:i].count(name)) if names.count(name) > 1 else "")
        yield _kind(one), key, _fields(one)


def _read(text: str, who: str, year: str, rest: str) -> Entry:
    """An entry of a list: after the year come a title, where it appeared, pages, and what else is said, in parentheses or not."""
    aside = re.findall(r" ?\(([^()]*(?:\([^()]*\)[^()]*)*)\)", re.sub(r"\d\(\d+(?:-\d+)?\)", "", rest))
    for one in aside:
        rest = rest.replace(f" ({one})", "")
    title, venue, pages, remarks = "", ("", "", ""), "", []
    for piece in filter(None, (piece.strip(' ,."') for piece in rest.split(", "))):
        place = _place(piece)
        if place and not venue[0]:
            venue = place
        elif re.fullmatch(r"e?\d+(-\d+)?", piece):
            pages = piece
        elif not title and not venue[0] and piece[0].isupper() and not _REMARK.match(piece):
            title = piece
        else:
            remarks.append(piece)
    for one in aside:
        series = re.fullmatch(r"(PMLR) (\d+)(?:, (\d+-\d+))?", one)
        if series:
            venue = (f"{venue[0]}, {series[1]}" if venue[0] else series[1], series[2], "")
            pages = pages or series[3] or ""
        else:
            remarks.append(one)
    return Entry(text, _stripped(who), year, title, *venue, pages, "; ".join(remarks))


def _place(text: str) -> tuple[str, str, str] | None:
    """Where something appeared: its name, volume and number; None for what is no such place."""
    if re.match(r"(arXiv[ :])\d{4}\.\d+$", text) or re.fullmatch(_MEETINGS, text) or _PERIODICAL.match(text):
        found = _VOLUME.match(text)
        if not found or text.startswith("arXiv"):
            return text, "", ""
    found = _VOLUME.match(text)
    if (
        found
        and int(found["volume"]) < 1800
        and not re.match(r"(Fig|Figure|Table|Exercise|Appendix|Section)\b", text)
        and text[0].isupper()
    ):
        return found["name"], found["volume"], found["number"] or ""
    return None


def _same(one: Entry, other: Entry) -> bool:
    """Whether two entries name one work: the same first author and year, and nothing in which they differ."""
    if not one.who or not other.who:
        heads = [
            re.split(r"[,(:]| (?:18|19|20)\d\d", entry.text.replace("SEC release", "SEC"))[0].strip() + " "
            for entry in (one, other)
        ]
        near = heads[0].startswith(heads[1]) or heads[1].startswith(heads[0])
        return not one.who and not other.who and near and (one.year == other.year or not (one.year and other.year))
    if (_plain(_surname(one)), one.year) != (_plain(_surname(other)), other.year):
        return False
    if one.bare or other.bare:
        return True
    titles = [re.sub(r"\W+", " ", entry.title).lower().strip() for entry in (one, other)]
    if one.whole and other.whole and not titles[0].startswith(titles[1]) and not titles[1].startswith(titles[0]):
        return False
    places = [{_initials(entry.venue), entry.venue} for entry in (one, other)]
    return not (one.volume and other.volume) or (one.volume == other.volume and bool(places[0] & places[1]))


def _initials(venue: str) -> str:
    return "".join(word[0] for word in re.findall(r"[A-Z]\w*", venue))


def _joined(one: Entry, other: Entry) -> Entry:
    """Two names of one work put together; what the first says goes before."""
    place = one if one.volume or not other.volume else other
    remarks = dict.fromkeys(filter(None, (*one.remark.split("; "), *other.remark.split("; "))))
    return Entry(
        one.text if len(one.text) >= len(other.text) else other.text,
        max((one.who, other.who), key=lambda who: (len(re.findall(r",|&", who)), "et al." in who)),
        one.year,
        one.title or other.title,
        place.venue or one.venue or other.venue,
        place.volume,
        place.number or (one.number or other.number if one.volume == other.volume else ""),
        one.pages or other.pages,
        "; ".join(remarks),
    )


def _kind(one: Entry) -> str:
    if not one.whole:
        return "misc"
    meeting = re.search(rf"\b(PMLR|{_MEETINGS})\b", one.venue)
    return "inproceedings" if meeting else "article"


def _fields(one: Entry) -> dict[str, str]:
    fields = {"author": _authors(one.who)} if one.who else {}
    fields |= {"year": one.year} if one.year else {}
    if not one.whole:
        return fields | {"note": escaped(one.text)}
    place = {"inproceedings": "booktitle"}.get(_kind(one), "journal")
    fields |= {"title": f"{{{escaped(one.title)}}}", place: escaped(one.venue)}
    rest = {
        "volume": one.volume,
        "number": one.number,
        "pages": one.pages.replace("-", "--"),
        "note": escaped(_told(one.remark)),
    }
    return fields | {name: value for name, value in rest.items() if value}


def _told(remark: str) -> str:
    """How a source was read: from memory, in an abstract, in somebody else's words; which of its sections is left out."""
    return "; ".join(
        part for part in remark.split("; ") if re.search(r"quoted|memory|elsewhere|abstract|arXiv|paper", part)
    )


def _authors(who: str) -> str:
    names = [name.strip() for name in re.split(r",? & |, ", who.replace(" et al.", ", others")) if name.strip()]
    return " and ".join(f"{{{escaped(name)}}}" if " " in name and ". " not in name else escaped(name) for name in names)


def _surname(one: Entry) -> str:
    """The first author's; of a text without one, its first word."""
    if one.who:
        return re.split(r",| & | et al", one.who)[0].rpartition(". ")[2].strip()
    return next((word for word in one.text.split() if re.match(r"[^\W\d_]{3}", word)), "source").strip(",")


def _stripped(who: str) -> str:
    """Authors without a word that began the sentence."""
    first, _, rest = who.partition(" ")
    return rest if rest and _NOBODY.fullmatch(first) else who


def _excluded(who: str) -> bool:
    """Whether it is a date or the beginning of a sentence, and no author."""
    names = re.split(r", ", who)
    return any(_NOBODY.match(name) for name in (names[0], names[-1]))


def _letters(i: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[i % 26] * (i // 26 + 1)


def _plain(text: str) -> str:
    """Without accents."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


_ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u0327": "c ", "\u030c": "v "}
_SPECIAL = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
}
_SPECIAL |= {"“": "``", "”": "''", "’": "'", "–": "--", "—": "---", "−": "$-$"}  # noqa: RUF001


def escaped(text: str) -> str:
    """Text for LaTeX: its special characters escaped, and accents as commands; braces stay balanced."""
    out = []
    for c in " ".join(text.split()):
        base, *marks = list(unicodedata.normalize("NFD", c))
        if len(marks) == 1 and marks[0] in _ACCENTS:
            out.append(f"{{\\{_ACCENTS[marks[0]]}{base}}}")
        else:
            out.append(_SPECIAL.get(c, c))
    return "".join(out)


def _format(kind: str, key: str, fields: dict[str, str]) -> str:
    width = max(map(len, fields))
    lines = [f"  {name:{width}} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@{kind}{{{key},", *lines, "}", ""])
