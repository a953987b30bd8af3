"""Which converter makes ONNX of what a version has instead."""

import pytest

from watchtower.core import converters


@pytest.mark.parametrize(
    ("flavors", "named"),
    [
        (["python_function", "sklearn"], "skl2onnx"),
        (["xgboost", "python_function"], "onnxmltools.convert_xgboost"),
        (["lightgbm"], "onnxmltools.convert_lightgbm"),
        (["pytorch"], "torch.onnx"),
        (["tensorflow"], "tf2onnx"),
        (["keras"], "tf2onnx"),
        (["python_function"], "open_inference"),
        (["prophet", "python_function"], "open_inference"),
        ([], "open_inference"),
    ],
)
def test_a_flavour_names_its_converter(flavors: list[str], named: str) -> None:
    assert named in converters.of_flavors(flavors)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["model.pkl", "metadata.json"], "model.pkl is a pickle: skl2onnx"),
        (["model.pt"], "model.pt is PyTorch's: torch.onnx"),
        (["saved_model.pb", "variables"], "saved_model.pb is TensorFlow's: python -m tf2onnx"),
        (["model.savedmodel"], "model.savedmodel is TensorFlow's"),
        (["model.bst"], "model.bst is XGBoost's: onnxmltools"),
        (["model.plan"], "model.plan is a TensorRT engine"),
        (["net.onnx"], "net.onnx is ONNX: it needs no converter, name its file"),
    ],
)
def test_a_file_names_its_converter(names: list[str], said: str) -> None:
    assert converters.of_files(names).startswith(said)


def test_files_that_say_nothing_have_no_advice() -> None:
    assert converters.of_files(["README.md", "metadata.json"]) == ""
