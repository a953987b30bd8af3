"""Read machines: GPUs, resources. Its kinds come with the issue on measures."""

from abc import abstractmethod

from watchtower.kinds import Kind


class Meter(Kind):
    """Frozen settings of one meter."""

    @abstractmethod
    def open(self) -> object:
        """Prepares to read."""
