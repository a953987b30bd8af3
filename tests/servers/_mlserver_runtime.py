"""What the tests' MLServer serves; it runs in MLServer's own environment, which knows nothing of Watchtower."""

import asyncio

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.errors import MLServerError
from mlserver.types import InferenceRequest, InferenceResponse


class Logistic(MLModel):  # type: ignore[misc]  # without types
    """P = sigmoid(X w + b) of `X` [N, k]; [N, 1] as `probability`."""

    async def load(self) -> bool:
        extra = self.settings.parameters.extra
        self.weights, self.bias = np.array(extra["weights"], dtype=np.float32), np.float32(extra.get("bias", 0.0))
        self.pause = float(extra.get("pause", 0.0))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        x = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        await asyncio.sleep(self.pause)
        p = 1 / (1 + np.exp(-(x @ self.weights + self.bias), dtype=np.float32))
        return InferenceResponse(
            model_name=self.name, model_version=self.version, outputs=[NumpyCodec.encode_output("probability", p[:, None].astype(np.float32))]
        )


class Words(MLModel):  # type: ignore[misc]  # without types
    """`country` [N, 1] -> its class as `label`: the text itself, "none" for the empty one."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        words = [each or "none" for each in StringCodec.decode_input(payload.inputs[0])]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[StringCodec.encode_output("label", words)])


class Unwilling(MLModel):  # type: ignore[misc]  # without types
    """Refuses every inference."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        msg = f"{payload.inputs[0].name} is not to my taste"
        raise MLServerError(msg, 400)
