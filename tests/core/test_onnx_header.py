"""What an ONNX file says of itself, beside what the onnx package reads from it."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from tests.runners.models import logistic
from watchtower.core.onnx_header import read_header


def wide() -> onnx.ModelProto:
    """Two weights that are large enough to lie outside, one of them inside a branch."""
    inner = helper.make_graph([helper.make_node("Identity", ["deep"], ["out"])], "inner", [], [helper.make_tensor_value_info("out", TensorProto.FLOAT, [64])])
    inner.initializer.append(numpy_helper.from_array(np.ones(64, dtype=np.float32), "deep"))
    nodes = [helper.make_node("If", ["yes"], ["y"], then_branch=inner, else_branch=inner)]
    tensors = [numpy_helper.from_array(np.ones(64, dtype=np.float32), "shallow")]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("yes", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [64])],
        tensors,
    )
    model = helper.make_model(graph, producer_name="trainer", producer_version="1.2", opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model


def outside(tensor: onnx.TensorProto, name: str) -> None:
    raw = tensor.raw_data
    onnx.external_data_helper.set_external_data(tensor, name, offset=0, length=len(raw))
    tensor.ClearField("raw_data")


def test_operator_sets_and_producer_are_those_that_onnx_reads() -> None:
    blob = logistic([1.0, 2.0])
    known, found = onnx.load_from_string(blob), read_header(blob)
    assert found is not None
    assert dict(found.opset) == {each.domain: each.version for each in known.opset_import} == {"": 17, "ai.onnx.ml": 3}
    assert found.external == ()


def test_tensors_that_lie_outside_are_found_in_branches_too() -> None:
    model = wide()
    outside(model.graph.initializer[0], "shallow.bin")
    for attribute in model.graph.node[0].attribute:
        outside(attribute.g.initializer[0], "parts/deep.bin")
    found = read_header(model.SerializeToString())
    assert found is not None
    assert found.external == ("parts/deep.bin", "shallow.bin")
    assert found.producer == "trainer 1.2"


def test_onnx_own_way_to_write_them_is_read(tmp_path: Path) -> None:
    onnx.save_model(wide(), str(tmp_path / "model.onnx"), save_as_external_data=True, location="model.onnx.data", size_threshold=16)
    found = read_header((tmp_path / "model.onnx").read_bytes())
    assert found is not None
    assert found.external == ("model.onnx.data",)


@pytest.mark.parametrize("blob", [b"", b"model", b"\x00", b"\xff" * 40, logistic([1.0])[:-3]])
def test_what_is_no_onnx_file_has_no_header(blob: bytes) -> None:
    assert read_header(blob) is None


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_raise_nothing(blob: bytes) -> None:
    read_header(blob)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_file_raises_nothing(at: int, byte: int) -> None:
    blob = bytearray(logistic([1.0, 2.0]))
    blob[at % len(blob)] = byte
    read_header(bytes(blob))
