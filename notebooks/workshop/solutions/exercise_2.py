"""Exercise 2, solved: four monitors, each of which looks at what tells a loop from its double."""

import numpy as np

from simlab.detectors import loop_gain, moving


class MyMonitors:
    """One method for each way in which models and what they learn from may be tied together."""

    def feeds_back(self, recording):
        """Whether what the models say changes what they learn from: reality follows noise that we added."""
        gain = loop_gain(recording.nudges, recording.predictions, recording.reality)
        return bool(abs(gain.together) > 4 * gain.together_error)

    def cascades(self, recording):
        """Whether an error arrives larger than it entered: the product of its gains along the steepest path."""
        errors = recording.errors
        arrives = [1.0] * errors.shape[1]
        for model, upstream in enumerate(recording.reads):  # a model comes after those that it reads
            gains = [abs(np.polyfit(errors[:, above], errors[:, model], 1)[0]) * arrives[above] for above in upstream]
            arrives[model] = max(gains, default=1.0)
        return bool(arrives[-1] > 1)

    def correlated(self, recording):
        """Whether the models err together: the mean correlation of two models' errors, against half."""
        rho = np.corrcoef(recording.errors.T)
        return bool(rho[np.triu_indices(len(rho), 1)].mean() > 0.5)

    def departs(self, recording):
        """Whether predictions have left reality: the drift of their difference, in standard deviations of reality."""
        drift = moving(recording.predictions.mean(axis=1), recording.reality.mean(axis=1), window=60)
        return bool(abs(drift.difference[-1]) > 1)
