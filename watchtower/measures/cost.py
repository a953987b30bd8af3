"""What predictions cost."""

from typing import ClassVar

from watchtower.measures import Measure
from watchtower.measures._devices import shares
from watchtower.nouns.score import Scores, View


class Cost(Measure):
    """per_thousand: what a thousand predictions cost, in the currency of `cost: {device_hour: …}`.

    Σ over devices of the model's share (see `gpu.model_share`) x price an hour x hours of the windows, over the predictions (weighted by 1/sampling),
    x 1000: idle time is borne by those who compute, in the proportion in which they do. `n` is the logged rows.
    """

    names: ClassVar[tuple[str, ...]] = ("per_thousand",)
    of_model: ClassVar[frozenset[str]] = frozenset(names)

    def score(self, name: str, view: View) -> Scores:  # noqa: ARG002  there is one
        """Subject ""."""
        rows = sum(each.rows for each in view.siblings.values())
        weight = sum(each.weight for each in view.siblings.values())
        if view.settings.cost is None:
            return Scores.none([""], "no cost configured: say cost: {device_hour: …}", [rows])
        if not weight:
            return Scores.none([""], "no rows")
        found = shares(view)
        lacking = next((each for each in found.values() if isinstance(each, str)), None)
        if lacking is not None:
            return Scores.none([""], lacking, [rows])
        devices = sum(each[0] for each in found.values() if not isinstance(each, str))
        return Scores.one(devices * view.settings.cost.device_hour * view.seconds / 3600 / weight * 1000, rows)
