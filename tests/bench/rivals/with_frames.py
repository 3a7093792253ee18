"""The reference world in mesa-frames: agents are rows of a data frame, and a step is an expression over its columns.

mesa-frames 0.1 needs NumPy below 2, so it is in no extra: `pip install mesa-frames "numpy<2" simlab` into a venv of its own.
"""

from __future__ import annotations

import mesa_frames
import numpy as np
import polars as pl

from tests.bench.rivals.market import Dealt, Markets, Parameters


class People(mesa_frames.AgentSetPolars):
    def __init__(self, model: _Town) -> None:
        super().__init__(model)
        p = model.p
        who = np.arange(p.markets * p.agents)
        self += pl.DataFrame(
            {
                "unique_id": who,
                "market": who // p.agents,
                "weight": np.where(who % p.agents < p.listeners, p.spread * (1 - p.trust), p.spread),
                "trust": np.where(who % p.agents < p.listeners, p.trust, 0.0),
                "act": np.zeros(len(who)),
            }
        )

    def step(self) -> None:
        town, p = self.model, self.model.p
        dealt, markets = town.dealt, town.markets
        belief = town.rng.standard_normal(len(self)) if dealt is None else dealt.belief[markets.tick].ravel()
        said = np.asarray(markets.said).repeat(p.agents)
        wants = pl.col("trust") * pl.lit(pl.Series(said)) + pl.col("weight") * pl.lit(pl.Series(belief))
        self.agents = self.agents.with_columns(wants.clip(-p.bound, p.bound).alias("act"))


class _Town(mesa_frames.ModelDF):
    def __init__(self, p: Parameters, dealt: Dealt | None) -> None:
        super().__init__()
        self.p, self.dealt, self.markets = p, dealt, Markets(p, dealt)
        self.rng = np.random.Generator(np.random.SFC64(1))
        self.agents += People(self)

    def step(self) -> None:
        self.markets.open()
        self.agents.do("step")
        frame = self.get_agents_of_type(People).agents
        act = pl.col("act")
        found = (
            frame.group_by("market").agg(act.mean().alias("mean"), (act * act).mean().alias("square")).sort("market")
        )
        self.markets.close(found["mean"].to_list(), found["square"].to_list())


class Town:
    def __init__(self, p: Parameters, dealt: Dealt | None = None) -> None:
        self.model = _Town(p, dealt)

    def play(self, ticks: int) -> list[float]:
        for _ in range(ticks):
            self.model.step()
        return self.model.markets.theta
