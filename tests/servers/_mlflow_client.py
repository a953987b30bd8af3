"""Runs in MLflow's own environment: logs and registers the models of a plan, as a training job would. `_mlflow_client.py ADDRESS < plan`.

The plan is {name, versions: [{flavor: onnx | external | sklearn, weight, params, metrics, data, user}]}; prints [{version, run, uri}].
"""

import json
import sys
from typing import Any

import mlflow
import numpy as np
import onnx
import pandas as pd
from mlflow.data.pandas_dataset import from_pandas
from onnx import TensorProto, helper, numpy_helper


def linear(weight: float, wide: int) -> onnx.ModelProto:
    """P = sigmoid(mean of X times weight), X float [N, wide]; wide weights become external data."""
    weights = np.full((wide, 1), weight / wide, dtype=np.float32)
    nodes = [helper.make_node("MatMul", ["X", "w"], ["logit"]), helper.make_node("Sigmoid", ["logit"], ["probability"])]
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, wide])]
    outputs = [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model


def log(name: str, version: dict[str, Any]) -> Any:
    """Logs one model as *version* says, in the run that is open."""
    if version["flavor"] == "sklearn":
        from sklearn.linear_model import LogisticRegression

        fitted = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
        return mlflow.sklearn.log_model(fitted, name="model", pip_requirements=["scikit-learn"], registered_model_name=name, serialization_format="cloudpickle")
    wide = 4096 if version["flavor"] == "external" else 2
    return mlflow.onnx.log_model(linear(version.get("weight", 1.0), wide), name="model", pip_requirements=["onnx"], registered_model_name=name)


def main() -> None:
    """Registers the plan's versions in order."""
    plan = json.load(sys.stdin)
    mlflow.set_tracking_uri(sys.argv[1])
    made = []
    for version in plan["versions"]:
        tags = {"mlflow.user": version["user"]} if "user" in version else {}
        with mlflow.start_run(tags=tags) as run:
            mlflow.log_params(version.get("params", {}))
            mlflow.log_metrics(version.get("metrics", {}))
            if "data" in version:
                rows = pd.DataFrame({"amount": [1.0, 2.0]})
                mlflow.log_input(from_pandas(rows, source=version["data"], name=version["data"].rpartition("/")[2]), context="training")
            logged = log(plan["name"], version)
        made.append({"version": str(logged.registered_model_version), "run": run.info.run_id, "uri": logged.model_uri})
    print(json.dumps(made))


if __name__ == "__main__":
    main()
