"""A runner whose device never has room; the child that runs it imports it from here."""

from collections.abc import Sequence

from watchtower.model_stores import Artefact
from watchtower.runners import Room
from watchtower.runners.onnx import Onnx

REASON = "headroom: GPU 0 (X) has 1.00 of 80.00 GiB free < 8.00 GiB"


class Crowded(Onnx):
    """As onnx, on a device that is full."""

    def room(self, artefacts: Sequence[Artefact], device: str) -> Room:
        """None."""
        del artefacts
        return Room(device, waits=REASON)
