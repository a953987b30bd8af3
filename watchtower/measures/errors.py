"""What share of the predictions fails."""

from typing import ClassVar

from watchtower.measures import Measure
from watchtower.measures._estimates import estimates, wilson
from watchtower.nouns.score import Scores, View

OK = "ok"


class Errors(Measure):
    """Served rows by status, weighted by 1/sampling; `n` is logged rows, and so are those of the interval (Wilson's).

    share: subject "" is every row whose status is not `ok`, further subjects are each such status that occurs.
    """

    names: ClassVar[tuple[str, ...]] = ("share",)

    def score(self, name: str, view: View) -> Scores:  # noqa: ARG002  there is only one name
        """Subject "" first, then the statuses by name."""
        profile = view.profile
        if profile.rows == 0 or profile.weight <= 0:
            return Scores.none([""], "no rows")
        bad = {status: weight for status, weight in sorted(profile.statuses.items()) if status != OK}
        weights = {"": sum(bad.values()), **bad}
        return estimates({status: wilson(min(1.0, weight / profile.weight), profile.rows) for status, weight in weights.items()}, profile.rows)
