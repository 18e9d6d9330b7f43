"""Trains the two digit classifiers the project ships and writes them as ONNX.

Both are 64-32-10 with ReLU and take raw pixel values 0 to 16: the division by 16 used in training is
folded into the first layer. Only digits-train.bin is trained on; the hold-out is read to print and
record accuracies. Each network is run once in onnxruntime, and what it answered is kept in
tests/vectors/digits-float.json, which the Rust importer is tested against.

    python train_digits.py
"""

import json
import pathlib

import numpy as np
import onnx
import onnxruntime
import sklearn
from onnx import TensorProto, helper, numpy_helper
from sklearn.neural_network import MLPClassifier

ROOT = pathlib.Path(__file__).resolve().parents[2]
ASSETS = ROOT / "node" / "assets"
VECTORS = ROOT / "tests" / "vectors"
SEED = 7
PIXEL_MAX = 16.0
HIDDEN = 32
# What differs between the two: how many training images are used and for how long.
MODELS = {
    "digits-mlp": dict(images=1437, epochs=400, alpha=1e-2),
    "digits-mlp-weak": dict(images=320, epochs=60, alpha=1e-2),
}


def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels as float32 and labels of a record file."""
    rows = np.frombuffer((ASSETS / name).read_bytes(), dtype=np.uint8).reshape(-1, 65)
    return rows[:, :64].astype(np.float32), rows[:, 64].astype(np.int64)


def train(images: int, epochs: int, alpha: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights [out][in] and biases of both layers, for raw pixels."""
    pixels, labels = load("digits-train.bin")
    chosen = np.random.default_rng(SEED).permutation(len(labels))[:images]
    mlp = MLPClassifier(
        hidden_layer_sizes=(HIDDEN,),
        activation="relu",
        solver="adam",
        alpha=alpha,
        batch_size=64,
        learning_rate_init=2e-3,
        max_iter=epochs,
        n_iter_no_change=epochs,
        random_state=SEED,
    )
    mlp.fit(pixels[chosen] / PIXEL_MAX, labels[chosen])
    (w0, w1), (b0, b1) = mlp.coefs_, mlp.intercepts_
    return [
        ((w0.T / PIXEL_MAX).astype(np.float32), b0.astype(np.float32)),
        (w1.T.astype(np.float32), b1.astype(np.float32)),
    ]


def export(name: str, layers: list[tuple[np.ndarray, np.ndarray]]) -> onnx.ModelProto:
    """Gemm, Relu, Gemm; pixels [batch, 64] in, scores [batch, 10] out."""
    (w0, b0), (w1, b1) = layers
    graph = helper.make_graph(
        nodes=[
            helper.make_node("Gemm", ["pixels", "hidden.weight", "hidden.bias"], ["hidden"], "hidden", transB=1),
            helper.make_node("Relu", ["hidden"], ["active"], "active"),
            helper.make_node("Gemm", ["active", "scores.weight", "scores.bias"], ["scores"], "scores", transB=1),
        ],
        name=name,
        inputs=[helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 64])],
        outputs=[helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 10])],
        initializer=[
            numpy_helper.from_array(w0, "hidden.weight"),
            numpy_helper.from_array(b0, "hidden.bias"),
            numpy_helper.from_array(w1, "scores.weight"),
            numpy_helper.from_array(b1, "scores.bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="zkaggle-training")
    model.ir_version = 9
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    pixels, labels = load("digits-holdout.bin")
    vectors = {
        "made_by": "docs/training/train_digits.py",
        "onnxruntime": onnxruntime.__version__,
        "scikit-learn": sklearn.__version__,
        "records": "node/assets/digits-holdout.bin",
        "models": {},
    }
    for name, settings in MODELS.items():
        path = ASSETS / f"{name}.onnx"
        onnx.save(export(name, train(**settings)), path)
        session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
        (scores,) = session.run(["scores"], {"pixels": pixels})
        predictions = scores.argmax(axis=1)
        correct = int((predictions == labels).sum())
        vectors["models"][name] = {
            "correct": correct,
            "total": len(labels),
            "predictions": "".join(str(p) for p in predictions),
            "first_scores": [[float(v) for v in row] for row in scores[:5]],
        }
        print(f"{name}: {path.stat().st_size} bytes, hold-out {correct}/{len(labels)} = {correct / len(labels):.2%}")
    (VECTORS / "digits-float.json").write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    main()
