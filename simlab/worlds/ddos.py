"""Traffic filters that learn what is usual from what they let in: benign clients ratchet out, and attacks stay out.

Clients visit several sites; a client is a group of addresses (those of a network, say) for which three features are
computed over a tick: rate variance, geo entropy and path diversity (entropies: Feinstein, Schnackenberg, Balupari &
Kindred 2003, DISCEX; Lakhina, Crovella & Diot 2005, SIGCOMM). In standard deviations of usual traffic, feature f of
client j as seen at site i is

    baseline_if + sqrt(alike) common_jf + sqrt(1 - alike) own_ijf + hostile_j attack_f + crowd_ij oddness crowd_f,

with standard normal common and own; baselines differ by `site_spread` and drift. A share `attack` of the clients is
hostile, at all sites. A flash crowd is benign and comes to the first site, where it looks like neither (Jung,
Krishnamurthy & Rabinovich 2002, WWW, on telling the two apart); its `oddness` is uniform on [0, 1], drawn once per
replication. A model says which share of the traffic is less unusual than a client. The `block` most unusual are turned
away, the `challenge` next get a challenge that people solve with one probability and bots with another, and all others
come in. What came in is what the logs hold, and so what is learnt from: the labels of nobody, the features of the
survivors. A rule that blocks the share q of what it was trained on, and is trained on its own survivors, blocks 1 -
(1-q)^k after k trainings. Who learns of all that comes stays at q, and finds usual whatever there is much of: of an
attack with a share a of the traffic, once learnt, at most q / a is blocked.

Bulk noise is cut at 4.3 standard deviations. A tick is the window of the features. The clients of a tick are drawn at the end of the
one before, so an attack comes a tick after the shock that sets it. Nothing is fitted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Bools, Floats
from simlab.base.errors import ParameterError
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World

DAY = 86_400.0
FEATURES = 3  # rate variance, geo entropy, path diversity
ALLOW, CHALLENGE, BLOCK = 0, 1, 2


class Recent(NamedTuple):
    """Clients of late, of each site `(r, m)`, as fading sums."""

    visits: Floats
    benign: Floats
    away: Floats  # benign and not let in
    blocked: Floats
    challenged: Floats


class Traffic(NamedTuple):
    """The state: `(r, m, ...)` of sites, else of the replication."""

    baseline: Floats  # (r, m, f) what is usual at each site, less what is usual
    oddness: Floats  # (r,) of its flash crowd
    x: Floats  # (r, m, f, n) features of the clients of this tick
    hostile: Bools  # (r, n)
    recent: Recent
    peak: Floats  # (r,) largest share of recent benign visits that a site did not let in, so far
    benign: Floats  # (r,) visits of benign clients so far, over all sites
    away: Floats  # (r,) those that were not let in
    attacks: Floats  # (r,) visits of hostile clients so far
    missed: Floats  # (r,) those that were let in


@final
@dataclass(frozen=True)
class Ddos(World[Traffic]):
    """Sites behind filters, one model each, that let clients in, challenge them or block them."""

    sites: Annotated[int, Par("1", "sites, each served by one model", low=1)] = 6
    clients: Annotated[int, Par("1", "clients that visit each site in a tick", low=1)] = 64
    step_time: Annotated[float, Par("s", "window over which features of a client are computed", above=0)] = 7200.0
    block: Annotated[
        float, Par("1", "share of usual traffic that is unusual enough to be blocked: q", low=0, high=1)
    ] = 0.02
    challenge: Annotated[float, Par("1", "share of usual traffic, next to it, that is challenged", low=0, high=1)] = (
        0.03
    )
    people_solve: Annotated[
        float, Par("1", "chance that a benign client solves a challenge", low=0, high=1, live=True)
    ] = 0.9
    bots_solve: Annotated[
        float, Par("1", "chance that a hostile client solves a challenge", low=0, high=1, live=True)
    ] = 0.05
    attack: Annotated[float, Par("1", "share of the clients that are hostile", low=0, high=1, live=True)] = 0.0
    attack_shift: Annotated[
        tuple[float, ...], Par("1", "what is unusual about hostile clients, a number for each feature")
    ] = (-2.0, 2.5, -2.5)
    crowd: Annotated[
        float,
        Par("1", "share of the first site's benign clients that belong to a flash crowd", low=0, high=1, live=True),
    ] = 0.0
    crowd_shift: Annotated[
        tuple[float, ...], Par("1", "what is unusual about the oddest of flash crowds, a number for each feature")
    ] = (2.0, 1.0, -3.0)
    alike: Annotated[
        float, Par("1", "share of a feature's variance that is the client's own at all sites", low=0, high=1)
    ] = 0.5
    site_spread: Annotated[float, Par("1", "standard deviation of what is usual between sites", low=0)] = 0.5
    drift: Annotated[float, Par("1", "standard deviation of the drift of what is usual at a site, in a day", low=0)] = (
        0.1
    )
    recent: Annotated[float, Par("s", "visits that count as recent (fading average)", above=0)] = 43_200.0

    measures: ClassVar[Mapping[str, Measure]] = {
        "turned_away": Measure(
            "1", "share of the recent benign visits that were not let in, average of the sites", "higher"
        ),
        "worst": Measure("1", "share of the recent benign visits that were not let in, at the worst site", "higher"),
        "peak": Measure("1", "largest share of the recent benign visits that a site did not let in, so far", "higher"),
        "lost": Measure("1", "share of the benign visits so far that were not let in", "higher"),
        "missed": Measure("1", "share of the hostile visits so far that were let in, 0 before there are any", "higher"),
        "blocked": Measure("1", "share of all recent visits that were blocked, average of the sites"),
        "challenged": Measure("1", "share of all recent visits that were challenged, average of the sites"),
    }

    def check(self) -> None:
        """Three features; and no more than all is blocked or challenged."""
        for name in ("attack_shift", "crowd_shift"):
            if len(getattr(self, name)) != FEATURES:
                raise ParameterError(
                    f"Ddos.{name} has {len(getattr(self, name))} numbers; expected {FEATURES}: rate variance, geo entropy, path diversity"
                )
        if self.block + self.challenge > 1:
            raise ParameterError(
                f"Ddos.challenge {self.challenge:g} and block {self.block:g} are more than all traffic; their sum must be at most 1"
            )

    @property
    def spec(self) -> Spec:
        """Each model says of each client how unusual it is, given its features as a view computes them."""
        return Spec(models=self.sites, views=self.sites, case=(self.clients,), features=FEATURES)

    @property
    def tick(self) -> float:
        """Seconds over which features are computed."""
        return self.step_time

    def start(self, luck: Luck) -> Traffic:
        """Nobody has visited yet."""
        r, m = luck.replications, self.sites
        baseline = self.site_spread * luck.normal("site", (r, m, FEATURES))
        oddness, none = luck.uniform("oddness", (r,)).copy(), np.zeros(r)
        recent = Recent(*(np.zeros((r, m)) for _ in Recent._fields))
        return Traffic(
            baseline, oddness, *self._visitors(baseline, oddness, luck), recent, none, none, none, none, none
        )

    def settle(self, state: Traffic) -> Traffic:
        """Sums begin anew."""
        none = np.zeros_like(state.benign)
        return state._replace(peak=none, benign=none, away=none, attacks=none, missed=none)

    def observe(self, state: Traffic) -> Floats:
        """`(r, m, n, 3)`: rate variance, geo entropy and path diversity of each client, as each view has them."""
        return state.x.swapaxes(2, 3)

    def act(self, state: Traffic, said: Array, luck: Luck) -> Action:
        """Allow (0), challenge (1) or block (2) clients who are `said` `(r, m, n)` to be more unusual than that share
        of the traffic.
        """
        done = (said >= 1 - self.block - self.challenge).astype(np.int8)
        done += said >= 1 - self.block
        return Action(done)

    def fallback(self, state: Traffic, luck: Luck) -> Array:
        """Without a model everybody is let in, `(r, m, n)`."""
        return np.zeros((len(state.oddness), self.sites, self.clients), dtype=np.int8)

    def step(self, state: Traffic, action: Action, luck: Luck) -> tuple[Traffic, Feedback]:
        """Who is let in, `(r, m, n)`, is in the logs (weight 1), and whether it was hostile is known; of others there
        is nothing.
        """
        s, done = state, action.value
        hostile = s.hostile[:, None]
        solves = luck.uniform("solve", done.shape) < self.people_solve + (self.bots_solve - self.people_solve) * hostile
        let_in = (done == ALLOW) | ((done == CHALLENGE) & solves)
        away, missed = ~let_in & ~hostile, let_in & hostile
        benign = np.broadcast_to(self.clients - s.hostile.sum(axis=1)[:, None], s.recent.benign.shape)
        turned = away.sum(axis=2)
        keep = math.exp(-self.step_time / self.recent)
        now = self.clients, benign, turned, (done == BLOCK).sum(axis=2), (done == CHALLENGE).sum(axis=2)
        recent = Recent(*(keep * old + new for old, new in zip(s.recent, now, strict=True)))
        baseline = s.baseline + self.drift * math.sqrt(self.step_time / DAY) * luck.normal("drift", s.baseline.shape)
        x, then_hostile = self._visitors(baseline, s.oddness, luck)
        then = Traffic(
            baseline=baseline,
            oddness=s.oddness,
            x=x,
            hostile=then_hostile,
            recent=recent,
            peak=np.maximum(s.peak, _share(recent.away, recent.benign).max(axis=1)),
            benign=s.benign + benign.sum(axis=1),
            away=s.away + turned.sum(axis=1),
            attacks=s.attacks + self.sites * s.hostile.sum(axis=1),
            missed=s.missed + missed.sum(axis=(1, 2)),
        )
        outcome = np.broadcast_to(hostile.astype(np.float64), done.shape)
        return then, Feedback(outcome, let_in.astype(np.float64))

    def measure(self, state: Traffic) -> dict[str, Floats]:
        """The measures now; nobody was turned away before anybody came."""
        s, lately = state, state.recent
        away = _share(lately.away, lately.benign)
        return {
            "turned_away": away.mean(axis=1),
            "worst": away.max(axis=1),
            "peak": s.peak,
            "lost": s.away / np.maximum(s.benign, 1),
            "missed": s.missed / np.maximum(s.attacks, 1),
            "blocked": _share(lately.blocked, lately.visits).mean(axis=1),
            "challenged": _share(lately.challenged, lately.visits).mean(axis=1),
        }

    def _visitors(self, baseline: Floats, oddness: Floats, luck: Luck) -> tuple[Floats, Bools]:
        """The features `(r, m, f, n)` of the next tick's clients as each site sees them, and who is hostile `(r, n)`."""
        r, m, n = len(oddness), self.sites, self.clients
        common = luck.noise("client", (r, FEATURES, n))
        hostile = luck.uniform("hostile", (r, n)) < self.attack
        shared = math.sqrt(self.alike) * common + np.array(self.attack_shift)[:, None] * hostile[:, None]
        x = luck.noise("own", (r, m, FEATURES, n)) * math.sqrt(1 - self.alike)
        x += shared[:, None]
        x += baseline[..., None]
        crowd = (luck.uniform("crowd", (r, n)) < self.crowd) & ~hostile
        x[:, 0] += oddness[:, None, None] * np.array(self.crowd_shift)[:, None] * crowd[:, None]
        return x, hostile


def _share(part: Floats, whole: Floats) -> Floats:
    """The part as a share of the whole, 0 where there is none."""
    return np.asarray(part / np.maximum(whole, 1e-9))
