"""Exercise 1, solved: a learning load balancer with a kill switch."""


class MyBalancer:
    """Epsilon-greedy over moving averages of latency and errors; killed, it deals by nominal rates."""

    PENALTY = 1.0  # seconds that a sure error counts as: the deadline

    def __init__(self, rates, rng, explore=0.1, step=0.05):
        self.rates, self.rng, self.explore, self.step = rates, rng, explore, step
        self.latency = [0.0] * len(rates)  # nothing tried yet looks best, so everything is tried
        self.errors = [0.0] * len(rates)
        self.killed = False

    def choose(self):
        """A backend for the next request."""
        if self.killed:
            left = self.rng.random() * sum(self.rates)
            for backend, rate in enumerate(self.rates):
                left -= rate
                if left < 0:
                    return backend
            return len(self.rates) - 1
        if self.rng.random() < self.explore:
            return int(self.rng.random() * len(self.rates))
        cost = [latency + self.PENALTY * errors for latency, errors in zip(self.latency, self.errors, strict=True)]
        return cost.index(min(cost))

    def learn(self, backend, latency, failed):
        """An answer came: move the averages of its backend, killed or not."""
        self.latency[backend] += self.step * (latency - self.latency[backend])
        self.errors[backend] += self.step * (failed - self.errors[backend])

    def kill(self):
        """From the next choice on nothing that was learnt counts."""
        self.killed = True

    def revive(self):
        """Back to what was learnt, also meanwhile."""
        self.killed = False
