"""Writes tests/vectors/models-float.json: what onnxruntime answers for the shipped models on drawn samples.

    python model_vectors.py
"""

import json
import pathlib

import numpy as np
import onnxruntime

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = {"digits-cnn": ([1, 8, 8], 16), "mnist-circomlib": ([1, 28, 28], 255), "mnist-lenet5": ([1, 28, 28], 255),
          "cancer-forest": ([30], 255), "cancer-boosted": ([30], 255)}


def main():
    out = {}
    for name, (shape, largest) in MODELS.items():
        rng = np.random.default_rng(3)
        x = rng.integers(0, largest + 1, [4] + shape)
        session = onnxruntime.InferenceSession(str(ROOT / "node/assets" / f"{name}.onnx"))
        answers = session.run(None, {session.get_inputs()[0].name: x.astype(np.float32)})
        # Classifiers of tables answer with a label first.
        out[name] = {"input": x.reshape(4, -1).tolist(), "output": answers[0].reshape(4, -1).astype(float).tolist()}
    (ROOT / "tests/vectors/models-float.json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
