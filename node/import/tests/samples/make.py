"""Writes the sample files beside it, with the libraries people use: numpy, Pillow, pyarrow.

    pip install numpy pillow pyarrow && python node/import/tests/samples/make.py

Sample i of every set has label i % 3 and, at position j of its 4 x 4 features, the value (7 i + 13 j + 5 (i % 3)) % 17 * 15.
"""

import gzip, os, struct
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

here = os.path.dirname(os.path.abspath(__file__))
N = 130
y = np.arange(N) % 3
j = np.arange(16)
x = ((7 * np.arange(N)[:, None] + 13 * j[None, :] + 5 * y[:, None]) % 17 * 15).astype(np.uint8).reshape(N, 4, 4)


def at(name):
    path = os.path.join(here, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


# Arrays.
np.save(at("x_u8.npy"), x)
np.save(at("x_f32.npy"), x.astype(np.float32) / 255)
np.save(at("x_f64_fortran.npy"), np.asfortranarray(x.astype(np.float64)))
np.save(at("x_i16_be.npy"), x.astype(">i2"))
np.save(at("y_i64.npy"), y)
np.save(at("object.npy"), np.array([{}, 1], dtype=object), allow_pickle=True)
np.savez(at("plain.npz"), x=x, y=y.astype(np.int32))
np.savez_compressed(at("mnist_like.npz"), x_train=x[:100], y_train=y[:100].astype(np.uint8), x_test=x[100:], y_test=y[100:].astype(np.uint8))

# IDX, as MNIST is published.
idx_x = struct.pack(">IIII", 0x803, N, 4, 4) + x.tobytes()
idx_y = struct.pack(">II", 0x801, N) + y.astype(np.uint8).tobytes()
open(at("images-idx3-ubyte"), "wb").write(idx_x)
for name, data in (("images-idx3-ubyte.gz", idx_x), ("labels-idx1-ubyte.gz", idx_y)):
    with open(at(name), "wb") as f, gzip.GzipFile("", "wb", fileobj=f, mtime=0) as g:
        g.write(data)

# Images: eight of every kind.
for i in range(8):
    grey = Image.fromarray(x[i])
    grey.save(at(f"classes/{'cat dog emu'.split()[i % 3]}/{i}.png"))
    Image.merge("RGB", [grey, grey, Image.fromarray(255 - x[i])]).save(at(f"rgb/{i}.png"))
    grey.convert("P").save(at(f"palette/{i}.png"))
    Image.new("L", (8, 8), i * 30).save(at(f"jpeg/{i}.jpg"), quality=95)
    Image.new("RGB", (8, 8), (i * 30, 100, 200)).save(at(f"jpeg_rgb/{i}.jpeg"), quality=95, subsampling=0)
open(at("rgb/labels.csv"), "w").write("file,label\n" + "".join(f"{i}.png,{i % 3}\n" for i in range(8)))
Image.fromarray(x[0].astype(np.uint16) * 257).save(at("odd/sixteen.png"))
Image.merge("RGBA", [Image.fromarray(x[0])] * 4).save(at("odd/alpha.png"))

# Parquet: flat columns in the usual encodings, lists, and images in bytes as dataset hubs publish them.
flat = {f"p{k}": x.reshape(N, 16)[:, k] for k in range(16)}
names = np.array(["cat", "dog", "emu"])[y]
table = pa.table({**flat, "label": y.astype(np.int64)})
pq.write_table(table, at("flat_snappy.parquet"), row_group_size=50)
pq.write_table(table, at("flat_gzip.parquet"), compression="gzip", use_dictionary=False)
pq.write_table(table, at("flat_v2.parquet"), data_page_version="2.0", version="2.6")
pq.write_table(table, at("flat_v2_gzip.parquet"), data_page_version="2.0", version="2.6", compression="gzip")
pq.write_table(table, at("flat_zstd.parquet"), compression="zstd")
pq.write_table(table, at("flat_brotli.parquet"), compression="brotli")
pq.write_table(pa.table({"label": pa.array(names), **{k: pa.array(v.astype(np.float32)) for k, v in flat.items()}}), at("named.parquet"))
pq.write_table(pa.table({"pixels": pa.array(list(x.reshape(N, 16))), "label": y}), at("lists.parquet"))
pngs = []
for i in range(N):
    with open(at("tmp.png"), "w+b") as f:
        Image.fromarray(x[i]).save(f, "png")
        f.seek(0)
        pngs.append({"bytes": f.read(), "path": f"{i}.png"})
os.remove(at("tmp.png"))
pq.write_table(pa.table({"image": pa.array(pngs), "label": y}), at("images.parquet"))
nulls = pa.table({"p0": pa.array([1, None, 3]), "label": [0, 1, 1]})
pq.write_table(nulls, at("nulls.parquet"))
