"""Writes the seeds of the fuzz targets: corpus/TARGET/NAME, small files, valid or nearly so.

Run: python3 tests/fuzz/make_corpus.py     (the standard library is enough; the same files each time)
Files named found-* are inputs that once broke a reader. They are kept by hand; this script leaves them alone.
"""

import json
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def seed(target: str, name: str, content) -> None:
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def compact(document) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


# ---- JSON and YAML


def json_seeds() -> None:
    texts = {
        "kinds": '{"a":[1,-2,3.5,1e-3,true,false,null,"x"],"b":{"c":{}},"d":[]}',
        "python-literals": '{"a":NaN,"b":[Infinity,-Infinity],"s":"NaN \\" Infinity"}',
        "escapes": '["\\u00e9\\ud83d\\ude42\\n\\t\\\\\\/","\u00e9\U0001f642"]',
        "numbers": "[0,-0,18446744073709551615,18446744073709551616,-9223372036854775808,1e308,1e400,0.1]",
        "deep": "[" * 60 + "]" * 60,
        "too-deep": "[" * 200,
        "duplicate-key": '{"a":1,"b":{"x":1,"x":2}}',
        "pointer": '{"a/b":{"c~d":["e"]}}',
        "trailing-text": "{} {}",
        "trailing-comma": '{"a":[1,2,],}',
        "cut-off": '{"model":{"vocab":{"a":0,"b',
        "lone-surrogate": '"\\ud800"',
        "bad-utf8": b'{"a":"\xff\xed\xa0\x80"}',
        "empty": "",
    }
    for name, text in texts.items():
        seed("json", name, text)


def yaml_seeds() -> None:
    seed("yaml", "recipe", (ROOT / "recipes/smollm2-int4.yaml").read_bytes())
    texts = {
        "kinds": "a: 1\nb: [1.5, true, null, ~, 'x', \"y\\n\"]\nc:\n  - d: {e: f}\n  - |\n    text\n    more\n",
        "folded": "a: >-\n  one\n  two\n\n  three\nb: ''\n",
        "anchor": "a: &x 1\nb: *x\n",
        "tag": "a: !!str 1\n",
        "duplicate-key": "a: 1\na: 2\n",
        "complex-key": "? [a, b]\n: 1\n",
        "several-documents": "--- a\n--- b\n",
        "open-quote": "a: 'b\n",
        "deep": "[" * 70,
        "deep-map": "".join(" " * i + "a:\n" for i in range(70)),
        "tab": "a:\n\tb: 1\n",
        "directive": "%YAML 1.2\n---\na: 1\n...\n",
        "bad-utf8": b"a: \xff\n",
        "comment": "# only\n",
    }
    for name, text in texts.items():
        seed("yaml", name, text)


# ---- safetensors


def safetensors(header, buffer: bytes = b"", pad: bool = True) -> bytes:
    text = header if isinstance(header, str) else compact(header)
    data = text.encode()
    if pad:
        data += b" " * (-len(data) % 8)
    return struct.pack("<Q", len(data)) + data + buffer


def tensor(dtype: str, shape: list, begin: int, end: int) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors_seeds() -> None:
    worked = {
        "__metadata__": {"format": "pt"},
        "a": tensor("F32", [2], 0, 8),
        "b": tensor("BF16", [2, 1], 8, 12),
    }
    data = bytes(range(12))
    files = {
        "smallest": safetensors("{}", pad=False),
        "worked": safetensors(worked, data),
        "odd-length": safetensors(compact(worked) + " ", data, pad=False),
        "scalar-and-empty": safetensors({"s": tensor("F32", [], 0, 4), "e": tensor("I64", [0, 3], 4, 4)}, b"1234"),
        "dtypes": safetensors(
            {
                "a": tensor("BOOL", [1], 0, 1),
                "b": tensor("U8", [1], 1, 2),
                "c": tensor("F8_E4M3", [1], 2, 3),
                "d": tensor("I16", [1], 3, 5),
                "e": tensor("F16", [1], 5, 7),
                "f": tensor("F64", [1], 7, 15),
                "g": tensor("I64", [1], 15, 23),
            },
            bytes(23),
        ),
        "hole": safetensors({"a": tensor("U8", [1], 1, 2)}, b"12"),
        "overlap": safetensors({"a": tensor("U8", [2], 0, 2), "b": tensor("U8", [2], 1, 3)}, b"123"),
        "overflow": safetensors({"a": tensor("F32", [4294967296, 4294967296], 0, 0)}),
        "hidden-overflow": safetensors({"a": tensor("F32", [4294967296, 4294967296, 0], 0, 0)}),
        "huge-dimension": safetensors({"a": tensor("U8", [2**64 - 1], 0, 2**64 - 1)}),
        "end-before-begin": safetensors({"a": tensor("U8", [1], 2**63, 1)}, b"1"),
        "floats": safetensors('{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1e0]}}', b"1"),
        "duplicate-name": safetensors('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{}}'),
        "unknown-dtype": safetensors({"a": tensor("F4", [2], 0, 1)}, b"1"),
        "control-in-name": safetensors({"a\u0007\u001b[2J": tensor("U8", [0], 0, 0)}),
        "metadata-number": safetensors({"__metadata__": {"format": 1}}),
        "trailing-bytes": safetensors({}, b"1"),
        "length-too-large": struct.pack("<Q", 2**63) + b"{}",
        "length-past-end": struct.pack("<Q", 3) + b"{}",
        "cut-off": safetensors(worked, data)[:60],
        # The two shards of the target hold tensors a and b.
        "index": compact({"metadata": {"total_size": 8}, "weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}),
        "index-other-shard": compact({"weight_map": {"a": "2.safetensors", "b": "1.safetensors"}}),
        "index-one-missing": compact({"weight_map": {"a": "1.safetensors", "b": "3.safetensors"}}),
        "index-parent": compact({"weight_map": {"a": "../1.safetensors"}}),
        "index-absolute": compact({"weight_map": {"a": "/etc/passwd"}}),
        "index-zero-byte": '{"weight_map":{"a":"1.safetensors\\u0000x"}}',
        "index-numbers": '{"weight_map":{"a":1,"b":[]}}',
    }
    for name, content in files.items():
        seed("safetensors", name, content)


# ---- config.json

PITH_LAYOUT = {
    "quant_method": "pith",
    "version": 1,
    "encodings": [
        {"kind": "group_int", "bits": 4, "granularity": "group", "group_size": 32, "zero_points": "packed", "scale_dtype": "F16"},
        {"kind": "group_int", "bits": 8, "granularity": "row", "zero_points": "none", "scale_dtype": "F32"},
        {"kind": "dense", "dtype": "BF16"},
        {"kind": "float8", "format": "F8_E4M3", "granularity": "tensor"},
        {"kind": "codebook", "table": "nf4", "block_size": 64, "double_quantized": True},
        {"kind": "ggml_block", "type": "Q4_0"},
    ],
    "matrices": {
        f"model.layers.0.m{i}.weight": {"encoding": i, "rows": 64, "cols": 128} for i in range(6)
    },
}
PITH_LAYOUT["matrices"]["model.layers.0.m1.weight"]["activation"] = "dynamic-int8-token"

# Settings that lead into other parts of the reader.
CONFIG_CHANGES = {
    "rope-linear": ("llama", {"rope_parameters": None, "rope_scaling": {"type": "linear", "factor": 2.0}}),
    "rope-dynamic": ("llama", {"rope_parameters": {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1e4}}),
    "rope-yarn": ("qwen3", {"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e6, "beta_fast": 32, "beta_slow": 1,
                                                "mscale": 1.0, "mscale_all_dim": 0.5, "original_max_position_embeddings": 64, "truncate": False}}),
    "rope-nested": ("mistral", {"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1e4}}}),
    "eos-list": ("llama", {"eos_token_id": [2, 3], "bos_token_id": None, "pad_token_id": -1}),
    "layer-types": ("qwen2", {"use_sliding_window": True, "sliding_window": 5, "layer_types": ["full_attention", "sliding_attention"]}),
    "window": ("qwen3", {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1, "layer_types": None}),
    "no-head-dim": ("llama", {"head_dim": None, "num_key_value_heads": None}),
    "experts": ("llama", {"num_local_experts": 8}),
    "softcapping": ("llama", {"final_logit_softcapping": 30.0}),
    "huge-sizes": ("llama", {"hidden_size": 2**62, "vocab_size": 1e300, "num_hidden_layers": 2**31}),
    "many-layers": ("gpt2", {"n_layer": 1000}),
    "too-many-layers": ("gpt2", {"n_layer": 10001}),
    "heads-do-not-divide": ("llama", {"num_attention_heads": 7, "num_key_value_heads": 3}),
    "pith-layout": ("llama", {"quantization_config": PITH_LAYOUT}),
    "newer-pith-layout": ("llama", {"quantization_config": {**PITH_LAYOUT, "version": 2}}),
    "empty-encodings": ("llama", {"quantization_config": {**PITH_LAYOUT, "encodings": []}}),
    "gptq": ("llama", {"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False, "sym": True}}),
    "awq": ("llama", {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"}}),
    "bitsandbytes": ("llama", {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4",
                                                       "bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": "bfloat16"}}),
    "compressed-tensors": ("llama", {"quantization_config": {"quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": ["lm_head"],
                                     "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int", "symmetric": True,
                                                                   "strategy": "group", "group_size": 128}}}}}),
    "compressed-tensors-mixed": ("llama", {"quantization_config": {
        "quant_method": "compressed-tensors", "format": "mixed-precision", "ignore": ["re:.*lm_head"], "version": "0.20.0",
        "config_groups": {
            "a": {"targets": ["re:.*self_attn\\.(q|k)_proj$"], "format": "float-quantized",
                  "weights": {"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [128, 128]}},
            "b": {"targets": ["Linear"], "format": "int-quantized", "weights": {"num_bits": 8, "strategy": "channel", "actorder": "weight"},
                  "input_activations": {"num_bits": 8, "dynamic": True, "strategy": "token"}}}}}),
    "fp8": ("llama", {"quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
                                              "weight_block_size": [128, 128], "modules_to_not_convert": ["lm_head"]}}),
}


def config_seeds() -> None:
    goldens = json.loads((ROOT / "tests/golden/formats/configs.json").read_text())
    for family, config in goldens.items():
        seed("config", family, compact(config))
    for name, (family, changes) in CONFIG_CHANGES.items():
        seed("config", name, compact({**goldens[family], **changes}))
    seed("config", "unknown-family", '{"model_type":"mamba","architectures":["MambaForCausalLM"]}')
    seed("config", "list", "[]")


# ---- folders of compressed weights

TINY = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 3, "hidden_size": 32, "intermediate_size": 32,
        "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 32, "max_position_embeddings": 8,
        "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": True, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}
LINEARS = [f"model.layers.0.{module}" for module in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                                                      "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")]
BYTES = {"U8": 1, "I8": 1, "F8_E4M3": 1, "F16": 2, "BF16": 2, "F32": 4, "I32": 4, "I64": 8}
IN_ORDER = struct.pack("<32i", *(column // 16 for column in range(32)))
ACT_ORDER = struct.pack("<32i", *(column % 2 for column in range(32)))
NF4_LEVELS = [-1.0, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.091050036, 0.0,
              0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1.0]


def folder(quantization: dict, parts: dict) -> bytes:
    """parts: tensor -> (dtype, shape) or (dtype, shape, bytes), of the weights that are not plain; the target makes up the other bytes."""
    tensors = {"model.embed_tokens.weight": ("F16", [3, 32]), "model.norm.weight": ("F16", [32]),
               "model.layers.0.input_layernorm.weight": ("F16", [32]), "model.layers.0.post_attention_layernorm.weight": ("F16", [32])}
    tensors.update({f"{linear}.weight": ("F16", [32, 32]) for linear in LINEARS if not any(name.startswith(linear) for name in parts)})
    tensors.update(parts)
    header, start, end = {}, b"", 0
    for name, (dtype, shape, *content) in sorted(tensors.items(), key=lambda item: len(item[1]), reverse=True):
        size = BYTES[dtype]
        for extent in shape:
            size *= extent
        header[name] = tensor(dtype, shape, end, end + size)
        start += b"".join(content)
        end += size
    return b"\0".join([compact({**TINY, "quantization_config": quantization}).encode(), compact(header).encode(), start])


def in_all(parts: dict) -> dict:
    return {f"{linear}.{part}": tensor for linear in LINEARS for part, tensor in parts.items()}


def ct(form: str, weights: dict, activations: dict = None) -> dict:
    return {"quant_method": "compressed-tensors", "format": form, "version": "0.20.0", "ignore": ["lm_head"], "quantization_status": "compressed",
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights, "input_activations": activations}}}


def four_bit_state() -> tuple:
    """bitsandbytes' description of a [32, 32] weight."""
    state = compact({"quant_type": "nf4", "blocksize": 64, "dtype": "float16", "shape": [32, 32],
                     "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.25}).encode()
    return "U8", [len(state)], state


def pith_folder() -> bytes:
    """An encoding a linear, in their order."""
    int4 = {"kind": "group_int", "bits": 4, "granularity": "group", "zero_points": "packed", "scale_dtype": "F16"}
    encodings = [
        ({**int4, "group_size": 16}, {"codes": ("U8", [32, 16]), "scales": ("F16", [32, 2]), "zeros": ("U8", [32, 1])}),
        ({"kind": "group_int", "bits": 8, "granularity": "row", "zero_points": "int32", "scale_dtype": "F32"},
         {"codes": ("U8", [32, 32]), "scales": ("F32", [32, 1]), "zeros": ("I32", [32, 1])}),
        ({"kind": "float8", "format": "F8_E4M3", "granularity": "group", "block": 24, "scale_dtype": "BF16"},
         {"codes": ("F8_E4M3", [32, 32]), "scales": ("BF16", [2, 2])}),
        ({**int4, "group_size": 16, "zero_points": "none", "column_groups": True},
         {"codes": ("U8", [32, 16]), "scales": ("F16", [32, 2]), "group_index": ("I32", [32], ACT_ORDER)}),
        ({"kind": "codebook", "table": "nf4", "block_size": 64, "double_quantized": True},
         {"codes": ("U8", [512]), "absmax": ("U8", [16]), "absmax_scales": ("F32", [1]), "absmax_mean": ("F32", [1])}),
        ({"kind": "ggml_block", "type": "Q8_0"}, {"codes": ("U8", [32, 34])}),
        ({"kind": "group_int", "bits": 3, "granularity": "tensor", "zero_points": "none", "scale_dtype": "F32"},
         {"codes": ("U8", [32, 12]), "scales": ("F32", [1])}),
    ]
    matrices = {f"{linear}.weight": {"encoding": i, "rows": 32, "cols": 32} for i, linear in enumerate(LINEARS)}
    matrices[f"{LINEARS[1]}.weight"]["activation"] = "dynamic-int8-token"
    parts = {f"{linear}.weight.{part}": tensor for linear, (_, buffers) in zip(LINEARS, encodings) for part, tensor in buffers.items()}
    return folder({"quant_method": "pith", "version": 1, "encodings": [each for each, _ in encodings], "matrices": matrices}, parts)


def layouts_seeds() -> None:
    gptq = {"quant_method": "gptq", "bits": 4, "group_size": 16, "sym": True, "desc_act": False}
    words = {"qweight": ("I32", [4, 32]), "qzeros": ("I32", [2, 4]), "scales": ("F16", [2, 32])}
    symmetric = {**words, "qzeros": ("I32", [2, 4], b"\x77" * 32), "g_idx": ("I32", [32], IN_ORDER)}
    bytes8 = {"qweight": ("I32", [8, 32]), "qzeros": ("I32", [1, 8]), "scales": ("BF16", [1, 32])}
    codes8, one = ("I8", [32, 32]), ("F32", [1], struct.pack("<f", 0.5))
    int8 = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False}
    nested = {"weight": ("U8", [512, 1]), "weight.absmax": ("U8", [16]), "weight.nested_absmax": ("F32", [1]),
              "weight.nested_quant_map": ("F32", [256]), "weight.quant_map": ("F32", [16], struct.pack("<16f", *NF4_LEVELS)),
              "weight.quant_state.bitsandbytes__nf4": four_bit_state()}
    folders = {
        "gptq-v1": (gptq, in_all(symmetric)),
        "gptq-v2": ({**gptq, "bits": 8, "group_size": -1, "sym": False, "checkpoint_format": "gptq_v2"}, in_all(bytes8)),
        "gptq-act-order": ({**gptq, "sym": False, "desc_act": True}, in_all({**words, "g_idx": ("I32", [32], ACT_ORDER)})),
        "gptq-dynamic": ({**gptq, "sym": False, "dynamic": {"-:.*(attn|up_proj|gate_proj)": {}, "+:.*down_proj": {"bits": 8, "group_size": -1}}},
                         {f"{LINEARS[6]}.{part}": tensor for part, tensor in bytes8.items()}),
        "awq": ({"quant_method": "awq", "bits": 4, "group_size": 16, "zero_point": True, "version": "gemm"},
                in_all({**words, "qweight": ("I32", [32, 4])})),
        "ct-pack-quantized": (ct("pack-quantized", {"num_bits": 4, "type": "int", "symmetric": False, "strategy": "group", "group_size": 16}),
                              in_all({"weight_packed": ("I32", [32, 4]), "weight_shape": ("I64", [2], struct.pack("<2q", 32, 32)),
                                      "weight_scale": ("BF16", [32, 2]), "weight_zero_point": ("I32", [4, 2])})),
        "ct-int8-static": (ct("int-quantized", int8, {"num_bits": 8, "type": "int", "symmetric": False, "strategy": "tensor", "dynamic": False}),
                           in_all({"weight": codes8, "weight_scale": ("F32", [32, 1]), "input_scale": one, "input_zero_point": ("I8", [1])})),
        "ct-float-quantized": (ct("float-quantized", {**int8, "type": "float"}, {"num_bits": 8, "type": "float", "symmetric": True,
                                                                                 "strategy": "token", "dynamic": True}),
                               in_all({"weight": ("F8_E4M3", [32, 32]), "weight_scale": ("F32", [32, 1])})),
        "fp8-blocks": ({"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [16, 16]},
                       in_all({"weight": ("F8_E4M3", [32, 32]), "weight_scale_inv": ("F32", [2, 2])})),
        "bnb-nf4-nested": ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True},
                           {f"{LINEARS[6]}.{part}": tensor for part, tensor in nested.items()}),
        "bnb-int8": ({"quant_method": "bitsandbytes", "load_in_8bit": True, "llm_int8_threshold": 6.0},
                     in_all({"weight": codes8, "SCB": ("F32", [32], struct.pack("<32f", *range(1, 33))), "weight_format": ("U8", [], b"\0")})),
    }
    for name, (quantization, parts) in folders.items():
        seed("layouts", name, folder(quantization, parts))
    seed("layouts", "pith", pith_folder())
    seed("layouts", "not-there", folder(gptq, {}))


# ---- tokenizers


LETTERS = ["H", "e", "l", "o", "w", "r", "d", "s", "a", "1", "2", "\u0120"]
MERGES = [("l", "l"), ("h", "e"), ("\u0120", "w"), ("a", "a"), ("aa", "aa")]
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def bpe(letters: list, merges: list, **flags) -> dict:
    vocab = {}
    for part in [*letters, *(part for pair in merges for part in (*pair, "".join(pair)))]:
        vocab.setdefault(part, len(vocab))
    return {"type": "BPE", **flags, "vocab": vocab, "merges": [list(pair) for pair in merges]}


def added(token_id: int, content: str, **flags) -> dict:
    return {"id": token_id, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True, **flags}


def tokenizer_documents() -> dict:
    plain = {"version": "1.0", "added_tokens": [added(40, "<s>"), added(41, "<|endoftext|>")], "normalizer": None,
             "pre_tokenizer": BYTE_LEVEL, "post_processor": None, "decoder": BYTE_LEVEL, "model": bpe(LETTERS, MERGES)}
    template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [40], "tokens": ["<s>"]}}}
    space = "\u2581"
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": space}
    back = {"type": "Replace", "pattern": {"String": space}, "content": " "}
    llama_model = bpe(["<unk>", *(f"<0x{byte:02X}>" for byte in range(0x60, 0x70)), space, "a", "H", "e"], [(space, "a"), ("a", "a")],
                      unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    llama = {**plain, "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": space}, replace]}, "pre_tokenizer": None,
             "decoder": {"type": "Sequence", "decoders": [back, {"type": "ByteFallback"}, {"type": "Fuse"},
                                                          {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
             "model": llama_model, "post_processor": template}

    def split(pattern: dict, behavior: str) -> dict:
        return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": False}

    llama3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    return {
        "byte-level": plain,
        "template": {**plain, "post_processor": {"type": "Sequence", "processors": [{"type": "ByteLevel"}, template]}},
        "llama": llama,
        "llama3": {**plain, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split({"Regex": llama3}, "Isolated"), {**BYTE_LEVEL, "use_regex": False}]},
                   "model": {**plain["model"], "ignore_merges": True}},
        "digits": {**plain, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, BYTE_LEVEL]}},
        "metaspace": {**llama, "normalizer": None, "pre_tokenizer": {"type": "Metaspace", "replacement": space, "prepend_scheme": "first", "split": True},
                      "decoder": {"type": "Metaspace", "replacement": space, "prepend_scheme": "first"}},
        "splits": {**plain, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            split({"String": "l"}, "Removed"), split({"Regex": r"\s+"}, "MergedWithPrevious"), split({"Regex": "o"}, "MergedWithNext"),
            {**split({"Regex": r"[\w]"}, "Contiguous"), "invert": True}, BYTE_LEVEL]}},
        "normal-forms": {**plain, "normalizer": {"type": "Sequence", "normalizers": [{"type": form} for form in ("NFC", "NFD", "NFKC", "NFKD")]}},
        "added-flags": {**plain, "added_tokens": [added(40, "<s>", lstrip=True, rstrip=True), added(41, "world", single_word=True, special=False),
                                                  added(42, "W\u00d6", normalized=True, special=False)]},
        "merges-as-text": {**plain, "model": {**plain["model"], "merges": [" ".join(pair) for pair in MERGES]}},
        "growing-replace": {**plain, "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Replace", "pattern": {"String": "a"}, "content": "aaaa"}] * 4}},
        "slow-pattern": {**plain, "pre_tokenizer": split({"Regex": "(a*)*b"}, "Isolated")},
        "empty-matches": {**plain, "pre_tokenizer": split({"Regex": "a*|$|(?=l)"}, "Removed")},
        "large-id": {**plain, "added_tokens": [added(2**22 - 1, "<s>")]},
        "too-large-id": {**plain, "added_tokens": [added(2**31, "<s>")]},
        "unknown-merge": {**plain, "model": {**plain["model"], "merges": [["x", "y"]]}},
        "wordpiece": {**plain, "model": {"type": "WordPiece", "vocab": {"a": 0}}},
        "no-vocab": {**plain, "model": {"type": "BPE", "vocab": {}, "merges": []}},
        "bad-pattern": {**plain, "pre_tokenizer": split({"Regex": "(?i)[a[b]]{2}+"}, "Isolated")},
    }


def tokenizer_seeds() -> None:
    for name, document in tokenizer_documents().items():
        seed("tokenizer", name, compact(document))
    vocab = compact({**bpe(LETTERS, MERGES)["vocab"], "<|endoftext|>": 40})
    merges = "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in MERGES)
    seed("tokenizer", "gpt2-files", vocab + "\0" + merges)
    seed("tokenizer", "gpt2-files-crlf", vocab + "\0" + merges.replace("\n", "\r\n"))
    seed("tokenizer", "gpt2-files-bad-merge", vocab + "\0a a a\n")
    seed("tokenizer", "gpt2-files-list", "[]\0")


# ---- GGUF

U32, I32, F32, BOOL, STRING, ARRAY, U64 = 4, 5, 6, 7, 8, 9, 10
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q", 11: "q", 12: "d"}
# Elements and bytes of a block.
BLOCKS = {"F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q4_1": (3, 32, 20), "Q5_0": (6, 32, 22), "Q5_1": (7, 32, 24),
          "Q8_0": (8, 32, 34), "Q8_1": (9, 32, 36), "Q2_K": (10, 256, 84), "Q3_K": (11, 256, 110), "Q4_K": (12, 256, 144),
          "Q5_K": (13, 256, 176), "Q6_K": (14, 256, 210), "Q8_K": (15, 256, 292), "IQ2_XXS": (16, 256, 66), "IQ4_NL": (20, 32, 18),
          "IQ4_XS": (23, 256, 136), "I32": (26, 1, 4), "F64": (28, 1, 8), "BF16": (30, 1, 2), "TQ1_0": (34, 256, 54), "TQ2_0": (35, 256, 66),
          "MXFP4": (39, 32, 17)}


def gguf_text(text) -> bytes:
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


def gguf_value(kind, value) -> bytes:
    if kind == STRING:
        return gguf_text(value)
    if isinstance(kind, tuple):
        return struct.pack("<IQ", kind[1], len(value)) + b"".join(gguf_value(kind[1], each) for each in value)
    return struct.pack("<" + NUMBERS[kind], value)


def gguf(metadata: dict, tensors: dict, version: int = 3, alignment: int = 32) -> bytes:
    """metadata: key -> (type, value), (ARRAY, type) for arrays; tensors: name -> (type, dimensions innermost first)."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for key, (kind, value) in metadata.items():
        head += gguf_text(key) + struct.pack("<I", kind[0] if isinstance(kind, tuple) else kind) + gguf_value(kind, value)
    data = b""
    for name, (kind, dimensions) in tensors.items():
        type_id, block_elements, block_bytes = BLOCKS[kind]
        elements = 1
        for dimension in dimensions:
            elements *= dimension
        head += gguf_text(name) + struct.pack("<I", len(dimensions)) + b"".join(struct.pack("<Q", d) for d in dimensions)
        head += struct.pack("<IQ", type_id, len(data))
        bytes_ = elements // block_elements * block_bytes
        data += bytes(i * 37 % 251 for i in range(bytes_))
        data += bytes(-len(data) % alignment)
    return head + bytes(-len(head) % alignment) + data


def network(architecture: str, layers: int, kind: str) -> tuple:
    """Metadata and tensors of a network with as few numbers as the type allows."""
    width = max(BLOCKS[kind][1], 4)
    prefix = architecture + "."
    metadata = {
        "general.architecture": (STRING, architecture),
        prefix + "block_count": (U32, layers),
        prefix + "context_length": (U32, 8),
        prefix + "embedding_length": (U32, width),
        prefix + "feed_forward_length": (U32, width),
        prefix + "attention.head_count": (U32, 2),
        prefix + "attention.head_count_kv": (U32, 2 if architecture == "gpt2" else 1),
    }
    half = width // 2
    tensors = {"token_embd.weight": (kind, [width, 6])}
    if architecture == "gpt2":
        metadata[prefix + "attention.layer_norm_epsilon"] = (F32, 1e-5)
        tensors["position_embd.weight"] = ("F32", [width, 8])
        per_layer = {"attn_norm.weight": ("F32", [width]), "attn_norm.bias": ("F32", [width]), "attn_qkv.weight": (kind, [width, 3 * width]),
                     "attn_qkv.bias": ("F32", [3 * width]), "attn_output.weight": (kind, [width, width]), "attn_output.bias": ("F32", [width]),
                     "ffn_norm.weight": ("F32", [width]), "ffn_norm.bias": ("F32", [width]), "ffn_up.weight": (kind, [width, width]),
                     "ffn_up.bias": ("F32", [width]), "ffn_down.weight": (kind, [width, width]), "ffn_down.bias": ("F32", [width])}
        last = {"output_norm.weight": ("F32", [width]), "output_norm.bias": ("F32", [width])}
    else:
        metadata[prefix + "attention.layer_norm_rms_epsilon"] = (F32, 1e-5)
        metadata[prefix + "rope.freq_base"] = (F32, 10000.0)
        per_layer = {"attn_norm.weight": ("F32", [width]), "attn_q.weight": (kind, [width, width]), "attn_k.weight": (kind, [width, half]),
                     "attn_v.weight": (kind, [width, half]), "attn_output.weight": (kind, [width, width]), "ffn_norm.weight": ("F32", [width]),
                     "ffn_gate.weight": (kind, [width, width]), "ffn_up.weight": (kind, [width, width]), "ffn_down.weight": (kind, [width, width])}
        if architecture == "qwen2":
            per_layer.update({"attn_q.bias": ("F32", [width]), "attn_k.bias": ("F32", [half]), "attn_v.bias": ("F32", [half])})
        if architecture == "qwen3":
            per_layer.update({"attn_q_norm.weight": ("F32", [half]), "attn_k_norm.weight": ("F32", [half])})
        last = {"output_norm.weight": ("F32", [width]), "output.weight": ("F16", [width, 6])}
    for layer in range(layers):
        tensors.update({f"blk.{layer}.{name}": shape for name, shape in per_layer.items()})
    return metadata, {**tensors, **last}


GPT2_VOCABULARY = {
    "tokenizer.ggml.model": (STRING, "gpt2"),
    "tokenizer.ggml.pre": (STRING, "llama-bpe"),
    "tokenizer.ggml.tokens": ((ARRAY, STRING), ["H", "e", "l", "ll", "<s>", "\u0120"]),
    "tokenizer.ggml.token_type": ((ARRAY, I32), [1, 1, 1, 1, 3, 1]),
    "tokenizer.ggml.merges": ((ARRAY, STRING), ["l l"]),
    "tokenizer.ggml.bos_token_id": (U32, 4),
    "tokenizer.ggml.eos_token_id": (U32, 4),
    "tokenizer.ggml.add_bos_token": (BOOL, 1),
}
LLAMA_VOCABULARY = {
    "tokenizer.ggml.model": (STRING, "llama"),
    "tokenizer.ggml.tokens": ((ARRAY, STRING), ["<unk>", "<s>", "</s>", "a", "aa", "<0x48>"]),
    "tokenizer.ggml.scores": ((ARRAY, F32), [0.0, 0.0, 0.0, -2.0, -1.0, 0.0]),
    "tokenizer.ggml.token_type": ((ARRAY, I32), [2, 3, 3, 1, 1, 6]),
    "tokenizer.ggml.unknown_token_id": (U32, 0),
    "tokenizer.ggml.padding_token_id": (U32, 2),
    "tokenizer.ggml.add_space_prefix": (BOOL, 1),
}


def with_change(file: bytes, old: bytes, new: bytes) -> bytes:
    assert file.count(old) >= 1 and len(old) == len(new)
    return file.replace(old, new, 1)


def gguf_seeds() -> None:
    values = {f"k{kind}": (kind, 1) for kind in NUMBERS}
    values.update({f"a{kind}": ((ARRAY, kind), [1, 0]) for kind in NUMBERS})
    values.update({"s": (STRING, "text"), "as": ((ARRAY, STRING), ["", "x", b"\xff"]), "general.alignment": (U32, 64)})
    worked = gguf(
        {"general.architecture": (STRING, "llama"), "llama.block_count": (U32, 2), "t.merges": ((ARRAY, STRING), ["a b", "ab c"])},
        {"w.weight": ("Q8_0", [32, 1])},
    )
    llama, llama_tensors = network("llama", 1, "F32")
    dimensions = struct.pack("<QQ", 32, 1)
    files = {
        "worked": worked,
        "version-2": gguf({"a": (U32, 1)}, {}, version=2),
        "version-1": gguf({"a": (U32, 1)}, {}, version=1),
        "big-endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
        "values": gguf(values, {"w": ("F32", [2, 1, 1, 2])}, alignment=64),
        "types": gguf({}, {kind: (kind, [BLOCKS[kind][1]]) for kind in BLOCKS}),
        "llama": gguf({**llama, **LLAMA_VOCABULARY}, llama_tensors),
        "llama-bpe": gguf({**llama, **GPT2_VOCABULARY}, llama_tensors),
        "llama-no-vocabulary": gguf(llama, llama_tensors),
        "whole-tokenizer": gguf({"tokenizer.huggingface.json": (STRING, compact(tokenizer_documents()["byte-level"]))}, {}),
        "offset": with_change(worked, dimensions + struct.pack("<IQ", 8, 0), dimensions + struct.pack("<IQ", 8, 32)),
        "offset-near-2-63": with_change(worked, dimensions + struct.pack("<IQ", 8, 0), dimensions + struct.pack("<IQ", 8, 2**63 - 32)),
        "dimension-near-2-63": with_change(worked, dimensions, struct.pack("<QQ", 2**63 - 32, 2)),
        "five-dimensions": with_change(worked, struct.pack("<I", 2) + dimensions, struct.pack("<I", 5) + dimensions),
        "removed-type": with_change(worked, dimensions + struct.pack("<I", 8), dimensions + struct.pack("<I", 4)),
        "unknown-type": with_change(worked, dimensions + struct.pack("<I", 8), dimensions + struct.pack("<I", 99)),
        "alignment-3": gguf({"general.alignment": (U32, 3)}, {}),
        "alignment-u64": gguf({"general.alignment": (U64, 32)}, {}),
        "alignment-huge": gguf({"general.alignment": (U32, 2**31)}, {}),
        "cut-off": worked[:-40],
        "split": gguf({**llama, "split.no": (2, 0), "split.count": (2, 2), "split.tensors.count": (I32, 12)}, llama_tensors),
    }
    for kind in ("Q8_0", "Q4_0", "Q4_1", "BF16"):
        metadata, tensors = network("qwen2", 1, kind)
        files[f"qwen2-{kind}"] = gguf({**metadata, **GPT2_VOCABULARY, "tokenizer.ggml.pre": (STRING, "qwen2")}, tensors)
    metadata, tensors = network("qwen3", 2, "F16")
    files["qwen3"] = gguf({**metadata, "qwen3.attention.key_length": (U32, 2), "qwen3.attention.value_length": (U32, 2)}, tensors)
    metadata, tensors = network("gpt2", 1, "F16")
    files["gpt2"] = gguf({**metadata, **GPT2_VOCABULARY, "tokenizer.ggml.pre": (STRING, "gpt-2")}, tensors)
    window = {"llama.attention.sliding_window": (U32, 4), "llama.rope.scaling.type": (STRING, "yarn"), "llama.rope.scaling.factor": (F32, 4.0),
              "llama.rope.scaling.original_context_length": (U32, 4), "llama.rope.dimension_count": (U32, 2)}
    files["window-and-yarn"] = gguf({**llama, **window}, llama_tensors)
    files["rope-factors"] = gguf(llama, {**llama_tensors, "rope_freqs.weight": ("F32", [1])})
    arrays = {"llama.attention.head_count": ((ARRAY, U32), [2]), "llama.feed_forward_length": ((ARRAY, I32), [4])}
    files["per-layer"] = gguf({**llama, **arrays}, llama_tensors)
    for name, content in files.items():
        seed("gguf", name, content)


# ---- importance matrices


def old_imatrix(entries: list, tail: bytes = b"") -> bytes:
    """entries: (name, calls, values); the layout before GGUF."""
    data = struct.pack("<i", len(entries))
    for name, calls, values in entries:
        data += struct.pack(f"<i{len(name)}sii{len(values)}f", len(name), name, calls, len(values), *values)
    return data + tail


def imatrix_seeds() -> None:
    down, head = b"blk.0.ffn_down.weight", b"output.weight"
    old = old_imatrix([(down, 4, [1, 2, 0.5]), (head, 0, [3, 4])], struct.pack("<ii3s", 4, 3, b"a.b"))
    kind = {"general.type": (STRING, "imatrix"), "imatrix.datasets": ((ARRAY, STRING), ["a.b"]), "imatrix.chunk_count": (U32, 4)}
    names = [down.decode() + end for end in (".in_sum2", ".counts")]
    tensors = {names[0]: ("F32", [3, 1]), names[1]: ("F32", [1, 1])}
    new = gguf(kind, tensors)
    data = new[-64:]  # two tensors, each padded to 32 bytes

    def with_values(first: float, count: float) -> bytes:
        return new[:-64] + struct.pack("<3f", first, 2, 0.5) + data[12:32] + struct.pack("<f", count) + data[36:]

    files = {
        "old": old,
        "old-cut-off": old[:40],
        "old-nan": old_imatrix([(down, 1, [float("nan"), 1, 1])]),
        "old-negative": old_imatrix([(down, 1, [-1, 1, 1])]),
        "old-twice": old_imatrix([(down, 1, [1, 1, 1]), (down, 1, [1, 1, 1])]),
        "old-many-entries": struct.pack("<i", 2**31 - 1) + old[4:],
        "old-long-name": struct.pack("<ii", 1, 2**31 - 1) + old[8:],
        "old-other-width": old_imatrix([(down, 1, [1, 1])]),
        "gguf": with_values(1, 4),
        "gguf-tiny-count": with_values(1e38, 1e-38),
        "gguf-garbage-values": new,
        "gguf-no-counts": gguf(kind, {names[0]: ("F32", [3, 1])}),
        "gguf-other-counts": gguf(kind, {names[0]: ("F32", [3, 1]), names[1]: ("F32", [1, 2])}),
        "gguf-f16": gguf(kind, {names[0]: ("F16", [3, 1]), names[1]: ("F32", [1, 1])}),
        "gguf-model": gguf({}, tensors),
    }
    for name, content in files.items():
        seed("imatrix", name, content)


# ---- regular expressions that name modules


def name_pattern_seeds() -> None:
    patterns = {"head": ".*lm_head", "layers": "model\\.layers\\.[0-3]\\.mlp\\..*_proj$", "lookahead": "^(?!.*vision).*proj",
                "counts": "(a{0,9}){2,}b{3}?", "class": "[^]a-z_\\d.]+|\\bx\\B", "named": "(?P<n>a|)*$", "blow-up": "(a+)+$b",
                "lookbehind": "(?<=a)b"}
    for name, pattern in patterns.items():
        seed("name_pattern", name, pattern + "\nmodel.layers.2.mlp.up_proj" + "a" * 40)


if __name__ == "__main__":
    json_seeds()
    yaml_seeds()
    safetensors_seeds()
    config_seeds()
    name_pattern_seeds()
    layouts_seeds()
    tokenizer_seeds()
    gguf_seeds()
    imatrix_seeds()
