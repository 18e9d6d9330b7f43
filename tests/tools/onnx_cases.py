#!/usr/bin/env python3
"""Cases for circuits/graph/tests/conformance.rs from things this project did not write.

    python onnx_cases.py FOLDER [--random 500] [--qdq 200] [--seed 1]

node/    the single-operator cases of onnx.backend.test for every operator that is read; the first
         input is the sample, all others become constants of the file
random/  graphs drawn at random from the supported operators, with what onnxruntime answers
qdq/     graphs that were quantised before, with the integers onnxruntime answers
trees/   scikit-learn's linear models and trees on integer features (where skl2onnx is installed),
         and LightGBM's (where lightgbm and onnxmltools are)

Each folder holds NAME.onnx and cases.json.
"""

import argparse
import json
import pathlib
import warnings

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import qdq_cases

OPERATORS = """Gemm MatMul Add Sub Mul Div Neg Pow Sum Min Max Conv ConvTranspose Resize Upsample
BatchNormalization Relu LeakyRelu Clip Sigmoid Tanh HardSigmoid HardSwish MaxPool AveragePool
GlobalAveragePool GlobalMaxPool ReduceMean ReduceSum ReduceMax Flatten Reshape Transpose Squeeze
Unsqueeze Concat Slice Split Pad Softmax LogSoftmax ArgMax Identity Dropout Cast QuantizeLinear
DequantizeLinear""".split()
JOINED = {"Add", "Sub", "Mul", "Sum"}
ENDINGS = {"Softmax", "LogSoftmax", "ArgMax"}


class Folder:
    def __init__(self, root, name):
        self.path = pathlib.Path(root) / name
        self.path.mkdir(parents=True, exist_ok=True)
        self.cases = []

    def add(self, name, op, model, sample, expected, how="values", rtol=1e-3, atol=1e-6):
        file = f"{name}.onnx"
        onnx.save(model, self.path / file)
        self.cases.append({
            "name": name, "op": op, "file": file, "how": how, "rtol": rtol, "atol": atol,
            "shape": list(sample.shape), "input": [float(v) for v in sample.ravel()],
            "expected_shape": list(expected.shape), "expected": [float(v) for v in expected.ravel()],
        })

    def close(self):
        (self.path / "cases.json").write_text(json.dumps(self.cases))
        print(f"{self.path.name}: {len(self.cases)} cases")


def joined(model, names, arrays):
    """All inputs from one flat sample, cut into parts, so that each depends on the sample."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    g, nodes, at = out.graph, [], 0
    for name, array in zip(names, arrays):
        for suffix, v in ((":from", [at]), (":to", [at + array.size]), (":shape", list(array.shape))):
            g.initializer.append(numpy_helper.from_array(np.array(v, np.int64), name + suffix))
        nodes += [helper.make_node("Slice", ["joined", name + ":from", name + ":to"], [name + ":flat"]),
                  helper.make_node("Reshape", [name + ":flat", name + ":shape"], [name])]
        at += array.size
    nodes += list(g.node)
    del g.node[:], g.input[:]
    g.node.extend(nodes)
    g.input.append(helper.make_tensor_value_info("joined", TensorProto.FLOAT, [at]))
    # Slice takes its bounds as inputs since operator set 10.
    out.opset_import[0].version = max(out.opset_import[0].version, 13)
    return out, np.concatenate([a.ravel() for a in arrays]).astype(np.float32)


def node_cases(root):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases
        cases = collect_testcases(None)
    out, skipped = Folder(root, "node"), {}
    for case in cases:
        graph = case.model.graph
        if len(graph.node) != 1 or graph.node[0].op_type not in OPERATORS:
            continue
        op = graph.node[0].op_type
        inputs, expected = case.data_sets[0]
        names = [i.name for i in graph.input]
        arrays = [np.asarray(v) for v in inputs if not isinstance(v, (list, type(None), onnx.TensorProto))]
        kinds = {i.type.tensor_type.elem_type for i in list(graph.input) + list(graph.output)}
        bad = kinds - {TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.INT8, TensorProto.UINT8,
                       TensorProto.INT16, TensorProto.UINT16, TensorProto.BOOL}
        first = graph.input[0].type.tensor_type.elem_type if graph.input else 0
        coded = any(isinstance(v, onnx.TensorProto) for v in list(inputs) + list(expected))
        if bad or coded or len(arrays) != len(names) or not names:
            skipped["another element type than float32"] = skipped.get("another element type than float32", 0) + 1
            continue
        if first not in (TensorProto.FLOAT, TensorProto.INT8, TensorProto.UINT8) or (
                first != TensorProto.FLOAT and op != "DequantizeLinear"):
            skipped["integers where a network has floats"] = skipped.get("integers where a network has floats", 0) + 1
            continue
        if np.asarray(expected[0]).size == 0 or arrays[0].size == 0:
            skipped["empty tensors"] = skipped.get("empty tensors", 0) + 1
            continue
        model = onnx.ModelProto()
        model.CopyFrom(case.model)
        g = model.graph
        if op == "Concat":
            model, arrays[0] = joined(case.model, names, arrays)
            g = model.graph
        for name, array in list(zip(names, arrays))[1:] if op != "Concat" else []:
            g.initializer.append(numpy_helper.from_array(array, name))
        sample, answer = arrays[0], np.asarray(expected[0])
        del g.output[1:]
        how = "values"
        if op in ENDINGS:
            axis = next((a.i for a in g.node[0].attribute if a.name == "axis"), 0 if op == "ArgMax" else
                        (-1 if model.opset_import[0].version >= 13 else 1))
            if op != "ArgMax":
                answer = answer.argmax(axis=axis)
            how = "argmax"
        if op == "Sigmoid":
            # A last sigmoid is left out on purpose; a product keeps it.
            g.node[0].output[0] = "kept"
            g.initializer.append(numpy_helper.from_array(np.float32(1), "one"))
            g.node.append(helper.make_node("Mul", ["kept", "one"], [g.output[0].name]))
        out.add(case.name, op, model, sample, answer, how, max(case.rtol, 1e-3), 1e-5)
        if op in JOINED and len(arrays) > 1:
            model, sample = joined(case.model, names, arrays)
            out.add(case.name + "_joined", op, model, sample, answer, how, max(case.rtol, 1e-3), 1e-5)
    out.close()
    for reason, n in sorted(skipped.items()):
        print(f"node: {n} cases not used: {reason}")


class Grower:
    """Grows one random graph, a value at a time."""

    def __init__(self, rng):
        self.rng, self.nodes, self.inits, self.n = rng, [], [], 0

    def name(self):
        self.n += 1
        return f"v{self.n}"

    def const(self, array):
        name = self.name()
        self.inits.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weights(self, *shape):
        fan = max(1, int(np.prod(shape[1:])))
        return self.const((self.rng.standard_normal(shape) / np.sqrt(fan)).astype(np.float32))

    def op(self, op, inputs, **attributes):
        out = self.name()
        self.nodes.append(helper.make_node(op, inputs, [out], name=f"{op}_{out}", **attributes))
        return out

    def pick(self, *options):
        return options[self.rng.integers(len(options))]

    def activation(self, x):
        kind = self.pick("Relu", "LeakyRelu", "Clip", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "poly")
        if kind == "LeakyRelu":
            return self.op(kind, [x], alpha=0.1)
        if kind == "Clip":
            return self.op(kind, [x, self.const(np.float32(0)), self.const(np.float32(6))])
        if kind == "poly":
            square = self.op("Mul", [x, x])
            return self.op("Add", [square, self.op("Mul", [x, self.const(np.float32(2))])])
        return self.op(kind, [x])

    def image_step(self, x, shape):
        c, h, w = shape
        rng = self.rng
        kind = self.pick("conv", "conv", "depthwise", "act", "act", "bn", "max", "avg", "pad", "up", "transpose", "residual",
                         "concat", "slice", "gate", "channels_last")
        if kind in ("conv", "depthwise"):
            k, s, d = int(rng.integers(1, 4)), int(rng.integers(1, 3)), int(rng.integers(1, 3))
            o, g = (c, c) if kind == "depthwise" else (int(rng.integers(1, 5)), 1)
            pads = [int(v) for v in rng.integers(0, k, 4)]
            span = (k - 1) * d + 1
            oh, ow = (h + pads[0] + pads[2] - span) // s + 1, (w + pads[1] + pads[3] - span) // s + 1
            if oh < 1 or ow < 1:
                return x, shape
            inputs = [x, self.weights(o, c // g, k, k)] + ([self.weights(o)] if rng.integers(2) else [])
            return self.op("Conv", inputs, kernel_shape=[k, k], strides=[s, s], dilations=[d, d], pads=pads, group=g), (o, oh, ow)
        if kind == "act":
            return self.activation(x), shape
        if kind == "bn":
            p = [self.const(rng.uniform(0.5, 1.5, c).astype(np.float32)), self.weights(c), self.weights(c),
                 self.const(rng.uniform(0.5, 1.5, c).astype(np.float32))]
            return self.op("BatchNormalization", [x] + p), shape
        if kind in ("max", "avg"):
            k, s = int(rng.integers(1, 4)), int(rng.integers(1, 3))
            if min(h, w) < k:
                return x, shape
            pads = [int(v) for v in rng.integers(0, k, 4)]
            oh, ow = (h + pads[0] + pads[2] - k) // s + 1, (w + pads[1] + pads[3] - k) // s + 1
            extra = {"count_include_pad": int(rng.integers(2))} if kind == "avg" else {}
            op = "MaxPool" if kind == "max" else "AveragePool"
            return self.op(op, [x], kernel_shape=[k, k], strides=[s, s], pads=pads, **extra), (c, oh, ow)
        if kind == "pad":
            p = [int(v) for v in rng.integers(0, 3, 4)]
            full = self.const(np.array([0, 0, p[0], p[1], 0, 0, p[2], p[3]], np.int64))
            value = self.const(np.float32(self.pick(0, 0.5)))
            return self.op("Pad", [x, full, value]), (c, h + p[0] + p[2], w + p[1] + p[3])
        if kind == "up" and h * w <= 64:
            f = int(rng.integers(2, 4))
            mode = self.pick("asymmetric", "half_pixel")
            near = {"asymmetric": "floor", "half_pixel": "round_prefer_floor"}[mode]
            scales = self.const(np.array([1, 1, f, 2], np.float32))
            y = self.op("Resize", [x, "", scales], mode="nearest", coordinate_transformation_mode=mode, nearest_mode=near)
            return y, (c, h * f, w * 2)
        if kind == "transpose" and h * w <= 64:
            k, s, o = int(rng.integers(2, 4)), int(rng.integers(1, 3)), int(rng.integers(1, 4))
            p, e = int(rng.integers(0, 2)), int(rng.integers(0, s))
            y = self.op("ConvTranspose", [x, self.weights(c, o, k, k)], kernel_shape=[k, k], strides=[s, s],
                        pads=[p] * 4, output_padding=[e, e])
            size = lambda n: (n - 1) * s - 2 * p + k + e
            return (y, (o, size(h), size(w))) if min(size(h), size(w)) > 0 else (self.nodes.pop() and x, shape)
        if kind == "residual":
            y = self.op("Conv", [x, self.weights(c, c, 3, 3)], kernel_shape=[3, 3], auto_pad="SAME_UPPER")
            return self.op(self.pick("Add", "Sub"), [self.activation(y), x]), shape
        if kind == "concat":
            return self.op("Concat", [self.activation(x), x], axis=1), (2 * c, h, w)
        if kind == "slice" and h > 2:
            ints = lambda *v: self.const(np.array(v, np.int64))
            y = self.op("Slice", [x, ints(1), ints(2 ** 31), ints(2), ints(2)])
            return y, (c, (h - 2) // 2 + 1, w)
        if kind == "gate":
            g = self.op("Sigmoid", [self.op("GlobalAveragePool", [x])])
            return self.op("Mul", [x, g]), shape
        if kind == "channels_last":
            y = self.op("Transpose", [x], perm=[0, 2, 3, 1])
            y = self.op("Add", [y, self.weights(c)])
            y = self.activation(y)
            return self.op("Transpose", [y], perm=[0, 3, 1, 2]), shape
        return x, shape

    def row_step(self, x, n):
        kind = self.pick("gemm", "matmul", "act", "residual", "split", "scale")
        o = int(self.rng.integers(1, 9))
        if kind == "gemm":
            t = int(self.rng.integers(2))
            w = self.weights(o, n) if t else self.weights(n, o)
            return self.op("Gemm", [x, w, self.weights(o)], transB=t, alpha=0.5, beta=2.0), o
        if kind == "matmul":
            return self.op("Add", [self.op("MatMul", [x, self.weights(n, o)]), self.weights(1, o)]), o
        if kind == "act":
            return self.activation(x), n
        if kind == "residual":
            return self.op("Add", [x, self.op("MatMul", [self.activation(x), self.weights(n, n)])]), n
        if kind == "split" and n % 2 == 0:
            a, b = self.name(), self.name()
            self.nodes.append(helper.make_node("Split", [x], [a, b], axis=1, name=f"Split_{a}"))
            return self.op("Mul", [a, self.op("Sigmoid", [b])]), n // 2
        if kind == "scale":
            y = self.op("Sub", [x, self.weights(n)])
            return self.op("Div", [y, self.const(self.rng.uniform(1, 2, n).astype(np.float32))]), n
        return x, n


def random_cases(root, count, seed):
    import onnxruntime as ort
    out = Folder(root, "random")
    made, attempt = 0, 0
    while made < count:
        attempt += 1
        rng = np.random.default_rng([seed, attempt])
        g = Grower(rng)
        # Bytes, as records have them; a power of two, so that no rounding is hidden here.
        first = g.op("Mul", ["x", g.const(np.float32(1 / 128))])
        if rng.integers(3):
            shape = (int(rng.integers(1, 4)), int(rng.integers(3, 9)), int(rng.integers(3, 9)))
            dims, x = list(shape), first
            for _ in range(int(rng.integers(1, 8))):
                if np.prod(shape) < 1500:
                    x, shape = g.image_step(x, shape)
            n = int(np.prod(shape))
            if rng.integers(2):
                x, n = g.op("GlobalMaxPool", [x]), shape[0]
            x = g.op("Flatten", [x])
        else:
            n = int(rng.integers(2, 17))
            dims, x = [n], first
        for _ in range(int(rng.integers(1, 6))):
            x, n = g.row_step(x, n)
        outputs = int(rng.integers(2, 6))
        x = g.op("Gemm", [x, g.weights(n, outputs), g.weights(outputs)])
        g.nodes[-1].output[0] = "y"
        for node in g.nodes[:-1]:
            for i, name in enumerate(node.input):
                if name == x:
                    node.input[i] = "y"
        model = helper.make_model(
            helper.make_graph(g.nodes, f"g{attempt}", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch"] + dims)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", outputs])], g.inits),
            opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        sample = rng.integers(0, 256, [8] + dims).astype(np.float32)
        try:
            options = ort.SessionOptions()
            options.log_severity_level = 3
            options.intra_op_num_threads = 1
            answer = ort.InferenceSession(model.SerializeToString(), options).run(None, {"x": sample})[0]
        except Exception as e:  # a graph onnxruntime itself does not run is no case
            print("not run:", str(e).splitlines()[0][:120])
            continue
        if not np.isfinite(answer).all() or np.abs(answer).max() > 1e6:
            continue
        scale = float(np.abs(answer).max())
        out.add(f"random_{made:04}", "+".join(sorted({n.op_type for n in g.nodes})), model, sample, answer,
                rtol=1e-3, atol=1e-4 * max(scale, 1e-3))
        made += 1
    out.close()


def tree_cases(root, seed):
    try:
        from skl2onnx import to_onnx
        from sklearn import ensemble, linear_model, pipeline, preprocessing, svm, tree
    except ImportError:
        print("SKIPPED: scikit-learn or skl2onnx is not installed, no cases of trees and linear models")
        return
    import onnxruntime as ort
    out = Folder(root, "trees")
    scaled = lambda m: pipeline.make_pipeline(preprocessing.StandardScaler(), m)
    for classes in (2, 4):
        rng = np.random.default_rng([seed, classes])
        x = rng.integers(0, 256, [300, 6]).astype(np.float32)
        y = ((x[:, 0] + x[:, 1] * x[:, 2] / 100 + rng.normal(0, 20, 300)) // (500 / classes)).astype(int) % classes
        value = x[:, 0] / 10 + np.sin(x[:, 1])
        models = {
            "logistic": linear_model.LogisticRegression(max_iter=50),
            "ridge_classifier": linear_model.RidgeClassifier(),
            "linear_svc": svm.LinearSVC(max_iter=2000),
            "tree": tree.DecisionTreeClassifier(max_depth=6),
            "forest": ensemble.RandomForestClassifier(12, max_depth=6, random_state=1),
            "extra": ensemble.ExtraTreesClassifier(12, max_depth=6, random_state=1),
            "boosted": ensemble.GradientBoostingClassifier(n_estimators=8, random_state=1),
            "scaled_forest": scaled(ensemble.RandomForestClassifier(8, max_depth=6, random_state=1)),
            "scaled_tree": scaled(tree.DecisionTreeClassifier(random_state=2)),
            "scaled_logistic": scaled(linear_model.LogisticRegression(max_iter=50)),
        }
        if classes == 2:
            models |= {
                "linear": linear_model.LinearRegression(),
                "ridge": linear_model.Ridge(),
                "tree_regressor": tree.DecisionTreeRegressor(max_depth=6),
                "forest_regressor": ensemble.RandomForestRegressor(8, max_depth=6, random_state=1),
                "boosted_regressor": ensemble.GradientBoostingRegressor(n_estimators=8, random_state=1),
            }
        for name, m in models.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                regression = "regressor" in name or name in ("linear", "ridge")
                m.fit(x, value if regression else y)
                plain = regression or name in ("linear_svc", "ridge_classifier")
                options = None if plain else {id(m): {"zipmap": False}}
                onx = to_onnx(m, x[:1], options=options, target_opset={"": 17, "ai.onnx.ml": 3})
            test = rng.integers(0, 256, [200, 6]).astype(np.float32)
            answer = ort.InferenceSession(onx.SerializeToString()).run(None, {onx.graph.input[0].name: test})[0]
            out.add(f"{name}_{classes}", name, onx, test, np.asarray(answer).reshape(len(test), -1),
                    "values" if regression else "argmax", rtol=1e-4, atol=1e-3)
    lightgbm_cases(out, seed)
    out.close()


def lightgbm_cases(out, seed):
    try:
        import lightgbm
        from onnxmltools import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType
    except (ImportError, OSError):
        # OSError: the wheel is there, the OpenMP library it loads is not.
        print("SKIPPED: lightgbm or onnxmltools is not installed, no cases of LightGBM")
        return
    import onnxruntime as ort
    for classes in (2, 3, 5, 0):
        rng = np.random.default_rng([seed, 9, classes])
        x = rng.integers(0, 256, [400, 6]).astype(np.float32)
        value = x[:, 0] + x[:, 1] * x[:, 2] / 100 + rng.normal(0, 20, 400)
        options = {"n_estimators": 10, "num_leaves": 14, "random_state": 1, "verbose": -1, "n_jobs": 1}
        for kind in ("gbdt", "dart") if classes else ("gbdt",):
            m = (lightgbm.LGBMClassifier if classes else lightgbm.LGBMRegressor)(boosting_type=kind, **options)
            m.fit(x, (value // (900 / classes)).astype(int).clip(0, classes - 1) if classes else value / 10)
            more = {"zipmap": False} if classes else {}
            onx = convert_lightgbm(m, initial_types=[("x", FloatTensorType([None, 6]))], target_opset=15, **more)
            test = rng.integers(0, 256, [200, 6]).astype(np.float32)
            answer = ort.InferenceSession(onx.SerializeToString()).run(None, {"x": test})[0]
            out.add(f"lightgbm_{kind}_{classes}", "lightgbm", onx, test, np.asarray(answer).reshape(len(test), -1),
                    "argmax" if classes else "values", rtol=1e-4, atol=1e-3)


if __name__ == "__main__":
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("folder")
    a.add_argument("--random", type=int, default=500)
    a.add_argument("--qdq", type=int, default=200)
    a.add_argument("--seed", type=int, default=1)
    args = a.parse_args()
    node_cases(args.folder)
    random_cases(args.folder, args.random, args.seed)
    out = Folder(args.folder, "qdq")
    qdq_cases.cases(out, args.qdq, args.seed)
    out.close()
    tree_cases(args.folder, args.seed)
