"""The page that every report is written on: one file, nothing remote, every text shown as text."""

from __future__ import annotations

from html import escape
from importlib import resources
from string import Template

from simlab.views.markup import Html


def page(title: str, verdict: Html, chips: Html, main: Html, lead: Html = Html(""), controls: Html = Html("")) -> str:  # noqa: B008
    """The whole page as HTML."""
    template = Template(resources.files("simlab.views").joinpath("page.html").read_text("utf-8"))
    return template.substitute(
        title=escape(title),
        lead=lead.text,
        verdict=verdict.text,
        controls=controls.text,
        chips=chips.text,
        main=main.text,
    )
