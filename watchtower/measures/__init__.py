"""Any other named number that rules can use."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from watchtower.kinds import Kind
from watchtower.nouns.score import Scores, View


class Measure(Kind):
    """A family of named numbers about one (version, segment) of a closed window; the file name is the family."""

    names: ClassVar[tuple[str, ...]]
    tested: ClassVar[frozenset[str]] = frozenset()
    of_model: ClassVar[frozenset[str]] = frozenset()
    """Names that are the whole model's, told with version ""."""
    parameters: ClassVar[Mapping[str, Mapping[str, tuple[int, ...]]]] = {}
    """Name -> parameter -> the values that it may have."""
    is_open: ClassVar[bool] = False
    """Whether settings may add names (what a meter reads); all of an open family's names are the whole model's."""

    @abstractmethod
    def score(self, name: str, view: View) -> Scores:
        """The score of *name* (one of :attr:`names`) for every subject that has or lacks one, with reasons."""
