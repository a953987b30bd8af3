"""Where a plan stands."""

from enum import StrEnum


class Step(StrEnum):
    """Where a plan stands."""

    ON_TRIAL = "on_trial"
    AWAITING_APPROVAL = "awaiting_approval"
    SWITCHING = "switching"
    VERIFYING = "verifying"
    RETURNING = "returning"
    """Going back did not help, and the former live version is being switched to again."""
    ROLLED_BACK = "rolled_back"
    HELD = "held"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        """Whether the plan can still move."""
        return self in {Step.ON_TRIAL, Step.AWAITING_APPROVAL, Step.SWITCHING, Step.VERIFYING, Step.RETURNING}
