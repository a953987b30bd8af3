"""Conditions of targets."""

from watchtower.nouns.errors import RollbackError


class Moved(RollbackError):  # noqa: N818  a condition of RollbackError, not a reaction of its own
    """The target names neither the candidate nor what was expected: somebody else switched meanwhile, and nothing was done."""

    def __init__(self, where: str, expected: str | None, found: str | None, *, since: str = "") -> None:
        """*since*: what else shows that somebody wrote it, where it names *expected* again."""
        seen = since or f"names {found or 'nothing'}, not {expected or 'nothing'}"
        super().__init__(f"{where} {seen}: nothing was switched")
        self.found = found
