"""Makes the folders bnb_nf4, bnb_fp4, bnb_int8 and bnb_gpt2_int8 beside this file: tiny random models that transformers
quantized with bitsandbytes and saved, each with expected.safetensors (input ids, logits, some dequantized weights).

Needs torch, transformers 5, accelerate, bitsandbytes, safetensors. Made with torch 2.13.0, transformers 5.24.0,
bitsandbytes 0.50.2 on an x86-64 CPU:
  python make_bitsandbytes_folders.py
"""
import pathlib
import shutil
import tempfile

import bitsandbytes
import torch
from safetensors.torch import save_file
from transformers import (AutoModelForCausalLM, BitsAndBytesConfig, GPT2Config, GPT2LMHeadModel, LlamaConfig,
                          LlamaForCausalLM)

HERE = pathlib.Path(__file__).parent
SHOWN = ("self_attn.q_proj.weight", "mlp.down_proj.weight", "attn.c_attn.weight", "mlp.c_proj.weight")
TOKENS = torch.tensor([[3, 17, 30, 1, 8, 8, 25, 11, 0, 29]])


def llama():
    # 96 columns of down_proj are one block and a half: blocks cross rows.
    model = LlamaForCausalLM(LlamaConfig(vocab_size=32, hidden_size=64, intermediate_size=96, num_hidden_layers=1,
                                         num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=32,
                                         bos_token_id=1, eos_token_id=2))
    for parameter in model.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.2)
    layer = model.model.layers[0]
    layer.input_layernorm.weight.data[[3, 40]] = 9.0  # columns beyond LLM.int8's threshold
    return model


def gpt2():
    model = GPT2LMHeadModel(GPT2Config(vocab_size=32, n_positions=16, n_embd=48, n_layer=1, n_head=3, bos_token_id=1,
                                       eos_token_id=2))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    model.transformer.h[0].ln_1.weight.data[:] = 1.0
    model.transformer.h[0].ln_1.weight.data[7] = 9.0
    return model


def dequantized(module):
    weight = module.weight
    if isinstance(module, bitsandbytes.nn.Linear8bitLt):
        scb = weight.SCB if weight.SCB is not None else module.state.SCB
        return bitsandbytes.functional.int8_vectorwise_dequant(weight.data, scb)
    # In plain torch: the kernels for FP4 on CPUs use a table of four digits instead of the stored one.
    state = weight.quant_state
    absmax = state.absmax
    if state.nested:
        blocks = torch.arange(absmax.numel())
        absmax = state.state2.code[absmax.long()] * state.state2.absmax[blocks // state.state2.blocksize] + state.offset
    packed = weight.data.contiguous().view(torch.uint8).reshape(-1)
    codes = torch.stack([packed >> 4, packed & 15], dim=1).reshape(-1)[:state.shape.numel()]
    scale = absmax.repeat_interleave(state.blocksize)[:codes.numel()]
    return (state.code[codes.long()] * scale).reshape(state.shape)


def llm_int8_product(module):
    """LLM.int8() on bitsandbytes' own codes, in place of its CPU product: that multiplies by 6.200124e-05 where 1 / 127^2 is
    6.200012e-05 (as its CUDA kernels have it), and so small a factor moves a code of a later layer now and then."""
    def forward(x):
        rows = x.reshape(-1, x.shape[-1])
        codes, maxima, outliers = bitsandbytes.functional.int8_vectorwise_quant(rows.half(), module.state.threshold)
        weight, weight_maxima = module.weight.data, module.weight.SCB
        y = (codes.double() @ weight.double().T * maxima[:, None] * weight_maxima / 127**2).float()
        y += rows[:, outliers] @ (weight[:, outliers].float() * (weight_maxima / 127)[:, None]).T
        y = y.reshape(*x.shape[:-1], -1)
        return y if module.bias is None else y + module.bias
    return forward


def logits_of(model):
    with torch.no_grad():
        return model.eval()(TOKENS).logits[0].float().contiguous()


def make(name, model, **options):
    with tempfile.TemporaryDirectory() as dense:
        model.save_pretrained(dense)
        quantized = AutoModelForCausalLM.from_pretrained(dense, dtype=torch.float32, device_map="cpu",
                                                         quantization_config=BitsAndBytesConfig(**options))
    folder = HERE / f"bnb_{name}"
    shutil.rmtree(folder, ignore_errors=True)
    quantized.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    weights = {module_name + ".weight": dequantized(module).float().contiguous()
               for module_name, module in quantized.named_modules()
               if isinstance(module, (bitsandbytes.nn.Linear4bit, bitsandbytes.nn.Linear8bitLt))}
    if "load_in_4bit" in options:  # in float32, where the CPU kernels compute in bfloat16
        model.load_state_dict({**model.state_dict(), **weights})
        quantized = model
    else:
        for module in quantized.modules():
            if isinstance(module, bitsandbytes.nn.Linear8bitLt):
                module.forward = llm_int8_product(module)
    shown = {name: weight for name, weight in weights.items() if name.endswith(SHOWN)}
    save_file({"ids": TOKENS[0], "logits": logits_of(quantized), **shown}, folder / "expected.safetensors")


torch.manual_seed(5)
make("nf4", llama(), load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)
make("fp4", llama(), load_in_4bit=True, bnb_4bit_quant_type="fp4", bnb_4bit_quant_storage=torch.bfloat16)
make("int8", llama(), load_in_8bit=True)
make("gpt2_int8", gpt2(), load_in_8bit=True, llm_int8_threshold=6.0)
