"""Writes a plain chain of layers as ONNX, without an exporter of a framework in between."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def chain(name, shape, layers, outputs):
    """`layers`: ("conv", w, b, pads), ("dense", w, b), ("relu",), ("poly",), ("max", k), ("avg", k), ("flatten",).

    Weights as PyTorch has them: [out, in, kh, kw] and [out, in].
    """
    nodes, inits, x = [], [], "x"

    def const(label, array):
        inits.append(numpy_helper.from_array(np.ascontiguousarray(array, dtype=np.float32), label))
        return label

    for i, (kind, *rest) in enumerate(layers):
        out = f"{kind}{i}"
        if kind == "conv":
            w, b, pad = rest
            nodes.append(helper.make_node("Conv", [x, const(f"{out}.weight", w), const(f"{out}.bias", b)], [out], out,
                                          pads=[pad] * 4, kernel_shape=list(w.shape[2:])))
        elif kind == "dense":
            w, b = rest
            nodes.append(helper.make_node("Gemm", [x, const(f"{out}.weight", w), const(f"{out}.bias", b)], [out], out, transB=1))
        elif kind == "poly":
            nodes.append(helper.make_node("Mul", [x, x], [out + ".square"], out + ".square"))
            nodes.append(helper.make_node("Add", [out + ".square", x], [out], out))
        elif kind in ("max", "avg"):
            op = {"max": "MaxPool", "avg": "AveragePool"}[kind]
            nodes.append(helper.make_node(op, [x], [out], out, kernel_shape=rest * 2, strides=rest * 2))
        else:
            op = {"relu": "Relu", "flatten": "Flatten"}[kind]
            nodes.append(helper.make_node(op, [x], [out], out))
        x = out
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, name, [value("x", TensorProto.FLOAT, ["batch"] + list(shape))],
                              [value(x, TensorProto.FLOAT, ["batch", outputs])], inits)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="zkaggle-training", ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model
