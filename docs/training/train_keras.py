"""Trains a small Keras network on the digits and saves it as `.keras`, ready for `zkaggle model import`.

    KERAS_BACKEND=jax python train_keras.py OUT.keras        (jax or torch; about a minute)

x² + x is written with Multiply and Add: a Lambda layer is Python code, which no importer can read.
"""

import os
import pathlib
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import keras
import numpy as np
from keras import layers

ASSETS = pathlib.Path(__file__).resolve().parents[2] / "node" / "assets"
SEED = 7


def load(name):
    rows = np.frombuffer((ASSETS / name).read_bytes(), np.uint8).reshape(-1, 65)
    return rows[:, :64].reshape(-1, 8, 8, 1).astype(np.float32), rows[:, 64]


def polynomial(x):
    return layers.Add()([layers.Multiply()([x, x]), x])


def main():
    keras.utils.set_random_seed(SEED)
    (x, y), (test_x, test_y) = load("digits-train.bin"), load("digits-holdout.bin")
    image = keras.Input((8, 8, 1))
    v = layers.Rescaling(1 / 16)(image)
    v = polynomial(layers.BatchNormalization()(layers.Conv2D(8, 3)(v)))
    v = layers.AveragePooling2D(2)(v)
    v = layers.Dense(32, activation="relu")(layers.Flatten()(v))
    model = keras.Model(image, layers.Dense(10, activation="softmax")(v))
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=64, epochs=20, verbose=0)
    print(f"hold-out {model.evaluate(test_x, test_y, verbose=0)[1]:.2%}")
    model.save(sys.argv[1])


if __name__ == "__main__":
    main()
