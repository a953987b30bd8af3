"""What the analysis of a version's re-run reference rows leaves behind."""

from dataclasses import dataclass

from watchtower.nouns.batch import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """How often a version's scores were right, by the prediction's cells; arrays are float64[inside + 2]: the inside cells, then below and above.

    Attributes:
        binning: id of the binning whose cells these are.
        high_share: share of the cell's scores that are ½ or more, and so count as positive.
        high: P(positive) of those, low: of the others; both isotonic in the score.
        rows: labelled reference rows behind each cell; labelled: all of them.
    """

    binning: str
    high_share: Floats
    high: Floats
    low: Floats
    rows: Ints
    labelled: int
