"""Which GPU NVML must be asked about."""

import pytest

from watchtower.edges.gpu import visible
from watchtower.nouns.errors import Unavailable


@pytest.mark.parametrize(
    ("number", "listed", "found"),
    [(1, None, 1), (0, "3,1", 3), (1, "3,1", 1), (0, "GPU-8f3c, GPU-77aa", "GPU-8f3c"), (0, "MIG-1234", "MIG-1234")],
)
def test_cudas_number_is_nvmls_place_or_uuid(number: int, listed: str | None, found: int | str) -> None:
    assert visible(number, {} if listed is None else {"CUDA_VISIBLE_DEVICES": listed}) == found


@pytest.mark.parametrize("listed", ["", "-1", "2"])
def test_a_hidden_gpu_is_not_asked_about(listed: str) -> None:
    with pytest.raises(Unavailable, match="hides GPU 1"):
        visible(1, {"CUDA_VISIBLE_DEVICES": listed})
