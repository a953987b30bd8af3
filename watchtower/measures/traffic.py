"""How much is served, by which version, by which instances."""

from typing import ClassVar, Literal, assert_never, cast, get_args

from watchtower.measures import Measure
from watchtower.nouns.score import Scores, View

Name = Literal["rate", "share", "imbalance"]


class Traffic(Measure):
    """Counts of served rows, weighted by 1/sampling; `n` is logged rows.

    rate: served predictions per second of the whole model (version ""), 0 for an empty window. share: this version's part of them.
    imbalance: the busiest instance's weight over the mean instance's, less 1: 0 is even, 1 is twice its due.
    """

    names: ClassVar[tuple[str, ...]] = get_args(Name)
    of_model: ClassVar[frozenset[str]] = frozenset({"rate"})

    def score(self, name: str, view: View) -> Scores:
        """One score, subject ""."""
        which = cast("Name", name)
        match which:
            case "rate":
                return Scores.one(sum(each.weight for each in view.siblings.values()) / view.seconds, sum(each.rows for each in view.siblings.values()))
            case "share":
                return _share(view)
            case "imbalance":
                return _imbalance(view)
            case _:
                assert_never(which)


def _share(view: View) -> Scores:
    total = sum(each.weight for each in view.siblings.values())
    return Scores.one(view.profile.weight / total, view.profile.rows) if total > 0 else Scores.none([""], "no rows")


def _imbalance(view: View) -> Scores:
    weights = [weight for weight in view.profile.instances.values() if weight > 0]
    if not weights:
        return Scores.none([""], "no instances logged" if view.profile.rows else "no rows", [view.profile.rows])
    return Scores.one(max(weights) * len(weights) / sum(weights) - 1, view.profile.rows)
