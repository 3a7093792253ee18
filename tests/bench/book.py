"""A plain book of single orders in two heaps: what the auction kernel is held against, for results and for speed."""

from __future__ import annotations

from heapq import heappop, heappush


class Book:
    """Limit orders, best price first and first come first served within a price."""

    def __init__(self) -> None:
        self.bids: list[tuple[float, int, float]] = []
        self.asks: list[tuple[float, int, float]] = []
        self.count = 0

    def buy(self, limit: float, size: float) -> None:
        self.count += 1
        heappush(self.bids, (-limit, self.count, size))

    def sell(self, limit: float, size: float) -> None:
        self.count += 1
        heappush(self.asks, (limit, self.count, size))

    def cross(self) -> tuple[float, float, float]:
        """Match best against best until prices no longer cross: the volume, and the limits of the last pair that traded."""
        volume, bid, ask = 0.0, 0.0, 0.0
        while self.bids and self.asks and -self.bids[0][0] >= self.asks[0][0]:
            buy, sell = heappop(self.bids), heappop(self.asks)
            size = min(buy[2], sell[2])
            volume, bid, ask = volume + size, -buy[0], sell[0]
            if buy[2] > size:
                heappush(self.bids, (buy[0], buy[1], buy[2] - size))
            if sell[2] > size:
                heappush(self.asks, (sell[0], sell[1], sell[2] - size))
        return volume, bid, ask
