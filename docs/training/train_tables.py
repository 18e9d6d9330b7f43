"""Trains the tree ensembles the project ships: a scikit-learn forest and an XGBoost ensemble.

The table is scikit-learn's breast cancer data (W. Wolberg and others, UCI, CC BY 4.0): 569 rows of 30
measurements. Each becomes one byte, its place between the smallest and the largest training value, so
that a record is 30 bytes and the label; trees decide on these bytes exactly.

    python train_tables.py
"""

import pathlib

import numpy as np
import onnx
import onnxruntime
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from xgboost import XGBClassifier

ASSETS = pathlib.Path(__file__).resolve().parents[2] / "node" / "assets"
SEED = 7


def main():
    x, y = load_breast_cancer(return_X_y=True)
    x, test_x, y, test_y = train_test_split(x, y, test_size=0.25, stratify=y, random_state=SEED)
    low, high = x.min(0), x.max(0)
    to_bytes = lambda v: np.clip(np.round((v - low) / (high - low) * 255), 0, 255).astype(np.uint8)
    x, test_x = to_bytes(x), to_bytes(test_x)
    for name, px, py in (("cancer-train", x, y), ("cancer-holdout", test_x, test_y)):
        (ASSETS / f"{name}.bin").write_bytes(np.column_stack([px, py.astype(np.uint8)]).tobytes())
    x, test_x = x.astype(np.float32), test_x.astype(np.float32)
    opset = {"": 17, "ai.onnx.ml": 3}
    forest = RandomForestClassifier(40, max_depth=6, random_state=SEED).fit(x, y)
    boosted = XGBClassifier(n_estimators=40, max_depth=3, learning_rate=0.2, random_state=SEED, n_jobs=1).fit(x, y)
    files = {
        "cancer-forest": to_onnx(forest, x[:1], options={id(forest): {"zipmap": False}}, target_opset=opset),
        "cancer-boosted": convert_xgboost(boosted, initial_types=[("x", FloatTensorType([None, 30]))], target_opset=15),
    }
    for name, model in files.items():
        path = ASSETS / f"{name}.onnx"
        onnx.save(model, path)
        session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
        labels = session.run(None, {session.get_inputs()[0].name: test_x})[0].ravel()
        correct = int((labels == test_y).sum())
        print(f"{name}: {path.stat().st_size} bytes, hold-out {correct}/{len(test_y)} = {correct / len(test_y):.2%}")


if __name__ == "__main__":
    main()
