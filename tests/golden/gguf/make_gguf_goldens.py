#!/usr/bin/env python3
"""Makes the files of this folder: python3 make_gguf_goldens.py (see README.md for what they hold).

Needs numpy, gguf, torch, transformers and accelerate; the versions used are written into expected.json.
"""
import hashlib
import json
import pathlib

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as Q
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
IDS = [1, 5, 9, 200, 33, 7, 7, 250, 64, 2]
HIDDEN, FFN, CONTEXT = 32, 64, 32


def byte_symbols():
    """GPT-2's map from bytes to printable characters, in the order of its vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(rest))]


def byte_level_tokenizer(writer, pre, end):
    merges = ["Ġ t", "h e", "Ġt he", "i n", "Ġ a", "e r", "o n", "a n"]
    tokens = byte_symbols() + [m.replace(" ", "") for m in merges] + [end]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([1] * (len(tokens) - 1) + [3])
    writer.add_token_merges(merges)
    writer.add_eos_token_id(len(tokens) - 1)
    return len(tokens)


def sentencepiece_tokenizer(writer):
    pieces = ["▁", "t", "h", "e", "a", "▁t", "he", "▁the"]
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + pieces
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * 259 + [-float(i + 1) for i in range(len(pieces))])
    writer.add_token_types([2, 3, 3] + [6] * 256 + [1] * len(pieces))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    return len(tokens)


def permute(weight, heads):
    """Rows as the llama converter writes them (convert_hf_to_gguf.py, LlamaModel.permute)."""
    return (weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
            .swapaxes(1, 2).reshape(weight.shape))


def unpermute(weight, heads):
    return (weight.reshape(heads, weight.shape[0] // heads // 2, 2, *weight.shape[1:])
            .swapaxes(1, 2).reshape(weight.shape))


LLAMA_NAMES = {
    "embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output",
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down"}
GPT2_NAMES = {
    "wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm", "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
CONV1D = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


def gguf_name(name, names):
    stem, kind = name.removeprefix("transformer.").removeprefix("model.").rsplit(".", 1)
    parts = stem.split(".")
    if parts[0] in ("layers", "h"):
        return f"blk.{parts[1]}.{names['.'.join(parts[2:])]}.{kind}"
    return f"{names[stem]}.{kind}"


def write_model(name, arch, config, types, tokenizer, rope_keys=True):
    """Random weights -> NAME.gguf; returns what a reader must get out of it."""
    torch.manual_seed(len(name))
    writer = gguf.GGUFWriter(HERE / f"{name}.gguf", arch)
    vocab = tokenizer(writer)
    model = AutoModelForCausalLM.from_config(config(vocab)).float().eval()
    hf = model.config
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(hf.num_hidden_layers)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(hf.num_attention_heads)
    writer.add_vocab_size(vocab)
    if rope_keys:
        writer.add_head_count_kv(hf.num_key_value_heads)
        writer.add_layer_norm_rms_eps(hf.rms_norm_eps)
        writer.add_rope_freq_base(hf.rope_parameters["rope_theta"])
        writer.add_rope_dimension_count(
            hf.head_dim if arch != "qwen2" else HIDDEN // hf.num_attention_heads)
        if arch == "qwen3":
            writer.add_key_length(hf.head_dim)
            writer.add_value_length(hf.head_dim)
    else:
        writer.add_layer_norm_eps(hf.layer_norm_epsilon)

    expected, stored = {}, {}
    for key, tensor in model.state_dict().items():
        if key == "lm_head.weight" and hf.tie_word_embeddings:
            continue
        # 1-D parameters of a fresh model are all 0 or 1, which would hide mistakes.
        weight = tensor.numpy().copy() if tensor.ndim > 1 else (
            np.random.default_rng(len(key)).normal(0, 0.2, tensor.shape).astype(np.float32)
            + np.float32("norm" in key and "weight" in key or "ln_" in key and "weight" in key))
        conv1d = key.endswith(CONV1D)
        if conv1d:
            weight = np.ascontiguousarray(weight.T)
        elif weight.ndim > 1:
            weight = weight * 5  # wider than the initializer, so that logits differ well
        heads = 0
        if arch == "llama" and ".q_proj." in key:
            heads = hf.num_attention_heads
        if arch == "llama" and ".k_proj." in key:
            heads = hf.num_key_value_heads
        out = gguf_name(key, GPT2_NAMES if arch == "gpt2" else LLAMA_NAMES)
        short = out.split(".")[-2]
        kind = types.get(short, Q.F32) if weight.ndim > 1 else Q.F32
        data = gguf.quants.quantize(permute(weight, heads) if heads else weight, kind)
        writer.add_tensor(out, data, raw_dtype=kind)
        back = gguf.quants.dequantize(data, kind).astype(np.float32)
        back = np.ascontiguousarray(unpermute(back, heads) if heads else back)
        # [out, in] in Hugging Face's order of rows, as f32: what Pith's parameter holds.
        expected[key] = {"gguf": out, "type": kind.name, "shape": list(back.shape),
                         "sha256": hashlib.sha256(back.tobytes()).hexdigest()}
        stored[key] = torch.from_numpy(np.ascontiguousarray(back.T) if conv1d else back)
        if arch == "gpt2" and out == "token_embd.weight":
            writer.add_tensor("output.weight", data, raw_dtype=kind)  # converters write both
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    model.load_state_dict(stored, strict=False)
    model.tie_weights()
    with torch.no_grad():
        logits = model(torch.tensor([IDS])).logits[0].numpy()
    check_with_transformers(name, stored, hf)
    return {"architecture": arch, "vocab": vocab, "tensors": expected, "ids": IDS,
            "last_logits": [float(f"{x:.7g}") for x in logits[-1]]}


def check_with_transformers(name, stored, config):
    """transformers' own GGUF loader must agree about every weight."""
    model = AutoModelForCausalLM.from_pretrained(  # the loader overlooks GPT-2's n_inner: give it
        HERE, gguf_file=f"{name}.gguf", config=config, dtype=torch.float32)
    loaded = model.state_dict()
    for key, weight in stored.items():
        assert torch.equal(loaded[key], weight), (name, key)


def rope_factors():
    """The tensor rope_freqs.weight of releases: plain inv_freq over transformers' llama3 one."""
    cases = []
    for name, width, theta, factor, low, high, original in [
            ("Llama 3.1", 128, 5e5, 8.0, 1.0, 4.0, 8192), ("Llama 3.2", 64, 5e5, 32.0, 1.0, 4.0, 8192),
            ("4096 context", 64, 1e4, 4.0, 1.0, 4.0, 4096), ("other band", 128, 5e5, 10.0, 2.0, 8.0, 16384)]:
        config = transformers.LlamaConfig(
            hidden_size=width, num_attention_heads=1, max_position_embeddings=131072,
            rope_parameters={"rope_type": "llama3", "rope_theta": theta, "factor": factor,
                             "low_freq_factor": low, "high_freq_factor": high,
                             "original_max_position_embeddings": original})
        inv, _ = transformers.modeling_rope_utils.ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
        plain = theta ** (-np.arange(0, width, 2, dtype=np.float64) / width)
        divisors = (plain / inv.numpy().astype(np.float64)).astype(np.float32)
        divisors[np.abs(divisors - 1) < 1e-5] = 1.0
        divisors[np.abs(divisors / factor - 1) < 1e-5] = factor
        cases.append({"name": name, "theta": theta, "factor": factor, "low_freq_factor": low,
                      "high_freq_factor": high, "original_context": original,
                      "factors": [float(x) for x in divisors]})
    return cases


def compact(value):
    """JSON with a line for each model, tensor and case, not for each number."""
    text = json.dumps(value)
    return text.replace('}, "', '},\n"').replace("}, {", "},\n{") + "\n"


def main():
    family = {"max_position_embeddings": CONTEXT, "hidden_size": HIDDEN, "intermediate_size": FFN}
    result = {
        "versions": {"gguf": __import__("importlib.metadata").metadata.version("gguf"),
                     "torch": torch.__version__, "transformers": transformers.__version__},
        "models": {
            "llama": write_model("llama", "llama", lambda v: transformers.LlamaConfig(
                vocab_size=v, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-5,
                rope_theta=1e5, tie_word_embeddings=True, **family), {
                    "token_embd": Q.Q4_1, "attn_q": Q.Q4_0, "attn_k": Q.Q8_0, "attn_v": Q.BF16,
                    "attn_output": Q.Q4_1, "ffn_gate": Q.Q8_0, "ffn_up": Q.Q4_1,
                    "ffn_down": Q.Q4_0}, sentencepiece_tokenizer),
            "gpt2": write_model("gpt2", "gpt2", lambda v: transformers.GPT2Config(
                vocab_size=v, n_positions=CONTEXT, n_embd=HIDDEN, n_layer=1, n_head=4,
                n_inner=FFN, bos_token_id=v - 1, eos_token_id=v - 1), {
                    "token_embd": Q.Q4_0, "position_embd": Q.F16, "attn_qkv": Q.Q4_1,
                    "attn_output": Q.BF16, "ffn_up": Q.Q8_0, "ffn_down": Q.Q4_0},
                lambda w: byte_level_tokenizer(w, "gpt-2", "<|endoftext|>"), rope_keys=False),
            "qwen2": write_model("qwen2", "qwen2", lambda v: transformers.Qwen2Config(
                vocab_size=v, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=1, rms_norm_eps=1e-6,
                rope_theta=1e6, tie_word_embeddings=False, **family), {
                    "token_embd": Q.Q4_0, "output": Q.Q4_1, "attn_q": Q.F16, "attn_k": Q.F32,
                    "attn_v": Q.Q4_0, "attn_output": Q.Q8_0, "ffn_gate": Q.Q4_0,
                    "ffn_up": Q.Q4_1, "ffn_down": Q.Q8_0},
                lambda w: byte_level_tokenizer(w, "qwen2", "<|endoftext|>")),
            "qwen3": write_model("qwen3", "qwen3", lambda v: transformers.Qwen3Config(
                vocab_size=v, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=32,
                rms_norm_eps=1e-6, rope_theta=1e6, tie_word_embeddings=True, **family), {
                    "token_embd": Q.Q4_1, "attn_q": Q.Q8_0, "attn_k": Q.Q4_0, "attn_v": Q.Q4_1,
                    "attn_output": Q.Q4_0, "ffn_gate": Q.Q4_0, "ffn_up": Q.Q8_0,
                    "ffn_down": Q.F16},
                lambda w: byte_level_tokenizer(w, "qwen2", "<|endoftext|>")),
        }}
    (HERE / "expected.json").write_text(compact(result))
    (HERE / "rope_factors.json").write_text(compact(rope_factors()))


if __name__ == "__main__":
    main()
