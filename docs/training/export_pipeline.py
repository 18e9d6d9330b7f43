"""Writes what a scikit-learn user would hand in: a whole pipeline, exported by skl2onnx.

Scaler, Cast, MatMul, Add, Relu, MatMul, Add, Softmax, and beside the probabilities a label that comes
from operators outside the standard set. The Rust importer is tested on it and on the probabilities
that onnxruntime computes.

    python export_pipeline.py   # writes tests/vectors/pipeline.onnx and pipeline-float.json
"""

import json

import onnxruntime
import skl2onnx
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from train_digits import SEED, VECTORS, load


def main() -> None:
    pixels, labels = load("digits-train.bin")
    mlp = MLPClassifier(hidden_layer_sizes=(8,), max_iter=60, random_state=SEED)
    pipeline = make_pipeline(StandardScaler(), mlp).fit(pixels, labels)
    model = skl2onnx.to_onnx(pipeline, pixels[:1], options={id(mlp): {"zipmap": False}}, target_opset=17)
    path = VECTORS / "pipeline.onnx"
    path.write_bytes(model.SerializeToString())
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    holdout, _ = load("digits-holdout.bin")
    (probabilities,) = session.run(["probabilities"], {"X": holdout[:20]})
    vectors = {
        "made_by": "docs/training/export_pipeline.py",
        "onnxruntime": onnxruntime.__version__,
        "skl2onnx": skl2onnx.__version__,
        "records": "the first 20 of node/assets/digits-holdout.bin",
        "probabilities": [[float(v) for v in row] for row in probabilities],
    }
    (VECTORS / "pipeline-float.json").write_text(json.dumps(vectors, indent=1) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes, {[n.op_type for n in model.graph.node]}")


if __name__ == "__main__":
    main()
