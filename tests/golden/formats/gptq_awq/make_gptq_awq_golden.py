"""Makes the folders beside this file and expected.json: tiny llamas as GPTQ and AWQ folders.

The folders `numpy-*` are packed bit by bit as formats.md 5.1 and 5.2 describe it, `autogptq-*` and `autoawq-*` by the
modules of AutoGPTQ 0.7.1 and AutoAWQ 0.2.9, whose own dequantization is what is expected of them. Needs numpy, torch,
safetensors and transformers, and the unpacked wheel or source package of those two; made with numpy 2.4.6, torch
2.13.0, transformers 5.24.0:
  python make_gptq_awq_golden.py AUTO_GPTQ_FOLDER AUTOAWQ_FOLDER
"""
import hashlib
import importlib.util
import json
import pathlib
import shutil
import sys
import types

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import LlamaConfig

HERE = pathlib.Path(__file__).parent
LINEARS = {"attn.q": ("self_attn.q_proj", 32, 32), "attn.k": ("self_attn.k_proj", 32, 32),
           "attn.v": ("self_attn.v_proj", 32, 32), "attn.o": ("self_attn.o_proj", 32, 32),
           "mlp.gate": ("mlp.gate_proj", 64, 32), "mlp.up": ("mlp.up_proj", 64, 32),
           "mlp.down": ("mlp.down_proj", 32, 64)}  # out, in
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


def load_module(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class Weight:
    """Random codes [N, K], scales and zero points [N, G], the group of each column."""

    def __init__(self, random, rows, cols, bits, group, symmetric, act_order=False, lowest_zero=0, bf16=False):
        self.bits, self.symmetric = bits, symmetric
        self.group = cols if group == -1 else group
        groups = -(-cols // self.group)
        self.codes = random.integers(0, 2**bits, (rows, cols))
        self.scales = torch.tensor(random.uniform(0.01, 0.1, (rows, groups))).to(
            torch.bfloat16 if bf16 else torch.float16)
        self.zeros = (np.full((rows, groups), 2 ** (bits - 1)) if symmetric else
                      random.integers(lowest_zero, 2**bits, (rows, groups)))
        self.g_idx = np.arange(cols) // self.group
        if act_order:
            random.shuffle(self.g_idx)

    def values(self):
        rows, cols = self.codes.shape
        out = np.zeros((rows, cols), np.float32)
        scales = self.scales.float().numpy()
        for n in range(rows):
            for k in range(cols):
                g = self.g_idx[k]
                out[n, k] = scales[n, g] * np.float32(int(self.codes[n, k]) - int(self.zeros[n, g]))
        return out


def words(fields):
    """Fields (bit position, width, value) of one column or row of words, set bit by bit."""
    size = max(position + width for position, width, _ in fields)
    bits = [0] * size
    for position, width, value in fields:
        for b in range(width):
            bits[position + b] = int(value) >> b & 1
    out = []
    for start in range(0, size, 32):
        out.append(sum(bit << i for i, bit in enumerate(bits[start:start + 32])))
    return np.array(out, np.uint32).view(np.int32)


def stream(values, bits):
    return words([(bits * i, bits, value) for i, value in enumerate(values)])


def pack_gptq(weight, v1):
    groups, rows = weight.zeros.shape[1], weight.codes.shape[0]
    qweight = np.stack([stream(weight.codes[n], weight.bits) for n in range(rows)], axis=1)
    qzeros = np.stack([stream(weight.zeros[:, g] - (1 if v1 else 0), weight.bits) for g in range(groups)])
    return {"qweight": torch.from_numpy(qweight.copy()), "qzeros": torch.from_numpy(qzeros.copy()),
            "scales": weight.scales.t().contiguous(), "g_idx": torch.tensor(weight.g_idx, dtype=torch.int32)}


def pack_awq(weight):
    def line(values):
        return words([(32 * (i // 8) + 4 * AWQ_ORDER.index(i % 8), 4, value) for i, value in enumerate(values)])
    qweight = np.stack([line(weight.codes[:, k]) for k in range(weight.codes.shape[1])])
    qzeros = np.stack([line(weight.zeros[:, g]) for g in range(weight.zeros.shape[1])])
    return {"qweight": torch.from_numpy(qweight.copy()), "qzeros": torch.from_numpy(qzeros.copy()),
            "scales": weight.scales.t().contiguous()}


def linear_of(weight):
    linear = torch.nn.Linear(weight.codes.shape[1], weight.codes.shape[0], bias=False)
    linear.weight.data = torch.from_numpy(weight.values()).to(torch.float16).float()
    return linear


def buffers(module):
    return {name: tensor.clone().contiguous() for name, tensor in module.named_buffers()
            if name in ("qweight", "qzeros", "scales", "g_idx")}


def pack_autogptq(package, weight):
    out, in_ = weight.codes.shape
    module = package.QuantLinear(weight.bits, weight.group, in_, out, bias=False)
    # pack() finds the codes again by rounding, for which the exact weight must be there
    linear = linear_of(weight)
    linear.weight.data = torch.from_numpy(weight.values())
    module.pack(linear, weight.scales.float(), torch.tensor(weight.zeros, dtype=torch.float32),
                torch.tensor(weight.g_idx, dtype=torch.int32))
    module.scales = module.scales.half()
    values = module(torch.eye(in_, dtype=torch.float16)).t().contiguous()
    return buffers(module), values.numpy()


def pack_autoawq(package, weight):
    linear = linear_of(weight)
    linear.weight.data = torch.from_numpy(weight.values())
    module = package.WQLinear_GEMM.from_linear(linear, 4, weight.group, False, weight.scales.t().contiguous().float(),
                                               torch.tensor(weight.zeros.T.copy(), dtype=torch.float32))
    values = package.dequantize_gemm(module.qweight, module.qzeros, module.scales, 4, weight.group)
    return buffers(module), values.t().contiguous().half().numpy()


def write(name, quantization, tensors, in_config=True):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    config = LlamaConfig(vocab_size=8, hidden_size=32, intermediate_size=64, num_hidden_layers=1,
                         num_attention_heads=1, num_key_value_heads=1, max_position_embeddings=32).to_dict()
    config["architectures"] = ["LlamaForCausalLM"]
    config["dtype"] = "float16"
    if in_config:
        config["quantization_config"] = quantization
    else:
        method = quantization.pop("quant_method")
        file = "quant_config.json" if method == "awq" else "quantize_config.json"
        (folder / file).write_text(json.dumps(quantization, indent=1) + "\n")
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    ones = torch.ones(32, dtype=torch.float16)
    tensors = dict(tensors)
    for norm in ("model.norm", "model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm"):
        tensors[norm + ".weight"] = ones.clone()
    tensors["model.embed_tokens.weight"] = torch.arange(256, dtype=torch.float16).reshape(8, 32) / 256
    tensors["lm_head.weight"] = torch.arange(256, dtype=torch.float16).reshape(8, 32) / 512
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def digest(values):
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def case(name, quantization, weight_of, pack, in_config=True):
    """weight_of(parameter, random, out, in); pack(weight) -> tensors, or tensors and the values expected as F16."""
    random = np.random.default_rng(sum(name.encode()))
    tensors, expected = {}, {}
    for parameter, (module, out, in_) in LINEARS.items():
        prefix = f"model.layers.0.{module}."
        weight = weight_of(parameter, random, out, in_)
        if weight is None:
            tensors[prefix + "weight"] = torch.tensor(random.normal(size=(out, in_))).half()
            continue
        packed = pack(weight)
        values = weight.values()
        if isinstance(packed, tuple):
            packed, values = packed
            assert np.array_equal(values, weight.values().astype(np.float16)), (name, parameter)
        tensors.update({prefix + part: tensor for part, tensor in packed.items()})
        expected[f"layers.0.{parameter}"] = digest(values)
    write(name, quantization, tensors, in_config)
    return {"dtype": str(values.dtype), "weights": expected}


def gptq_config(bits, group, symmetric, **more):
    return {"quant_method": "gptq", "bits": bits, "group_size": group, "sym": symmetric, "desc_act": False, **more}


def plain(*arguments, **options):
    return lambda parameter, random, out, in_: Weight(random, out, in_, *arguments, **options)


def mixed(parameter, random, out, in_):
    if parameter == "mlp.down":
        return None
    return Weight(random, out, in_, 8 if parameter.startswith("attn") else 4, 16, parameter != "mlp.up")


def main(auto_gptq, auto_awq):
    gptq = load_module("qlinear_cuda", pathlib.Path(auto_gptq) / "auto_gptq/nn_modules/qlinear/qlinear_cuda.py")
    for package in ("awq", "awq.utils", "awq.modules", "awq.modules.linear"):  # without their __init__
        module = types.ModuleType(package)
        module.__path__ = [str(pathlib.Path(auto_awq) / package.replace(".", "/"))]
        sys.modules[package] = module
    awq = importlib.import_module("awq.modules.linear.gemm")
    v1, v2 = {"checkpoint_format": "gptq"}, {"checkpoint_format": "gptq_v2"}
    rules = {"-:.*\\.down_proj": {}, "+:.*self_attn": {"bits": 8}, "^model\\.layers\\.0\\.mlp\\.up_proj$": {"sym": False}}
    expected = {
        "numpy-gptq2-v1": case("numpy-gptq2-v1", gptq_config(2, 24, True, **v1), plain(2, 24, True),
                               lambda w: pack_gptq(w, True)),
        "numpy-gptq3-v2-rows": case("numpy-gptq3-v2-rows", gptq_config(3, -1, False, **v2), plain(3, -1, False),
                                    lambda w: pack_gptq(w, False)),
        "numpy-gptq4-v2-order": case("numpy-gptq4-v2-order", {**gptq_config(4, 8, False, **v2), "desc_act": True},
                                     plain(4, 8, False, act_order=True, bf16=True), lambda w: pack_gptq(w, False)),
        "numpy-gptq4-v1-file": case("numpy-gptq4-v1-file", gptq_config(4, 16, False), plain(4, 16, False, lowest_zero=1),
                                    lambda w: pack_gptq(w, True), in_config=False),
        "numpy-gptq-dynamic": case("numpy-gptq-dynamic", gptq_config(4, 16, True, dynamic=rules, **v2), mixed,
                                   lambda w: pack_gptq(w, False)),
        "numpy-awq-file": case("numpy-awq-file", {"quant_method": "awq", "w_bit": 4, "q_group_size": 16,
                                                  "zero_point": True, "version": "GEMM"},
                               plain(4, 16, False), pack_awq, in_config=False),
        "numpy-awq-symmetric": case("numpy-awq-symmetric", {"quant_method": "awq", "bits": 4, "group_size": 32,
                                                            "zero_point": False, "version": "gemm"},
                                    plain(4, 32, True), pack_awq),
    }
    for bits in (2, 3, 4, 8):
        order = bits in (3, 4)
        name = f"autogptq{bits}"
        expected[name] = case(name, {**gptq_config(bits, 16, False), "desc_act": order, "static_groups": False,
                                     "is_marlin_format": False},
                              plain(bits, 16, False, act_order=order, lowest_zero=1), lambda w: pack_autogptq(gptq, w))
    expected["autoawq"] = case("autoawq", {"quant_method": "awq", "bits": 4, "group_size": 16, "zero_point": True,
                                           "version": "gemm", "modules_to_not_convert": None},
                               plain(4, 16, False), lambda w: pack_autoawq(awq, w))
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
