"""Makes bitsandbytes.json: tables, 4-bit codes and double quantization of bitsandbytes on the CPU.

Made with bitsandbytes 0.50.2, torch 2.13: python make_bitsandbytes.py
The inputs are a formula (`values`), repeated in src/pith/codec/quantize_codebook_test.cc.
"""

import json
import pathlib

import bitsandbytes
import bitsandbytes.functional as bnb
import numpy as np
import torch


def values(count: int) -> np.ndarray:
    out = np.empty(count, dtype=np.float32)
    state = 1
    for i in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        uniform = np.float32(int(state >> 8) - 2**23) / np.float32(2**23)
        out[i] = uniform * np.float32(1 + (i // 64) % 7) / np.float32(8)
    return out


def hex_of(tensor: torch.Tensor) -> str:
    return tensor.contiguous().numpy().tobytes().hex()


def case(table: str, rows: int, cols: int, block_size: int, nested: bool) -> dict:
    weight = torch.from_numpy(values(rows * cols)).reshape(rows, cols)
    codes, state = bnb.quantize_4bit(weight, blocksize=block_size, quant_type=table, compress_statistics=nested)
    result = {"table": table, "rows": rows, "cols": cols, "block_size": block_size, "double": nested}
    result |= {"codes": hex_of(codes), "absmax": hex_of(state.absmax)}
    if nested:
        result |= {"absmax_scales": hex_of(state.state2.absmax), "absmax_mean": hex_of(state.offset.reshape(1))}
    decoded = bnb.dequantize_4bit(codes, state).reshape(-1)
    result["first_decoded"] = hex_of(decoded[:96])
    return result


shapes = [(3, 37, 64, False), (10, 96, 32, False), (259, 64, 64, True)]
record = {
    "made_by": f"tests/golden/codec/make_bitsandbytes.py, bitsandbytes {bitsandbytes.__version__}, torch {torch.__version__}",
    "nf4": hex_of(bnb.get_4bit_type("nf4", device="cpu")),
    "fp4": hex_of(bnb.get_4bit_type("fp4", device="cpu")),
    "dynamic_map": hex_of(bnb.create_dynamic_map()),
    "cases": [case(table, *shape) for table in ("nf4", "fp4") for shape in shapes],
}
pathlib.Path(__file__).with_name("bitsandbytes.json").write_text(json.dumps(record, indent=1) + "\n")
