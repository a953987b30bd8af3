"""Which features matter to the live version now."""

from typing import ClassVar

from watchtower.measures import Measure
from watchtower.nouns.score import Scores, View


class Importance(Measure):
    """What re-running the live version with one feature after the other shuffled says.

    ndcg (subject ""): how alike the ranking of features on the window's rows is to that on the reference's, 1 the same, smaller is worse.
    The live version's whole only; `n` counts the rows that were run.
    """

    names: ClassVar[tuple[str, ...]] = ("ndcg",)

    def score(self, name: str, view: View) -> Scores:
        """What the analysis child found; else why it found nothing."""
        del name
        if view.analysed is not None:
            return view.analysed
        if view.binning is None:
            return Scores.none([""], view.reason)
        return Scores.none([""], "no rows" if view.profile.rows == 0 else "only the live version's whole is analysed")
