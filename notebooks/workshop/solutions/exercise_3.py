"""Exercise 3, solved: everything that a service needs is its own, and neighbours are built differently."""


def design(services):
    """Own brain, own data and own store for each; two kinds of learner in turn."""
    own = list(range(services))
    return {
        "brain": [{"ridge": {}}, {"mean": {}}],
        "topology": {
            "brain_of": own,
            "view_of": own,
            "data_of": own,
            "taught_by": own,
            "kind_of": [service % 2 for service in own],
        },
    }
