"""Makes rope.json, configs.json and reference.safetensors beside this file.

Needs torch, transformers 5 and safetensors. Made with torch 2.13.0, transformers 5.24.0, safetensors as of November 2026:
  python make_formats_golden.py
"""
import json
import pathlib
import tempfile

import torch
from safetensors.torch import save_file
from transformers import GPT2Config, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

HERE = pathlib.Path(__file__).parent
SMALL = dict(vocab_size=96, hidden_size=64, intermediate_size=112, num_hidden_layers=3, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=256)


def rope_cases():
    variants = [
        {"rope_type": "linear", "factor": 4.0},
        {"rope_type": "dynamic", "factor": 2.0},
        {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
         "original_max_position_embeddings": 64},
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "truncate": False,
         "beta_fast": 16.0, "beta_slow": 2.0},
        {"rope_type": "yarn", "factor": 40.0, "original_max_position_embeddings": 4096, "mscale": 1.0,
         "mscale_all_dim": 0.5},
        {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 8, "attention_factor": 1.25},
    ]
    cases = []
    for theta in (10000.0, 500000.0):
        for variant in variants:
            for length in (16, 512):
                config = LlamaConfig(**SMALL, head_dim=32, rope_parameters={"rope_theta": theta, **variant})
                inv_freq, attention = ROPE_INIT_FUNCTIONS[variant["rope_type"]](config, "cpu", seq_len=length)
                cases.append({"rope_parameters": {"rope_theta": theta, **variant}, "qk_dim": 32,
                              "context": SMALL["max_position_embeddings"], "length": length,
                              "inv_freq": inv_freq.double().tolist(), "attention_factor": attention})
    return cases


def saved(config):
    with tempfile.TemporaryDirectory() as folder:
        config.architectures = [type(config).__name__.replace("Config", "LMHeadModel" if config.model_type == "gpt2"
                                                              else "ForCausalLM")]
        config.dtype = torch.bfloat16
        config.save_pretrained(folder)
        return json.loads((pathlib.Path(folder) / "config.json").read_text())


def configs():
    llama3 = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
              "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
    return {
        "gpt2": saved(GPT2Config(vocab_size=96, n_positions=64, n_embd=32, n_layer=2, n_head=4)),
        "llama": saved(LlamaConfig(**SMALL, rope_parameters=llama3, attention_bias=True, tie_word_embeddings=True)),
        "mistral": saved(MistralConfig(**SMALL, sliding_window=32)),
        "qwen2": saved(Qwen2Config(**SMALL, use_sliding_window=True, sliding_window=48, max_window_layers=1)),
        "qwen3": saved(Qwen3Config(**SMALL, head_dim=24, eos_token_id=[3, 5])),
    }


def reference_tensors():
    """One tensor of each common type, an empty one and a scalar; the writer must produce the same bytes."""
    return {
        "b.f32": torch.tensor([[1.5, -2.0, 0.25], [0.0, 3.0, -1.0]], dtype=torch.float32),
        "a.f32": torch.tensor([7.0], dtype=torch.float32),
        "half": torch.tensor([1.0, 2.0, 65504.0], dtype=torch.float16),
        "brain": torch.tensor([[1.0], [-2.0]], dtype=torch.bfloat16),
        "codes": torch.tensor([[1, 2, 255]], dtype=torch.uint8),
        "signed": torch.tensor([-1, 5, -128], dtype=torch.int8),
        "fp8": torch.tensor([1.0, -0.5], dtype=torch.float8_e4m3fn),
        "fp8.wide": torch.tensor([2.0], dtype=torch.float8_e5m2),
        "count": torch.tensor(1234567890123, dtype=torch.int64),
        "zeros": torch.tensor([-7, 9], dtype=torch.int32),
        "empty": torch.zeros([0, 4], dtype=torch.float32),
        "mask": torch.tensor([True, False]),
        "quoted \"name\" é": torch.tensor([3.0], dtype=torch.float64),
    }


(HERE / "rope.json").write_text(json.dumps(rope_cases()) + "\n")
(HERE / "configs.json").write_text(json.dumps(configs(), indent=1) + "\n")
save_file(reference_tensors(), HERE / "reference.safetensors", metadata={"format": "pt"})
