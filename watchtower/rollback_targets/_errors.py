"""Conditions of targets."""

from watchtower.nouns.errors import RollbackError


class Moved(RollbackError):  # noqa: N818  a condition of RollbackError, not a reaction of its own
    """The target names neither the candidate nor what was expected: somebody else switched meanwhile, and nothing was done."""

    def __init__(self, where: str, expected: str | None, found: str | None) -> None:
        super().__init__(f"{where} names {found or 'nothing'}, not {expected or 'nothing'}: nothing was switched")
        self.found = found
