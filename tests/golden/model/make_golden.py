#!/usr/bin/env python3
"""Random tiny checkpoints of every family with the float32 logits transformers computes for them.

Made with transformers 5.24.0, torch 2.13.0 (CPU), safetensors 0.8.0. Usage: make_golden.py [OUT_DIR]
Each folder holds config.json, weights, and golden.safetensors: ids [T] int64 and logits [T, V] float32.
"""
import json
import pathlib
import shutil
import sys

import torch
import transformers
from safetensors.torch import save_file

OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
LLAMA = dict(vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64)
GPT2 = dict(vocab_size=96, n_positions=64, n_embd=32, n_layer=2, n_head=4)


def rope(**scaling):
    return dict(rope_parameters={"rope_theta": 10000.0, **scaling})


LLAMA3 = rope(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=16)
# name -> (config class, its arguments, storage dtype, max_shard_size, spelling of transformers 4)
CASES = {
    "gpt2": ("GPT2Config", GPT2, "float32", None, False),
    "gpt2-untied-inner": ("GPT2Config", GPT2 | dict(n_inner=40, tie_word_embeddings=False, activation_function="relu",
                                                   scale_attn_by_inverse_layer_idx=True), "float16", None, False),
    "llama": ("LlamaConfig", LLAMA, "float32", None, False),
    "llama-tied-bf16": ("LlamaConfig", LLAMA | dict(tie_word_embeddings=True, num_key_value_heads=1), "bfloat16", None, True),
    "llama-biases-sharded": ("LlamaConfig", LLAMA | dict(attention_bias=True, mlp_bias=True), "float32", "20KB", False),
    "llama-head-dim": ("LlamaConfig", LLAMA | dict(head_dim=12, num_key_value_heads=4), "float16", None, False),
    "llama-rope-llama3": ("LlamaConfig", LLAMA | LLAMA3, "float32", None, True),
    "llama-rope-linear": ("LlamaConfig", LLAMA | rope(rope_type="linear", factor=4.0), "float32", None, True),
    "llama-rope-dynamic": ("LlamaConfig", LLAMA | dict(max_position_embeddings=16) | rope(rope_type="dynamic", factor=2.0), "float32", None, False),
    "llama-rope-yarn": ("LlamaConfig", LLAMA | rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=16), "float32", None, False),
    "mistral-window": ("MistralConfig", LLAMA | dict(sliding_window=8), "float32", None, False),
    "mistral-full": ("MistralConfig", LLAMA | dict(sliding_window=None), "bfloat16", None, True),
    "qwen2": ("Qwen2Config", LLAMA | dict(tie_word_embeddings=True), "float32", None, True),
    "qwen2-window": ("Qwen2Config", LLAMA | dict(use_sliding_window=True, sliding_window=8, max_window_layers=1), "float32", None, False),
    "qwen3": ("Qwen3Config", LLAMA | dict(head_dim=16), "float32", None, False),
    "qwen3-tied-bias": ("Qwen3Config", LLAMA | dict(head_dim=8, attention_bias=True, tie_word_embeddings=True), "bfloat16", None, True),
}


def spell_as_version_4(path):
    """Rewrites config.json the way transformers 4 wrote it."""
    config = json.loads(path.read_text())
    parameters = config.pop("rope_parameters", None)
    if parameters:
        config["rope_theta"] = parameters.pop("rope_theta")
        config["rope_scaling"] = parameters if parameters.get("rope_type", "default") != "default" else None
    config["torch_dtype"] = config.pop("dtype", "float32")
    path.write_text(json.dumps(config, indent=2) + "\n")


def make(name, kind, arguments, dtype, shard, version_4):
    torch.manual_seed(sum(name.encode()))
    config = getattr(transformers, kind)(**arguments)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
            else:
                parameter.copy_(torch.randn_like(parameter) * 0.15)
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    model.to(getattr(torch, dtype)).save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    (folder / "generation_config.json").unlink(missing_ok=True)
    if version_4:
        spell_as_version_4(folder / "config.json")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.randint(0, config.vocab_size, (24,))
    with torch.no_grad():
        logits = model(ids[None]).logits[0].float()
    save_file({"ids": ids, "logits": logits.contiguous()}, folder / "golden.safetensors")
    print(name, logits.std().item())


for case, parameters in CASES.items():
    make(case, *parameters)
