"""How long the steps of a plan may take, fixed when it opens."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """What the settings said when the plan opened, so that a later edit changes no rollback that is under way."""

    approval_within: timedelta = timedelta(hours=24)
    """An approval that nobody gave by then is no longer asked for."""
    verify_within: timedelta = timedelta(minutes=10)
    """The traffic must show the candidate serving within this, after the switch."""
    resolve_within: timedelta = timedelta(minutes=10)
    """The alerts must have resolved within this, after the traffic showed it."""
    forward: bool = False
    """Whether to switch back to the former live version, once, where going back did not help."""
    reach_within: timedelta = timedelta(minutes=5)
    """A target that cannot be reached, or is too busy, is called again for this long."""


AS_USUAL = Limits()
