"""Makes ggml_decoded.json: what the Python package gguf reads from random blocks of every type.

Made with gguf 0.19: python make_ggml_decoded.py
The bytes are a formula (`block_bytes`), repeated in src/pith/codec/ggml_dequantize_test.cc; the
record holds the hash of the f32 values and the first eight of them.
"""

import json
import pathlib
from importlib.metadata import version

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

BLOCKS = 256
# Where the f16 numbers of a block lie; their infinities and NaN become finite.
F16_AT = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": [],
}


def block_bytes(size: int, f16_at: list[int]) -> np.ndarray:
    out = np.empty(BLOCKS * size, dtype=np.uint8)
    state = 1
    for i in range(out.size):
        state = (state * 1664525 + 1013904223) % 2**32
        out[i] = state >> 24
    blocks = out.reshape(BLOCKS, size)
    for at in f16_at:
        high = blocks[:, at + 1]
        high[(high & 0x7C) == 0x7C] &= 0xBF
    return blocks


def fnv1a(data: bytes) -> str:
    state = 0xCBF29CE484222325
    for byte in data:
        state = (state ^ byte) * 0x100000001B3 % 2**64
    return f"{state:016x}"


record = {"made_by": f"tests/golden/codec/make_ggml_decoded.py, gguf {version('gguf')}", "types": {}}
for name, at in F16_AT.items():
    kind = GGMLQuantizationType[name]
    values = dequantize(block_bytes(GGML_QUANT_SIZES[kind][1], at), kind).astype("<f4").tobytes()
    record["types"][name] = {"fnv1a": fnv1a(values), "first": values[:32].hex()}
pathlib.Path(__file__).with_name("ggml_decoded.json").write_text(json.dumps(record, indent=1) + "\n")
