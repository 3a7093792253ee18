"""The reference world in Mesa: an agent is an object, and steps are called by an AgentSet."""

from __future__ import annotations

import mesa

from tests.bench.rivals.market import Dealt, Markets, Parameters


class Person(mesa.Agent):
    def __init__(self, model: Town, market: int, place: int) -> None:
        super().__init__(model)
        self.market, self.place, self.listens, self.did = market, place, place < model.p.listeners, 0.0

    def step(self) -> None:
        town, p = self.model, self.model.p
        dealt = town.markets.dealt
        belief = town.random.gauss(0, 1) if dealt is None else dealt.belief[town.markets.tick][self.market][self.place]
        wants = p.spread * belief
        if self.listens:
            wants = p.trust * town.markets.said[self.market] + (1 - p.trust) * wants
        self.did = max(-p.bound, min(p.bound, wants))


class Town(mesa.Model):
    def __init__(self, p: Parameters, dealt: Dealt | None = None) -> None:
        super().__init__(seed=1)
        self.p, self.markets = p, Markets(p, dealt)
        self.people = [[Person(self, market, i) for i in range(p.agents)] for market in range(p.markets)]

    def step(self) -> None:
        self.markets.open()
        self.agents.do("step")
        self.markets.close_on([[person.did for person in people] for people in self.people])

    def play(self, ticks: int) -> list[float]:
        for _ in range(ticks):
            self.step()
        return self.markets.theta
