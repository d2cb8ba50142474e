"""Tiny models and importance weights whose every value follows from a name and an index, for the scripts beside this file.

The recipe, so that a test in any language can make the same values without a file (all of it is exact in f32):
  seed(name)     FNV-1a 64 over the bytes of the name: h = 0xCBF29CE484222325; for each byte h = (h ^ byte) * 0x100000001B3
  random(s, i)   SplitMix64: x = s + (i + 1) * 0x9E3779B97F4A7C15; x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
                 x = (x ^ x >> 27) * 0x94D049BB133111EB; x ^ x >> 31 (all modulo 2^64)
  weight i       z = random(seed(tensor name), i); v = (sum of the four 16-bit parts of z - 131070) * 2^-20, i.e. about normal with
                 deviation 0.036; times 8 where i % 61 == 7. i counts row by row in GGUF's order (after any permutation).
                 In matrices four rows differ: row 0 is 0, row 1 is 0.5, row 2 is the ramp (column - columns / 2) / 64 (ties in
                 rounding), row 3 is its value times 2^-12 (scales that are subnormal in F16). Columns / 2 rounds down.
  norm weight    1; other vectors and bias: as weight, without the special rows
  importance j   k = 1 + (random(seed(tensor name + ".in_sum2"), j) >> 52); sum = k * k, but 0 where j % 64 == 5; count = 1024;
                 so the weight of column j is sum / 1024
"""
import dataclasses

import gguf
import numpy as np

TOKENS = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + ["▁", "t", "h", "e", "a", "▁t", "he", "▁the"]
CONTEXT = 512
COUNT = 1024


@dataclasses.dataclass(frozen=True)
class Shape:
    architecture: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_width: int
    ffn: int
    tied: bool


MODELS = {
    # rows of 256, but ffn_down of 288; two layers; the only one with an output matrix of its own
    "llama-256": Shape("llama", 2, 256, 4, 2, 64, 288, False),
    # rows of 320, ffn_down of 256, attn_output of 80, which 32 does not divide; 5 heads a kv head
    "llama-320": Shape("llama", 2, 320, 5, 1, 16, 256, True),
    # rows of 48 and 80: 32 divides none
    "llama-48": Shape("llama", 1, 48, 2, 2, 24, 80, True),
    # 16 layers, for the rules that go by layer: attn_v has rows of 256, ffn_down of 64
    "llama-deep": Shape("llama", 16, 256, 4, 4, 16, 64, True),
    # attn_qkv
    "gpt2-256": Shape("gpt2", 4, 256, 4, 4, 64, 512, True),
}


def random(name, count):
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    x = np.uint64(seed) + (np.arange(count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ x >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ x >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return x ^ x >> np.uint64(31)


def bell(name, shape):
    z = random(name, int(np.prod(shape)))
    parts = sum((z >> np.uint64(shift)) & np.uint64(0xFFFF) for shift in (0, 16, 32, 48)).astype(np.int64)
    values = (parts - 131070).astype(np.float32) * np.float32(2.0**-20)
    values[np.arange(values.size) % 61 == 7] *= np.float32(8)
    return values.reshape(shape)


def matrix(name, rows, columns):
    values = bell(name, (rows, columns))
    values[0] = 0
    values[1] = 0.5
    values[2] = (np.arange(columns) - columns // 2).astype(np.float32) / np.float32(64)
    values[3] *= np.float32(2.0**-12)
    return values


def importance(name, columns):
    """The sums of squared inputs (count: COUNT) of a matrix."""
    k = np.uint64(1) + (random(name + ".in_sum2", columns) >> np.uint64(52))
    sums = (k * k).astype(np.float32)
    sums[np.arange(columns) % 64 == 5] = 0
    return sums


def matrix_shapes(shape):
    """Name -> (rows, columns) of the matrices of a model."""
    s = shape
    q, kv = s.heads * s.head_width, s.kv_heads * s.head_width
    shapes = {"token_embd.weight": (len(TOKENS), s.hidden)}
    if not s.tied:
        shapes["output.weight"] = (len(TOKENS), s.hidden)
    if s.architecture == "gpt2":
        shapes["position_embd.weight"] = (CONTEXT, s.hidden)
    for layer in range(s.layers):
        blocks = ({"attn_qkv": (3 * q, s.hidden), "attn_output": (s.hidden, q), "ffn_up": (s.ffn, s.hidden),
                   "ffn_down": (s.hidden, s.ffn)} if s.architecture == "gpt2" else
                  {"attn_q": (q, s.hidden), "attn_k": (kv, s.hidden), "attn_v": (kv, s.hidden), "attn_output": (s.hidden, q),
                   "ffn_gate": (s.ffn, s.hidden), "ffn_up": (s.ffn, s.hidden), "ffn_down": (s.hidden, s.ffn)})
        shapes |= {f"blk.{layer}.{name}.weight": rows_columns for name, rows_columns in blocks.items()}
    return shapes


def vectors(shape):
    """Name -> values of the vectors of a model."""
    norms = [f"blk.{layer}.{name}" for layer in range(shape.layers) for name in ("attn_norm", "ffn_norm")] + ["output_norm"]
    made = {norm + ".weight": np.ones(shape.hidden, np.float32) for norm in norms}
    if shape.architecture == "gpt2":
        made |= {norm + ".bias": bell(norm + ".bias", shape.hidden) for norm in norms}
        made |= {name.replace(".weight", ".bias"): bell(name.replace(".weight", ".bias"), rows)
                 for name, (rows, _) in matrix_shapes(shape).items() if name.startswith("blk.")}
    return made


def tensors(shape):
    return {name: matrix(name, *rows_columns) for name, rows_columns in matrix_shapes(shape).items()} | vectors(shape)


def write_model(path, shape):
    writer = gguf.GGUFWriter(path, shape.architecture)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    if shape.architecture == "gpt2":
        writer.add_layer_norm_eps(1e-5)
    else:
        writer.add_head_count_kv(shape.kv_heads)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_key_length(shape.head_width)
        writer.add_value_length(shape.head_width)
        writer.add_rope_dimension_count(shape.head_width)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(TOKENS)
    writer.add_token_scores([0.0] * 259 + [-float(i + 1) for i in range(len(TOKENS) - 259)])
    writer.add_token_types([2, 3, 3] + [6] * 256 + [1] * (len(TOKENS) - 259))
    for name, values in tensors(shape).items():
        writer.add_tensor(name, values)
    write(writer)


def write_importance(path, shape):
    """The recipe's importance weights of a model's blocks, as llama-imatrix would write them."""
    writer = gguf.GGUFWriter(path, "imatrix")
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", ["recipe"])
    writer.add_uint32("imatrix.chunk_count", 2)
    writer.add_uint32("imatrix.chunk_size", CONTEXT)
    for name, (_, columns) in matrix_shapes(shape).items():
        if name.startswith("blk."):
            writer.add_tensor(name + ".in_sum2", importance(name, columns)[None])
            writer.add_tensor(name + ".counts", np.full((1, 1), COUNT, np.float32))
    write(writer)


def write(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
