"""What the terminal says after the verdict: claims and controls counted, and each that went the wrong way named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simlab.views.verdict import claim_counts, claim_verdict
from simlab.views.words import count, number


def tally(summary: Mapping[str, Any]) -> list[str]:
    """A line of counts, then a line for each claim that is contradicted and each effect that a control left standing."""
    claims = summary["claims"]
    counts = claim_counts(claims)
    vanishes = [v for control in summary["controls"].values() for v in control["vanishes"]]
    gone = sum(v["verdict"] == "holds" for v in vanishes)
    said = [f"{counts['holds']} hold", f"{counts['contradicted']} contradicted", f"{counts['undecided']} undecided"]
    if counts["refuted, as expected"]:
        said.append(f"{count(counts['refuted, as expected'], 'popular claim')} refuted")
    open_ = sum(v["verdict"] == "undecided" for v in vanishes)
    vanished = f"{gone} of {count(len(vanishes), 'effect')} vanished" if vanishes else "no effect is to vanish"
    vanished += f", {open_} undecided" if open_ else ""
    lines = [f"claims: {', '.join(said) if claims else 'none'}; controls: {vanished}"]
    if until := summary.get("until"):
        lines.append(stopped(until))
    lines += [
        f"contradicted: {c['claim']}{'' if c['expect'] else ' (expected to be refuted)'}; found {c['evidence']}"
        for c in claims
        if claim_verdict(c) == "contradicted"
    ]
    return lines + [f"still there: {v['claim']}; {v['evidence']}" for v in vanishes if v["verdict"] == "contradicted"]


def stopped(until: Mapping[str, Any]) -> str:
    """Why a run that waits for an interval has as many replications as it has."""
    asked, reached = f"asked for ±{number(until['half_width'])}", until["reached"]
    half = "no interval yet" if reached is None else f"±{number(reached)} in {until['widest']}, the widest"
    why = f" ({asked})" if until["enough"] else f"; {asked}, and these are the most there may be"
    return f"stopped at {until['replications']:,} replications: {until['what']} {half}{why}"
