"""A score below a bound."""

import numpy as np

from watchtower.conditions._bounded import Bounded
from watchtower.nouns.batch import Flags, Floats


class Below(Bounded):
    """Finds every subject whose score is less than *value*, and not by chance."""

    def beyond(self, values: Floats, bound: float) -> Flags:
        """Which of *values* are less than *bound*; NaN is not."""
        with np.errstate(invalid="ignore"):
            found: Flags = values < bound
        return found
