"""The reference world in AgentPy: an agent is an object, and steps are called by an AgentList."""

from __future__ import annotations

import agentpy

from tests.bench.rivals.market import Dealt, Markets, Parameters


class Person(agentpy.Agent):
    def setup(self, market: int, place: int) -> None:
        self.market, self.place, self.listens, self.did = market, place, place < self.model.p.listeners, 0.0

    def act(self) -> None:
        town, p = self.model, self.model.of
        dealt = town.markets.dealt
        belief = town.random.gauss(0, 1) if dealt is None else dealt.belief[town.markets.tick][self.market][self.place]
        wants = p.spread * belief
        if self.listens:
            wants = p.trust * town.markets.said[self.market] + (1 - p.trust) * wants
        self.did = max(-p.bound, min(p.bound, wants))


class _Town(agentpy.Model):
    def setup(self) -> None:
        self.of, self.markets = self.p.of, Markets(self.p.of, self.p.dealt)
        p = self.of
        where = [(market, place) for market in range(p.markets) for place in range(p.agents)]
        self.people = agentpy.AgentList(
            self,
            len(where),
            Person,
            market=agentpy.AttrIter([m for m, _ in where]),
            place=agentpy.AttrIter([i for _, i in where]),
        )
        self.groups = [list(self.people)[k * p.agents : (k + 1) * p.agents] for k in range(p.markets)]

    def step(self) -> None:
        self.markets.open()
        self.people.act()
        self.markets.close_on([[person.did for person in people] for people in self.groups])


class Town:
    def __init__(self, p: Parameters, dealt: Dealt | None = None) -> None:
        self.model = _Town({"of": p, "dealt": dealt, "listeners": p.listeners, "steps": 10**9, "seed": 1})
        self.model.sim_setup()

    def play(self, ticks: int) -> list[float]:
        for _ in range(ticks):
            self.model.sim_step()
        return self.model.markets.theta
