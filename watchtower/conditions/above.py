"""A score above a bound."""

import numpy as np

from watchtower.conditions._bounded import Bounded
from watchtower.nouns.batch import Flags, Floats


class Above(Bounded):
    """Finds every subject whose score is greater than *value*, and not by chance."""

    def beyond(self, values: Floats, bound: float) -> Flags:
        """Which of *values* are greater than *bound*; NaN is not."""
        with np.errstate(invalid="ignore"):
            found: Flags = values > bound
        return found
