"""Log formats: bytes in, columns out."""

from abc import abstractmethod
from collections.abc import Sequence

from watchtower.kinds import Kind
from watchtower.nouns.batch import Catalog, Decoded, Messages


class Format(Kind):
    """Reads the messages of one way to log predictions."""

    @abstractmethod
    def decode(self, messages: Sequence[Messages], catalog: Catalog) -> Decoded:
        """One batch a model, labels, and a rejection for each message that is none; never raises for content."""
