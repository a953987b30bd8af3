"""What is played: all that the demo's run depends on."""

from dataclasses import dataclass
from enum import StrEnum

MODEL = "credit"


class Scenario(StrEnum):
    """Which story is told."""

    ROLLBACK = "rollback"
    DATA_DRIFT = "data-drift"


@dataclass(frozen=True, slots=True)
class Scene:
    """One run.

    *seed* says which weights are damaged, how and how much, which inputs drift, and what the traffic is. *good* serves first, *new*
    goes live later and is damaged, unless it is the inputs that drift. Times are in seconds.
    """

    seed: int = 1
    scenario: Scenario = Scenario.ROLLBACK
    good: str = "1"
    new: str = "2"
    rate: float = 130.0
    """Requests a second, on average over a day."""
    day: float = 24.0
    """How long a day of the traffic takes."""
    warm_up: float = 10.0
    """The good version serves so long before the new one goes live."""
    before_drift: float = 12.0
    """The new version serves so long before the inputs drift."""
    within: float = 110.0
    """When the story must be at its end."""
