"""Which converter makes ONNX of what a version has instead. Pure: a table of names."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

_ENDPOINT = "or run it where it is served: runner: {kind: open_inference}"
ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "sklearn": "scikit-learn's: skl2onnx.to_onnx makes ONNX of it",
        "xgboost": "XGBoost's: onnxmltools.convert_xgboost makes ONNX of it",
        "lightgbm": "LightGBM's: onnxmltools.convert_lightgbm makes ONNX of it",
        "catboost": "CatBoost's: save_model(…, format='onnx') makes ONNX of it",
        "pytorch": "PyTorch's: torch.onnx.export makes ONNX of it",
        "tensorflow": "TensorFlow's: python -m tf2onnx.convert makes ONNX of it",
        "keras": "Keras': tf2onnx.convert.from_keras makes ONNX of it",
        "spark": "Spark ML's: onnxmltools.convert_sparkml makes ONNX of it",
        "h2o": "H2O's: onnxmltools.convert_h2o makes ONNX of it",
        "transformers": "of Transformers: optimum-cli export onnx makes ONNX of it",
        "tensorrt": "a TensorRT engine, which is bound to one GPU: keep the ONNX file that it was built from beside it",
        "openvino": "OpenVINO's: keep the ONNX file that it was converted from beside it",
        "tflite": "TensorFlow Lite's: python -m tf2onnx.convert --tflite makes ONNX of it",
        "python_function": f"Python code, which nothing converts: export the model inside it as ONNX, {_ENDPOINT}",
        "pickle": "a pickle: skl2onnx.to_onnx makes ONNX of a scikit-learn model, onnxmltools of XGBoost's and LightGBM's",
        "onnx": "ONNX: it needs no converter, name its file",
    }
)
"""What a model is -> what to do, to be read after "is"."""
_SPELLED: Mapping[str, str] = MappingProxyType(
    {"mleap": "spark", "pmdarima": "python_function", "statsmodels": "python_function", "prophet": "python_function"}
)
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "saved_model.pb": "tensorflow",
        "model.savedmodel": "tensorflow",
        "model.graphdef": "tensorflow",
        "model.plan": "tensorrt",
        "model.py": "python_function",
        "xgboost.json": "xgboost",
        "xgboost.ubj": "xgboost",
    }
)
_ENDINGS: Mapping[str, str] = MappingProxyType(
    {
        ".onnx": "onnx",
        ".pkl": "pickle",
        ".pickle": "pickle",
        ".joblib": "sklearn",
        ".skops": "sklearn",
        ".bst": "xgboost",
        ".ubj": "xgboost",
        ".xgb": "xgboost",
        ".lgb": "lightgbm",
        ".cbm": "catboost",
        ".pt": "pytorch",
        ".pth": "pytorch",
        ".mar": "pytorch",
        ".pt2": "pytorch",
        ".h5": "keras",
        ".keras": "keras",
        ".tflite": "tflite",
        ".plan": "tensorrt",
        ".engine": "tensorrt",
        ".safetensors": "transformers",
    }
)


def of_flavors(flavors: Iterable[str]) -> str:
    """Advice for a model of these MLflow flavours: the first that names a library, else that it is Python code; ``is scikit-learn's: …``."""
    named = [_SPELLED.get(each, each) for each in flavors]
    kind = next((each for each in named if each in ADVICE and each not in {"python_function", "onnx"}), "python_function")
    return f"is {ADVICE[kind]}"


def of_files(names: Iterable[str]) -> str:
    """Advice from the names of a version's files: ``model.pt is PyTorch's: …``; "" where none tells what the model is."""
    for name in sorted(names):
        path = PurePosixPath(name)
        kind = _NAMES.get(path.name) or _ENDINGS.get(path.suffix.lower())
        if kind is not None:
            return f"{name} is {ADVICE[kind]}"
    return ""
