"""The version itself."""

from typing import ClassVar

from watchtower.measures import Measure
from watchtower.nouns.score import Scores, View


class Version(Measure):
    """age: seconds from the start of the first window in which the version served to the end of this one; `n` is this window's logged rows."""

    names: ClassVar[tuple[str, ...]] = ("age",)

    def score(self, name: str, view: View) -> Scores:  # noqa: ARG002  there is one
        """Subject ""."""
        if view.began is None or view.end is None:
            return Scores.none([""], "not known when it served first", [view.profile.rows])
        return Scores.one((view.end - view.began).total_seconds(), view.profile.rows)
