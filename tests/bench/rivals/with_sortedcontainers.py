"""A book of limit orders as Python programs keep it: a `SortedDict` a side, from level to the queue of what rests there.

sortedcontainers 2.4, one of the fastest sorted maps for Python. Best price first, first come first served within a price.
"""

from __future__ import annotations

from collections import deque

from sortedcontainers import SortedDict


class Book:
    """Orders rest, or are met on arrival; `traded` is what was traded so far."""

    def __init__(self) -> None:
        self.bids, self.asks = SortedDict(), SortedDict()
        self.traded = 0.0

    def rest(self, buys: bool, limit: int, size: float) -> None:
        """Put an order into the book, whatever stands on the other side."""
        side = self.bids if buys else self.asks
        queue = side.get(limit)
        if queue is None:
            side[limit] = queue = deque()
        queue.append(size)

    def trade(self, buys: bool, limit: int, size: float) -> None:
        """A message to a continuous book: meet the other side as far as the limit allows, and rest with what is left."""
        other = self.asks if buys else self.bids
        while size > 0 and other:
            level, queue = other.peekitem(0 if buys else -1)
            if (level > limit) if buys else (level < limit):
                break
            size = self._meet(queue, size)
            if not queue:
                del other[level]
        if size > 0:
            self.rest(buys, limit, size)

    def _meet(self, queue: deque[float], size: float) -> float:
        """Trade with those in a queue, in turn; what is left of `size`."""
        while size > 0 and queue:
            if queue[0] > size:
                queue[0] -= size
                self.traded += size
                return 0.0
            first = queue.popleft()
            size -= first
            self.traded += first
        return size

    def cross(self) -> float:
        """A call auction of what rests: match best with best until prices no longer cross; what was traded."""
        bids, asks = self.bids, self.asks
        while bids and asks and bids.peekitem(-1)[0] >= asks.peekitem(0)[0]:
            (bid, buyers), (ask, sellers) = bids.peekitem(-1), asks.peekitem(0)
            while buyers and sellers:
                left = self._meet(sellers, buyers.popleft())
                if left > 0:
                    buyers.appendleft(left)
            if not buyers:
                del bids[bid]
            if not sellers:
                del asks[ask]
        return self.traded
