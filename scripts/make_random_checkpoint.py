#!/usr/bin/env python3
"""Makes a Llama-shaped Hugging Face folder with random bf16 weights and no tokenizer files, for measuring memory and time.

The defaults are the 1.1B shape that docs and tests speak of:
    scripts/make_random_checkpoint.py /tmp/random-1b
    scripts/make_random_checkpoint.py /tmp/random-small --hidden 256 --layers 4 --ffn 704 --heads 8 --kv-heads 2 --vocab 1000
"""

import argparse
import json
import pathlib
import struct

import numpy as np


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="new folder")
    parser.add_argument("--hidden", type=int, default=2048)
    parser.add_argument("--layers", type=int, default=22)
    parser.add_argument("--ffn", type=int, default=5632)
    parser.add_argument("--heads", type=int, default=32)
    parser.add_argument("--kv-heads", type=int, default=4)
    parser.add_argument("--vocab", type=int, default=32000)
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--tied", action="store_true", help="no lm_head of its own")
    parser.add_argument("--shards", type=int, default=1, help="number of weight files")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def shapes(o):
    """Every tensor with its shape, in the order of a forward pass."""
    kv = o.hidden // o.heads * o.kv_heads
    yield "model.embed_tokens.weight", (o.vocab, o.hidden)
    for i in range(o.layers):
        layer = f"model.layers.{i}."
        yield layer + "input_layernorm.weight", (o.hidden,)
        yield layer + "self_attn.q_proj.weight", (o.hidden, o.hidden)
        yield layer + "self_attn.k_proj.weight", (kv, o.hidden)
        yield layer + "self_attn.v_proj.weight", (kv, o.hidden)
        yield layer + "self_attn.o_proj.weight", (o.hidden, o.hidden)
        yield layer + "post_attention_layernorm.weight", (o.hidden,)
        yield layer + "mlp.gate_proj.weight", (o.ffn, o.hidden)
        yield layer + "mlp.up_proj.weight", (o.ffn, o.hidden)
        yield layer + "mlp.down_proj.weight", (o.hidden, o.ffn)
    yield "model.norm.weight", (o.hidden,)
    if not o.tied:
        yield "lm_head.weight", (o.vocab, o.hidden)


def random_bf16(shape, random):
    """Normal numbers of a trained model's size (norms near 1), rounded half up to bf16; their 16-bit patterns."""
    x = random.standard_normal(shape, dtype=np.float32)
    x = 1 + 0.1 * x if len(shape) == 1 else x * 0.02
    return ((x.view(np.uint32) + 0x8000) >> 16).astype("<u2")


def write_shard(path, tensors, random):
    """safetensors by hand, one tensor in memory at a time: numpy has no bf16 for the library to take."""
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors:
        end = offset + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, shape in tensors:
            random_bf16(shape, random).tofile(file)
    return offset


def divide(tensors, count):
    """`count` runs of tensors of about equal bytes."""
    total = sum(int(np.prod(shape)) for _, shape in tensors)
    runs, done = [[] for _ in range(count)], 0
    for name, shape in tensors:
        runs[min(count - 1, done * count // total)].append((name, shape))
        done += int(np.prod(shape))
    return [run for run in runs if run]


def config(o):
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": o.hidden,
        "intermediate_size": o.ffn,
        "num_hidden_layers": o.layers,
        "num_attention_heads": o.heads,
        "num_key_value_heads": o.kv_heads,
        "vocab_size": o.vocab,
        "max_position_embeddings": o.context,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": o.tied,
        "torch_dtype": "bfloat16",
        "bos_token_id": 1,
        "eos_token_id": 2,
    }


def main():
    o = options()
    if o.hidden % o.heads or o.heads % o.kv_heads:
        raise SystemExit("heads must divide hidden, and kv-heads must divide heads")
    o.folder.mkdir(parents=True)
    random = np.random.default_rng(o.seed)
    runs = divide(list(shapes(o)), o.shards)
    total, weight_map = 0, {}
    for i, run in enumerate(runs):
        name = "model.safetensors" if len(runs) == 1 else f"model-{i + 1:05}-of-{len(runs):05}.safetensors"
        total += write_shard(o.folder / name, run, random)
        weight_map.update({tensor: name for tensor, _ in run})
    if len(runs) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (o.folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
    (o.folder / "config.json").write_text(json.dumps(config(o), indent=2) + "\n")
    print(f"{o.folder}: {total // 2} weights, {total} bytes in {len(runs)} file(s)")


if __name__ == "__main__":
    main()
