"""Makes the folders beside this file: tiny Llamas compressed by compressed-tensors, and what it makes of them.

CASE/config.json, model.safetensors: the folder. CASE/expected.json: SHA-256 of each decompressed matrix as little-endian
f32, in rows; its first four numbers; and logits of IDS in f32, once with activations as they are and, where the scheme
quantizes them, as the library does.

Needs torch, transformers 5, safetensors, compressed-tensors; and for the case with words as versions before 0.18 packed
them the wheel of such a version. Made with torch 2.13.0, transformers 5.24.0, compressed-tensors 0.20.0:
  pip download --no-deps compressed-tensors==0.17.1
  python make_compressed_tensors.py compressed_tensors-0.17.1-py3-none-any.whl
"""
import hashlib
import json
import pathlib
import sys
import types
import zipfile

import torch
from compressed_tensors.compressors import BaseCompressor, ModelCompressor
from compressed_tensors.quantization import (QuantizationArgs, QuantizationConfig, QuantizationScheme,
                                             apply_quantization_config)
from compressed_tensors.quantization.utils.helpers import calculate_qparams
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

HERE = pathlib.Path(__file__).parent
IDS = [0, 23, 47]


def weights(**args):
    return QuantizationArgs(**args)


def only(weight_args, input_args=None, targets=("Linear",)):
    return {"group_0": QuantizationScheme(targets=list(targets), weights=weight_args, input_activations=input_args)}


FP8 = dict(num_bits=8, type="float")
TOKEN = dict(strategy="token", dynamic=True)
CASES = {
    "w4-g16-affine": only(weights(num_bits=4, strategy="group", group_size=16, symmetric=False)),
    "w3-channel": only(weights(num_bits=3, strategy="channel")),
    "w6-g16-affine": only(weights(num_bits=6, strategy="group", group_size=16, symmetric=False)),
    "w5-channel-affine-gapped": only(weights(num_bits=5, strategy="channel", symmetric=False)),
    "int8-dynamic": only(weights(num_bits=8, strategy="channel"), QuantizationArgs(num_bits=8, **TOKEN)),
    "int8-static": only(weights(num_bits=8, strategy="tensor"),
                        QuantizationArgs(num_bits=8, strategy="tensor", symmetric=False)),
    "fp8-dynamic": only(weights(**FP8, strategy="channel"), QuantizationArgs(**FP8, **TOKEN)),
    "fp8-static": only(weights(**FP8, strategy="tensor"), QuantizationArgs(**FP8, strategy="tensor")),
    "fp8-block": only(weights(**FP8, strategy="block", block_structure=[24, 24])),
    "mixed": {
        "attention": QuantizationScheme(targets=[r"re:.*\.self_attn\.(q|k|v)_proj$"], weights=weights(**FP8, strategy="channel"),
                                        input_activations=QuantizationArgs(**FP8, **TOKEN)),
        "rest": QuantizationScheme(targets=["Linear"], weights=weights(num_bits=8, strategy="group", group_size=32)),
        "one": QuantizationScheme(targets=["model.layers.1.mlp.down_proj"],
                                  weights=weights(num_bits=2, strategy="group", group_size=8)),
    },
}
IGNORED = {"mixed": ["lm_head", "re:.*layers.0.mlp.up_proj"]}


def tiny_llama(layers):
    torch.manual_seed(7)
    config = LlamaConfig(vocab_size=48, hidden_size=32, intermediate_size=64, num_hidden_layers=layers,
                         num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64,
                         initializer_range=0.2)
    return LlamaForCausalLM(config).to(torch.bfloat16).eval()


def ranges(w, args):
    """Least and greatest weight of each unit, in the shape of the scales."""
    if args.strategy == "group":
        units = w.unflatten(-1, (-1, args.group_size))
        return units.amin(-1), units.amax(-1)
    if args.strategy == "channel":
        return w.amin(-1, keepdim=True), w.amax(-1, keepdim=True)
    if args.strategy == "block":
        b = args.block_structure[0]
        tiles = [[w[i:i + b, j:j + b] for j in range(0, w.shape[1], b)] for i in range(0, w.shape[0], b)]
        return (torch.stack([torch.stack([t.min() for t in row]) for row in tiles]),
                torch.stack([torch.stack([t.max() for t in row]) for row in tiles]))
    return w.min().reshape(1), w.max().reshape(1)


def calibrate(model):
    for module in model.modules():
        scheme = getattr(module, "quantization_scheme", None)
        if scheme is None:
            continue
        scale, zero = calculate_qparams(*ranges(module.weight.data, scheme.weights), scheme.weights)
        module.weight_scale.data.copy_(scale)
        if hasattr(module, "weight_zero_point"):
            module.weight_zero_point.data.copy_(zero)
        inputs = scheme.input_activations
        if inputs is not None and not inputs.dynamic:
            scale, zero = calculate_qparams(torch.tensor([-3.0]), torch.tensor([4.5]), inputs)
            module.input_scale.data.copy_(scale)
            module.input_zero_point.data.copy_(zero)


def repack_gapped(folder, wheel):
    """As a version before 0.18 packs the words."""
    source = zipfile.ZipFile(wheel).read("compressed_tensors/compressors/pack_quantized/helpers.py").decode()
    old = types.ModuleType("old")
    exec(source, old.__dict__)
    from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32
    tensors = load_file(folder / "model.safetensors")
    for name in [n for n in tensors if n.endswith(".weight_packed")]:
        module = name.removesuffix(".weight_packed")
        shape = torch.Size(tensors[module + ".weight_shape"].tolist())
        tensors[name] = old.pack_to_int32(unpack_from_int32(tensors[name], 5, shape), 5)
        zeros = unpack_from_int32(tensors[module + ".weight_zero_point"], 5, (shape[0], 1), packed_dim=0)
        tensors[module + ".weight_zero_point"] = old.pack_to_int32(zeros, 5, packed_dim=0).contiguous()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"]["version"] = "0.17.1"
    (folder / "config.json").write_text(json.dumps(config, indent=2))


def decompressed(model):
    """Modules' weights as the library decompresses them, its scales taken as f32 so that nothing is rounded."""
    found = {}
    for name, module in model.named_modules():
        scheme = getattr(module, "quantization_scheme", None)
        if scheme is None:
            continue
        compressor = BaseCompressor.get_value_from_registry(scheme.format.value)
        state = {key: value.data for key, value in module.state_dict(keep_vars=True).items()}
        state["weight_scale"] = state["weight_scale"].float()
        found[name + ".weight"] = compressor.decompress(state, scheme)["weight"]
    return found


def logits(model):
    with torch.no_grad():
        rows = model(torch.tensor([IDS])).logits[0].float().tolist()
    return [[float(f"{x:.8g}") for x in row] for row in rows]


def make(case, groups, wheel):
    folder = HERE / case
    model = tiny_llama(2 if case == "mixed" else 1)
    dense = {name: value.float() for name, value in model.state_dict().items()}
    config = model.config
    quantization = QuantizationConfig(config_groups=groups, ignore=IGNORED.get(case, ["lm_head"]))
    apply_quantization_config(model, quantization)
    calibrate(model)
    compressor = ModelCompressor.from_pretrained_model(model)
    compressor.compress_model(model)
    model.save_pretrained(folder)
    compressor.quantization_config.ignore = quantization.ignore
    compressor.update_config(folder)
    (folder / "generation_config.json").unlink()
    found = decompressed(model)
    if case.endswith("gapped"):
        repack_gapped(folder, wheel)
    plain = LlamaForCausalLM(config).float().eval()
    plain.load_state_dict({**dense, **found})
    expected = {"ids": IDS, "weights": {}, "logits": logits(plain)}
    for name, weight in found.items():
        assert weight.dtype == torch.float32
        expected["weights"][name] = {"sha256": hashlib.sha256(weight.contiguous().numpy().tobytes()).hexdigest(),
                                     "first": weight.flatten()[:4].tolist()}
    if any(group.input_activations for group in groups.values()):
        loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        expected["logits_quantized"] = logits(loaded)
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")
    print(case, len(found), sum(f.stat().st_size for f in folder.iterdir()))


if __name__ == "__main__":
    for name, scheme_groups in CASES.items():
        make(name, scheme_groups, sys.argv[1])
