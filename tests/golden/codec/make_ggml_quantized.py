"""Makes ggml_quantized.json: hashes of the blocks that ggml's own quantizers make of random rows.

python make_ggml_quantized.py LIBRARY, a shared library of src/ggml-quants.c of ggml-org/ggml (as
libggml-base.so); made with that of d99724f2, gcc -O1 -ffp-contract=off on x86-64.
The rows and the importance are formulas (`row`, `importance`), repeated in
src/pith/codec/ggml_blocks_test.cc; all their numbers are exact in f32.
"""

import ctypes
import json
import pathlib
import sys

import numpy as np

ROWS, COLS = 16, 1024
BLOCKS = {
    "Q4_0": (32, 18), "Q4_1": (32, 20), "Q5_0": (32, 22), "Q5_1": (32, 24), "Q8_0": (32, 34), "Q4_K": (256, 144),
    "Q5_K": (256, 176), "Q6_K": (256, 210), "IQ4_NL": (32, 18),
}


class Draws:
    def __init__(self, seed: int):
        self.state = seed

    def next(self) -> int:
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return self.state >> 12


def shaped(kind: int, i: int, v: float) -> float:
    if kind == 1:
        return abs(v)
    if kind == 2:
        return -abs(v) - 0.5
    if kind == 3:
        return v * 32 if i % 41 == 0 else v
    if kind == 4:
        return np.floor(v * 8) / 8
    if kind == 5:
        return 0.0 if i // 32 % 3 == 0 else v
    if kind == 6:
        return v * 2.0**-20 if i // 16 % 2 == 1 else v
    if kind == 7:
        return -0.0 if i % 7 == 0 else 0.5
    return v


def row(r: int) -> np.ndarray:
    draws = Draws(r + 1)
    values = [(draws.next() + draws.next() + draws.next() - 3 * 2**19) / 2**20 for _ in range(COLS)]
    return np.array([shaped(r % 8, i, v) for i, v in enumerate(values)], dtype=np.float32)


def importance() -> np.ndarray:
    draws = Draws(99)
    out = np.empty(COLS, dtype=np.float32)
    for i in range(COLS):
        size = (draws.next() >> 8) / 2**12
        out[i] = size * size * (1024 if i % 61 == 0 else 1)
        if i % 53 == 0 or 320 <= i < 352:
            out[i] = 0
    return out


def fnv1a(data: bytes) -> str:
    state = 0xCBF29CE484222325
    for byte in data:
        state = (state ^ byte) * 0x100000001B3 % 2**64
    return f"{state:016x}"


def quantized(library: ctypes.CDLL, name: str, r: int, weights: np.ndarray | None) -> str:
    elements, size = BLOCKS[name]
    function = getattr(library, "quantize_" + name.lower().replace("_k", "_K"))
    x = row(r)
    out = ctypes.create_string_buffer(COLS // elements * size)
    pointer = None if weights is None else weights.ctypes.data_as(ctypes.c_void_p)
    function(x.ctypes.data_as(ctypes.c_void_p), out, ctypes.c_int64(1), ctypes.c_int64(COLS), pointer)
    return fnv1a(out.raw)


library = ctypes.CDLL(sys.argv[1])
record = {
    "made_by": "tests/golden/codec/make_ggml_quantized.py, ggml-org/ggml d99724f2",
    "first": row(0)[:4].astype("<f4").tobytes().hex(),
    "first_importance": importance()[1:5].astype("<f4").tobytes().hex(),
    "types": {
        name: {
            "plain": [quantized(library, name, r, None) for r in range(ROWS)],
            "weighted": [quantized(library, name, r, importance()) for r in range(ROWS)],
        }
        for name in BLOCKS
    },
}
pathlib.Path(__file__).with_name("ggml_quantized.json").write_text(json.dumps(record, indent=1) + "\n")
