"""Random QDQ graphs with the integers onnxruntime answers; `onnx_cases.py` calls it.

Graphs are what static quantisation exports: bytes between QuantizeLinear and DequantizeLinear,
int8 weights with a scale a channel, int32 biases, residual sums, pools. A few hold what onnxruntime
leaves in floats; those must be refused.
"""

import pathlib
import platform

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def largest_weight():
    """Weights up to it are exact in onnxruntime on this machine; None where its sums are others.

    Without VNNI its products of unsigned and signed bytes are added in pairs of 16 bits, which more
    than seven bits overflow.
    """
    info = pathlib.Path("/proc/cpuinfo")
    flags = info.read_text() if info.exists() else ""
    if platform.machine() not in ("x86_64", "AMD64") or " fma " not in flags or " avx2 " not in flags:
        return None
    return 127 if "_vnni" in flags else 63


class Graph:
    """Grows a graph; `x` is the name of the dequantised value, with its scale, zero point and shape."""

    def __init__(self, rng):
        self.rng, self.nodes, self.inits, self.n = rng, [], [], 0
        self.most = largest_weight()
        self.signed = bool(rng.integers(2))
        self.low, self.high = (-128, 127) if self.signed else (0, 255)

    def name(self):
        self.n += 1
        return f"v{self.n}"

    def const(self, array):
        name = self.name()
        self.inits.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def op(self, op, inputs, **attributes):
        out = self.name()
        self.nodes.append(helper.make_node(op, inputs, [out], name=f"{op}_{out}", **attributes))
        return out

    def byte(self, v):
        return self.const((np.int8 if self.signed else np.uint8)(v))

    def requantised(self, x, scale, zero):
        """Quantize, Dequantize: (name, scale, zero)."""
        s, z = self.const(np.float32(scale)), self.byte(zero)
        return self.op("DequantizeLinear", [self.op("QuantizeLinear", [x, s, z]), s, z]), np.float32(scale), zero

    def zero(self, relu):
        return self.low if relu else int(self.rng.integers(self.low, self.high + 1))

    def weights(self, shape, axis, s_in, bias):
        """Dequantised int8 weights, a scale a channel, and an int32 bias: names, and the mean scale."""
        rng, outputs = self.rng, shape[axis]
        per = bool(rng.integers(4))
        scale = rng.uniform(0.001, 0.02, outputs if per else 1).astype(np.float32)
        attribute = {"axis": axis} if per else {}
        shaped = (lambda v: v) if per else (lambda v: v.reshape(()))
        zero = self.const(shaped(np.zeros(len(scale), np.int8)))
        w = self.op("DequantizeLinear", [self.const(rng.integers(-self.most, self.most + 1, shape).astype(np.int8)),
                                         self.const(shaped(scale)), zero], **attribute)
        out = [w]
        if bias:
            both = (scale * s_in).astype(np.float32)
            attribute = {"axis": 0} if per else {}
            b = self.op("DequantizeLinear", [self.const(rng.integers(-2000, 2000, outputs).astype(np.int32)),
                                             self.const(shaped(both)), self.const(shaped(np.zeros(len(scale), np.int32)))],
                        **attribute)
            out.append(b)
        return out, float(scale.mean())

    def image(self, v, shape):
        """One step on an image."""
        (x, s, z), (c, h, w), rng = v, shape, self.rng
        kinds = ["conv", "conv", "depthwise", "average", "max", "conv"]
        if not self.signed and c * h * w > 1:
            # onnxruntime on x86-64 leaves signed bytes that two nodes read in floats, and rounds sums of
            # single values otherwise than those of tensors.
            kinds += ["residual", "residual", "concat"]
        kind = kinds[rng.integers(len(kinds))]
        if kind in ("conv", "depthwise", "residual"):
            k = int(rng.integers(1, 4))
            o, g = (c, c) if kind == "depthwise" else (c if kind == "residual" else int(rng.integers(2, 7)), 1)
            stride = 1 if kind == "residual" else int(rng.integers(1, 3))
            pads = [k // 2] * 4 if kind == "residual" and k != 2 else [0] * 4
            if kind == "residual" and k == 2:
                pads = [0, 0, 1, 1]
            if min(h, w) < k:
                return v, shape
            (names, sw), taps = self.weights((o, c // g, k, k), 0, s, rng.integers(3) > 0), c // g * k * k
            y = self.op("Conv", [x] + names, kernel_shape=[k, k], strides=[stride] * 2, pads=pads, group=g)
            relu = bool(rng.integers(2))
            if relu:
                y = self.op("Relu", [y])
            s_y = float(s) * sw * np.sqrt(taps) * 60 * rng.uniform(0.5, 2)
            y = self.requantised(y, s_y, self.zero(relu))
            size = lambda n, a, b: (n + a + b - k) // stride + 1
            out = (o, size(h, pads[0], pads[2]), size(w, pads[1], pads[3]))
            if kind != "residual":
                return y, out
            relu = bool(rng.integers(2))
            total = self.op("Add", [y[0], x] if rng.integers(2) else [x, y[0]])
            if relu:
                total = self.op("Relu", [total])
            # Equal scales halve: ties.
            s_y = [float(max(s, y[1])) * rng.uniform(1, 2), 2 * float(s)][rng.integers(2)]
            return self.requantised(total, s_y, self.zero(relu)), out
        if kind == "average":
            k, stride = int(rng.integers(2, 4)), int(rng.integers(1, 3))
            if min(h, w) < k:
                return v, shape
            pads = [int(p) for p in rng.integers(0, 2, 4)]
            y = self.op("AveragePool", [x], kernel_shape=[k, k], strides=[stride] * 2, pads=pads,
                        count_include_pad=int(rng.integers(2)))
            same = bool(rng.integers(2))
            y = self.requantised(y, s if same else float(s) * rng.uniform(0.4, 1.2), z if same else self.zero(False))
            return y, (c, (h + pads[0] + pads[2] - k) // stride + 1, (w + pads[1] + pads[3] - k) // stride + 1)
        if kind == "max" and min(h, w) >= 2:
            y = self.op("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
            return self.requantised(y, s, z), (c, h // 2, w // 2)
        if kind == "concat" and c < 6:
            y = self.op("MaxPool", [x], kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4)
            other = self.requantised(y, s, z)
            return self.requantised(self.op("Concat", [x, other[0]], axis=1), s, z), (2 * c, h, w)
        return v, shape

    def dense(self, v, n, outputs, last):
        (x, s, _), rng = v, self.rng
        gemm = bool(rng.integers(2))
        t = int(rng.integers(2)) if gemm else 0
        shape, axis = ((outputs, n), 0) if t else ((n, outputs), 1)
        (names, sw) = self.weights(shape, axis, s, gemm)
        y = self.op("Gemm", [x] + names, transB=t) if gemm else self.op("MatMul", [x] + names)
        relu = not last and bool(rng.integers(2))
        if relu:
            y = self.op("Relu", [y])
        s_y = float(s) * sw * np.sqrt(n) * 60 * rng.uniform(0.5, 2)
        return self.requantised(y, s_y, self.zero(relu)), outputs


def refused(g, v, shape):
    """Something that onnxruntime leaves in floats; gives the value behind it and its name."""
    (x, s, z), rng = v, g.rng
    kind = ["Relu", "Sigmoid", "Mul", "Sub", "branch"][rng.integers(5)]
    if kind == "Relu":
        # Not the smallest integer, so the Relu is no clamp.
        (names, sw) = g.weights((3, shape[0], 1, 1), 0, s, True)
        y = g.op("Relu", [g.op("Conv", [x] + names, kernel_shape=[1, 1])])
        return g.requantised(y, float(s) * sw * 100, 3), (3,) + shape[1:]
    if kind == "branch" and g.signed:
        return g.requantised(g.op("Add", [g.op("MaxPool", [x], kernel_shape=[1, 1]), x]), float(s) * 2, z), shape
    if kind == "branch":
        kind = "Sub"
    y = g.op(kind, [x]) if kind == "Sigmoid" else g.op(kind, [x, x])
    return g.requantised(y, 0.01 if kind == "Sigmoid" else float(s) * 4, z), shape


def cases(folder, count, seed):
    import onnxruntime as ort
    if largest_weight() is None:
        print("SKIPPED: no x86-64 processor with AVX2 and FMA, whose sums in float32 are the ones compared with")
        return
    made, attempt = 0, 0
    while made < count:
        attempt += 1
        rng = np.random.default_rng([seed, 77, attempt])
        g = Graph(rng)
        shape = (int(rng.integers(1, 4)), int(rng.integers(4, 9)), int(rng.integers(4, 9)))
        dims, x = list(shape), "x"
        kind = rng.integers(3)
        if kind == 0:
            v = g.requantised(x, 1.0, g.low)
        elif kind == 1:
            x = g.op("Mul", [x, g.const(np.float32(1 / 255))])
            v = g.requantised(x, np.float32(1 / 255), g.low)
        else:
            v = g.requantised(x, 2.0, g.low + int(rng.integers(0, 100)))
        bad = made % 20 == 19
        for step in range(int(rng.integers(1, 6))):
            if bad and step == 0:
                v, shape = refused(g, v, shape)
            if np.prod(shape) < 800:
                v, shape = g.image(v, shape)
        n = int(np.prod(shape))
        if rng.integers(3) == 0 and shape[1] * shape[2] > 1:
            y = g.op("GlobalAveragePool", [v[0]])
            v, n = g.requantised(y, float(v[1]) * rng.uniform(0.4, 1.1), g.zero(False)), shape[0]
        # A flattening stands between two equal quantisations, as exporters write it.
        v = g.requantised(g.op("Flatten", [v[0]]), v[1], v[2])
        if rng.integers(2):
            v, n = g.dense(v, n, int(rng.integers(2, 9)), False)
        outputs = int(rng.integers(2, 6))
        v, _ = g.dense(v, n, outputs, True)
        g.nodes[-1].output[0] = "y"
        model = helper.make_model(
            helper.make_graph(g.nodes, f"q{attempt}",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch"] + dims)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", outputs])], g.inits),
            opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model)
        sample = rng.integers(0, 256, [24] + dims).astype(np.float32)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        answer = ort.InferenceSession(model.SerializeToString(), options).run(None, {"x": sample})[0]
        # Bytes less their zero point, exactly: a product of a float32 and at most 255.
        integers = np.rint(answer.astype(np.float64) / np.float64(v[1]))
        if not bad and len(np.unique(integers)) < 4:
            continue
        folder.add(f"qdq_{made:04}", "+".join(sorted({n.op_type for n in g.nodes})), model, sample, integers,
                   how="refused" if bad else "integers", rtol=0.0, atol=0.0)
        made += 1
