"""Trains the convolutional networks the project ships, with PyTorch, and writes them as ONNX.

First in floats with batch normalisation; then the normalisation is folded into the convolutions and
training goes on as if weights were int8 and activations 8-bit, all scales powers of two, so that the
integers lose nothing the training has not seen. The files hold plain float32 on raw pixel values.

    python train_torch.py digits-cnn
    ZKAGGLE_TEST_DATA=… python train_torch.py mnist-circomlib mnist-lenet5
"""

import json
import os
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from onnx_file import chain

ROOT = pathlib.Path(__file__).resolve().parents[2]
ASSETS = ROOT / "node" / "assets"
SEED = 7
# conv(outputs, kernel, padding), dense(outputs); every conv has a batch normalisation while in floats.
NETWORKS = {
    "digits-cnn": ("digits", [("conv", 8, 3, 1), ("relu",), ("max", 2), ("conv", 16, 3, 1), ("relu",), ("max", 2),
                              ("flatten",), ("dense", 10)]),
    # The CNN of circomlib-ml: two convolutions, x² + x, average pooling, one dense layer.
    "mnist-circomlib": ("mnist", [("conv", 4, 3, 0), ("poly",), ("avg", 2), ("conv", 16, 3, 0), ("poly",), ("avg", 2),
                                  ("flatten",), ("dense", 10)]),
    "mnist-lenet5": ("mnist", [("conv", 6, 5, 2), ("relu",), ("avg", 2), ("conv", 16, 5, 0), ("relu",), ("avg", 2),
                               ("flatten",), ("dense", 120), ("relu",), ("dense", 84), ("relu",), ("dense", 10)]),
}
EPOCHS = {"digits": (40, 25), "mnist": (30, 15)}


def load(data):
    """Pixels, labels and the largest pixel; training part, then test part."""
    if data == "digits":
        parts = []
        for name in ("digits-train.bin", "digits-holdout.bin"):
            rows = np.frombuffer((ASSETS / name).read_bytes(), np.uint8).reshape(-1, 65)
            parts += [rows[:, :64].reshape(-1, 1, 8, 8), rows[:, 64]]
        return parts, 16.0
    folder = pathlib.Path(os.environ["ZKAGGLE_TEST_DATA"]) / "mnist_pgm"
    labels = np.array(json.loads((folder / "labels.json").read_text()), np.uint8)
    # 13 bytes of header, then 28×28 pixels.
    images = np.stack([np.frombuffer((folder / f"{i}.pgm").read_bytes()[13:], np.uint8) for i in range(len(labels))])
    images = images.reshape(-1, 1, 28, 28)
    return [images[:800], labels[:800], images[800:], labels[800:]], 255.0


def power_of_two(x, bits, signed):
    """Rounds to integers of a power-of-two scale; the gradient passes as if it had not."""
    top = 2 ** (bits - 1) - 1 if signed else 2 ** bits - 1
    largest = x.detach().abs().amax().clamp(min=1e-6)
    scale = 2.0 ** torch.ceil(torch.log2(largest / top))
    q = torch.clamp(torch.round(x / scale), -top if signed else 0, top) * scale
    return x + (q - x).detach()


class Net(torch.nn.Module):
    def __init__(self, spec, shape):
        super().__init__()
        self.spec, self.folded = spec, False
        self.weights, self.norms = torch.nn.ModuleList(), torch.nn.ModuleList()
        c, h, w = shape
        for kind, *a in spec:
            if kind == "conv":
                self.weights.append(torch.nn.Conv2d(c, a[0], a[1], padding=a[2]))
                self.norms.append(torch.nn.BatchNorm2d(a[0]))
                c, h, w = a[0], h + 2 * a[2] - a[1] + 1, w + 2 * a[2] - a[1] + 1
            elif kind in ("max", "avg"):
                h, w = h // a[0], w // a[0]
            elif kind == "flatten":
                c, h, w = c * h * w, 1, 1
            elif kind == "dense":
                self.weights.append(torch.nn.Linear(c, a[0]))
                c = a[0]

    def forward(self, x):
        weights, norms = iter(self.weights), iter(self.norms)
        for kind, *a in self.spec:
            if kind in ("conv", "dense"):
                layer = next(weights)
                w = power_of_two(layer.weight, 8, True) if self.folded else layer.weight
                if kind == "dense":
                    x = F.linear(x, w, layer.bias)
                else:
                    x = F.conv2d(x, w, layer.bias, padding=a[2])
                    if not self.folded:
                        x = next(norms)(x)
            elif kind == "flatten":
                x = x.flatten(1)
            elif kind in ("max", "avg"):
                x = (F.max_pool2d if kind == "max" else F.avg_pool2d)(x, a[0])
            else:
                x = F.relu(x) if kind == "relu" else x * x + x
                if self.folded:
                    x = power_of_two(x, 8, kind == "poly")
        return x

    @torch.no_grad()
    def fold(self):
        convs = [m for m in self.weights if isinstance(m, torch.nn.Conv2d)]
        for conv, bn in zip(convs, self.norms):
            k = bn.weight / torch.sqrt(bn.running_var + bn.eps)
            conv.bias.copy_((conv.bias - bn.running_mean) * k + bn.bias)
            conv.weight.mul_(k[:, None, None, None])
        self.folded = True

    @torch.no_grad()
    def layers(self, largest):
        """The chain for the file: quantised weights, the division of the pixels in the first."""
        weights, out = iter(self.weights), []
        for kind, *a in self.spec:
            if kind in ("conv", "dense"):
                m = next(weights)
                w = power_of_two(m.weight, 8, True).numpy()
                w = w / np.float32(largest) if not out else w
                out.append((kind, w, m.bias.numpy()) + ((a[2],) if kind == "conv" else ()))
            else:
                out.append((kind, *a))
        return out


def shifted(x, rng):
    """Images moved by up to one pixel: a thousand of them are few."""
    dy, dx = (int(v) for v in torch.randint(-1, 2, (2,), generator=rng))
    return torch.roll(x, (dy, dx), (2, 3))


def train(net, x, y, epochs, rate, rng):
    steps = epochs * (-(-len(y) // 32))
    optimiser = torch.optim.Adam(net.parameters(), rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps)
    net.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(y), generator=rng).split(32):
            optimiser.zero_grad()
            images = shifted(x[batch], rng) if x.shape[-1] > 8 else x[batch]
            F.cross_entropy(net(images), y[batch]).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            schedule.step()
    net.eval()


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name in sys.argv[1:] or NETWORKS:
        data, spec = NETWORKS[name]
        (x, y, test_x, test_y), largest = load(data)
        torch.manual_seed(SEED)
        rng = torch.Generator().manual_seed(SEED)
        x, y = torch.tensor(x / np.float32(largest)), torch.tensor(y.astype(np.int64))
        net = Net(spec, x.shape[1:])
        train(net, x, y, EPOCHS[data][0], 4e-3, rng)
        net.fold()
        train(net, x, y, EPOCHS[data][1], 5e-4, rng)
        path = ASSETS / f"{name}.onnx"
        onnx.save(chain(name, x.shape[1:], net.layers(largest), 10), path)
        session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
        for part, px, py in (("training", x.numpy() * largest, y.numpy()), ("test", test_x.astype(np.float32), test_y)):
            correct = int((session.run(None, {"x": px})[0].argmax(1) == py).sum())
            print(f"{name}: {path.stat().st_size} bytes, {part} {correct}/{len(py)} = {correct / len(py):.2%}")


if __name__ == "__main__":
    main()
