"""Writes tests/vectors/keras: small Keras models in both formats, and what Keras answers.

    python keras_fixtures.py        (KERAS_BACKEND=jax or torch)

One model, `cnn`, is written as ONNX as well, node by node from the same weights, so that both
readers can be held against each other.
"""

import json
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import keras
import numpy as np
import onnx
from keras import layers as L
from onnx import TensorProto, helper, numpy_helper

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/vectors/keras"
SEED = 5


def cnn():
    return keras.Sequential([
        keras.Input((7, 6, 2)), L.Conv2D(3, 3, padding="same", activation="relu"), L.BatchNormalization(),
        L.AveragePooling2D(2), L.Conv2D(4, 2), L.ReLU(), L.Flatten(), L.Dense(5, activation="relu"),
        L.Dropout(0.5), L.Dense(3, activation="softmax")])


def layers():
    return keras.Sequential([
        keras.Input((8, 8, 2)), L.Rescaling(1 / 128), L.ZeroPadding2D(((1, 0), (2, 1))),
        L.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2), L.LeakyReLU(negative_slope=0.1),
        L.SeparableConv2D(3, 2, padding="same", activation="hard_silu"), L.UpSampling2D((2, 3)),
        L.MaxPooling2D(3, strides=2, padding="same"), L.Cropping2D(((1, 0), (0, 2))),
        L.Conv2D(4, 3, dilation_rate=2, padding="same", groups=1, activation="tanh"), L.ReLU(max_value=0.5),
        L.GlobalMaxPooling2D(), L.Activation("sigmoid"), L.Dense(4)])


def transposed(padding, stride, kernel):
    return keras.Sequential([
        keras.Input((4, 3, 2)), L.Conv2DTranspose(3, kernel, strides=stride, padding=padding, activation="relu6"),
        L.GlobalAveragePooling2D(), L.Dense(2)])


def branches():
    i = keras.Input((6, 6, 2))
    x = L.Conv2D(4, 3, padding="same", use_bias=False)(i)
    x = L.BatchNormalization(scale=False)(x)
    x = L.Activation("relu")(x)
    y = L.Conv2D(4, 1)(i)
    x = L.Add()([x, y])
    square = L.Multiply()([x, x])
    x = L.Add()([square, x])
    gate = L.GlobalAveragePooling2D(keepdims=True)(x)
    gate = L.Conv2D(4, 1, activation="hard_sigmoid")(gate)
    x = L.Multiply()([x, gate])
    x = L.Concatenate()([x, y])
    x = L.Subtract()([L.Conv2D(8, 1, activation="silu")(x), x])
    x = L.Reshape((9, 32))(x)
    x = L.Conv1D(3, 3, strides=2, activation="relu")(x)
    x = L.GlobalAveragePooling1D()(x)
    return keras.Model(i, L.Dense(1, activation="sigmoid")(x))


def signal():
    return keras.Sequential([
        keras.Input((20, 3)), L.Conv1D(4, 5, padding="causal", dilation_rate=2, activation="relu"), L.MaxPooling1D(2),
        L.Dense(5, activation="tanh"), L.AveragePooling1D(2), L.Flatten(), L.Dense(2)])


def randomise(model, rng):
    for w in model.weights:
        if "seed" in w.path:
            continue
        v = rng.normal(0, 0.5, w.shape)
        w.assign(np.abs(v) + 0.5 if "variance" in w.path else v)


def twin(model):
    """`cnn` as ONNX: the same numbers, channels first inside."""
    w = [np.asarray(v) for layer in model.layers for v in layer.weights if "seed" not in v.path]
    nodes, inits = [], []

    def const(name, array):
        inits.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def op(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    x = op("Transpose", ["image"], "first", perm=[0, 3, 1, 2])
    x = op("Conv", [x, const("w0", w[0].transpose(3, 2, 0, 1)), const("b0", w[1])], "c0", pads=[1, 1, 1, 1])
    x = op("Relu", [x], "r0")
    x = op("BatchNormalization", [x] + [const(f"n{i}", w[2 + i]) for i in range(4)], "n", epsilon=1e-3)
    x = op("AveragePool", [x], "p", kernel_shape=[2, 2], strides=[2, 2])
    x = op("Conv", [x, const("w1", w[6].transpose(3, 2, 0, 1)), const("b1", w[7])], "c1")
    x = op("Relu", [x], "r1")
    x = op("Transpose", [x], "last", perm=[0, 2, 3, 1])
    x = op("Flatten", [x], "f")
    x = op("Relu", [op("Gemm", [x, const("w2", w[8]), const("b2", w[9])], "d0")], "r2")
    x = op("Softmax", [op("Gemm", [x, const("w3", w[10]), const("b3", w[11])], "d1")], "y")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "cnn", [value("image", TensorProto.FLOAT, ["batch", 7, 6, 2])],
                              [value("y", TensorProto.FLOAT, ["batch", 3])], inits)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    vectors = {}
    models = {
        "cnn": cnn, "layers": layers, "branches": branches, "signal": signal,
        "transposed_same": lambda: transposed("same", 2, 3), "transposed_valid": lambda: transposed("valid", 2, 3),
        "transposed_wide": lambda: transposed("valid", 3, 2), "transposed_even": lambda: transposed("same", 2, 4),
    }
    for name, make in models.items():
        keras.utils.clear_session()
        keras.utils.set_random_seed(SEED)
        rng = np.random.default_rng(SEED)
        model = make()
        randomise(model, rng)
        model.save(OUT / f"{name}.keras")
        model.save(OUT / f"{name}.h5")
        sample = rng.integers(0, 256, (2,) + model.input_shape[1:]).astype(np.float32) / 64
        vectors[name] = {
            "last": str(model.layers[-1].get_config().get("activation", "linear")),
            "input": sample.reshape(2, -1).tolist(),
            "output": np.asarray(model(sample)).reshape(2, -1).astype(float).tolist(),
        }
        if name == "cnn":
            onnx.save(twin(model), OUT / "cnn.onnx")
    (OUT / "vectors.json").write_text(json.dumps(vectors) + "\n")


if __name__ == "__main__":
    main()
