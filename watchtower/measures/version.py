"""The version itself."""

from typing import ClassVar

from watchtower.measures import Measure
from watchtower.nouns.score import Scores, View


class Version(Measure):
    """age: seconds from the start of the first window in which the version served to the end of this one; `n` is this window's logged rows.

    rollback_ready: 1 where the last drill found that the model could be gone back with, 0 where not; `n` is 1, the drill. Nothing in a segment.
    """

    names: ClassVar[tuple[str, ...]] = ("age", "rollback_ready")

    def score(self, name: str, view: View) -> Scores:
        """Subject ""."""
        if name == "rollback_ready":
            found = "a model is gone back with as a whole" if view.segment else view.rollback_ready
            return Scores.none([""], found) if isinstance(found, str) else Scores.one(found, 1)
        if view.began is None or view.end is None:
            return Scores.none([""], "not known when it served first", [view.profile.rows])
        return Scores.one((view.end - view.began).total_seconds(), view.profile.rows)
