"""Writes the UCI optical digits as record files: 64 pixel bytes (0 to 16, row-major), then the label.

The split is made once, here, and committed: 1,437 training and 360 hold-out images, stratified by
class, seed SEED. Within each file the records keep the order of the source.

    python prepare_digits.py            # writes node/assets/digits-{train,holdout}.bin
    python prepare_digits.py --check    # compares instead of writing
"""

import argparse
import hashlib
import pathlib
import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED = 20261121
HOLDOUT = 360
ASSETS = pathlib.Path(__file__).resolve().parents[2] / "node" / "assets"


def records(pixels: np.ndarray, labels: np.ndarray) -> bytes:
    """One row per image: its pixels, then its label, one byte each."""
    assert pixels.min() >= 0 and pixels.max() <= 16 and np.array_equal(pixels, np.floor(pixels))
    return np.column_stack([pixels, labels]).astype(np.uint8).tobytes()


def split() -> dict[str, bytes]:
    """The two files, by name."""
    pixels, labels = load_digits(return_X_y=True)
    order = np.arange(len(labels))
    train, holdout = train_test_split(order, test_size=HOLDOUT, stratify=labels, random_state=SEED)
    return {
        "digits-train.bin": records(pixels[np.sort(train)], labels[np.sort(train)]),
        "digits-holdout.bin": records(pixels[np.sort(holdout)], labels[np.sort(holdout)]),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    check = parser.parse_args().check
    for name, content in split().items():
        path = ASSETS / name
        if check:
            if path.read_bytes() != content:
                print(f"{name}: differs from what this script makes", file=sys.stderr)
                return 1
        else:
            path.write_bytes(content)
        print(f"{name}: {len(content) // 65} records, sha256 {hashlib.sha256(content).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
