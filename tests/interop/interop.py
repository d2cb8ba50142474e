#!/usr/bin/env python3
"""What Pith writes, read by the software that owns the format, and the other way round: perplexities and logits beside each
other, as a table in Markdown. Called by scripts/interop.sh.

Usage: interop.py PITH BASE TEXT WORK [--llama-cpp FOLDER] [--tokens N]
"""
import argparse
import json
import math
import pathlib
import re
import shutil
import subprocess
import sys

import bitsandbytes
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

WINDOW = 512
PERPLEXITY_LIMIT, LOGIT_LIMIT = 0.003, 1e-3  # relative; of the logits' standard deviation

# format, options of `pith quantize`: written by Pith, read by transformers. Not among them: packed integers with zero points,
# which transformers 5.24 with compressed-tensors 0.20 cannot load from its own folders either (it expects them unpacked).
WRITTEN = [
    ("compressed-tensors", "--method rtn --bits 4 --group-size 32 --symmetric --scale-dtype BF16"),
    ("compressed-tensors", "--method rtn --bits 3 --group-size 64 --symmetric --scale-dtype BF16"),
    ("compressed-tensors", "--method absmax --scale-dtype BF16"),
    ("compressed-tensors", "--method dynamic-int8"),
    ("compressed-tensors", "--method fp8"),
    ("bitsandbytes", "--method nf4"),
    ("bitsandbytes", "--method nf4 --double-quantization"),
    ("bitsandbytes", "--method fp4"),
]
# Written by Pith, read by llama.cpp.
GGUF_TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL", "Q4_K", "Q5_K", "Q6_K"]
# Written by transformers, read by Pith.
READ = [
    ("bitsandbytes nf4", dict(load_in_4bit=True, bnb_4bit_quant_type="nf4")),
    ("bitsandbytes nf4, nested", dict(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)),
    ("bitsandbytes fp4", dict(load_in_4bit=True, bnb_4bit_quant_type="fp4")),
    ("bitsandbytes int8", dict(load_in_8bit=True)),
]


def in_float32(model):
    """The same weights in plain layers: the kernels of bitsandbytes for CPUs compute in bfloat16 whatever they are asked for."""
    for name, module in list(model.named_modules()):
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            weight = bitsandbytes.functional.dequantize_4bit(module.weight.data, module.weight.quant_state)
            plain = torch.nn.Linear(module.in_features, module.out_features, bias=module.bias is not None)
            plain.weight.data = weight.float()
            if module.bias is not None:
                plain.bias.data = module.bias.data.float()
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, plain)
    return model


class Interop:
    def __init__(self, options):
        self.options, self.rows, self.failures = options, [], 0
        self.work = pathlib.Path(options.work)
        self.work.mkdir(parents=True, exist_ok=True)

    def pith(self, *arguments):
        done = subprocess.run([self.options.pith, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"pith {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done.stdout

    def pith_perplexity(self, model, convention="gptq"):
        return json.loads(self.pith("eval", model, "--perplexity", self.options.text, "--window", WINDOW, "--convention",
                                    convention, "--max-tokens", self.options.tokens, "--json"))["perplexity"]

    def fresh(self, name):
        path = self.work / name
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
        return path

    def row(self, what, reader, measure, theirs, ours, apart, limit):
        good = apart <= limit
        self.failures += not good
        self.rows.append(f"| {what} | {reader} | {measure} | {theirs} | {ours} | {apart:.2g} | {'yes' if good else '**no**'} |")
        print(self.rows[-1], flush=True)

    def attempt(self, what, body):
        try:
            body()
        except Exception as error:  # one format must not hide the others
            self.failures += 1
            self.rows.append(f"| {what} | | failed: {str(error).splitlines()[0][:120]} | | | | **no** |")
            print(self.rows[-1], flush=True)

    def compare_perplexity(self, what, reader, theirs, ours):
        self.row(what, reader, "perplexity", f"{theirs:.4f}", f"{ours:.4f}", abs(theirs / ours - 1), PERPLEXITY_LIMIT)

    # ---- transformers

    def ids(self):
        tokenizer = AutoTokenizer.from_pretrained(self.options.base)
        text = open(self.options.text, encoding="utf-8", newline="").read()
        return tokenizer(text, return_tensors="pt", add_special_tokens=False, verbose=False).input_ids[0][:self.options.tokens]

    def transformers_perplexity(self, folder):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        ids, nll, count = self.ids(), 0.0, 0
        with torch.inference_mode():
            for begin in range(0, len(ids) - WINDOW + 1, WINDOW):
                window = ids[begin:begin + WINDOW]
                logits = model(window[None]).logits[0, :-1].float()
                nll += torch.nn.functional.cross_entropy(logits, window[1:], reduction="sum").item()
                count += WINDOW - 1
        return math.exp(nll / count)

    def written(self, layout, method):
        folder = self.fresh("written")
        self.pith("quantize", self.options.base, *method.split(), "--format", layout, "-o", folder)
        self.compare_perplexity(f"{layout}, `{method}`", "transformers", self.transformers_perplexity(folder),
                                self.pith_perplexity(folder))

    def read(self, name, config):
        folder = self.fresh("read")
        model = AutoModelForCausalLM.from_pretrained(self.options.base, dtype=torch.float32,
                                                     quantization_config=BitsAndBytesConfig(
                                                         bnb_4bit_compute_dtype=torch.float32, **config)).eval()
        model.save_pretrained(folder)
        if "load_in_4bit" in config:
            model = in_float32(model)
        ids = self.ids()[:64]
        with torch.inference_mode():
            theirs = model(ids[None]).logits[0].float()
        lines, logits = self.work / "ids.jsonl", self.fresh("logits.safetensors")
        lines.write_text(json.dumps({"ids": ids.tolist()}) + "\n")
        self.pith("score", folder, "--input", lines, "--logits", logits)
        ours = load_file(logits)["logits.0"]
        apart = ((ours - theirs).abs().max() / theirs.std()).item()
        self.row(name, "Pith", "largest difference of logits / sd", "", "", apart, LOGIT_LIMIT)

    # ---- llama.cpp

    def llama_cpp_perplexity(self, file):
        done = subprocess.run([pathlib.Path(self.options.llama_cpp) / "llama-perplexity", "-m", file, "-f", self.options.text,
                               "-c", str(WINDOW), "--chunks", str(self.options.tokens // WINDOW), "-t", "2"],
                              capture_output=True, text=True)
        found = re.search(r"Final estimate: PPL = ([\d.]+)", done.stdout + done.stderr)
        if not found:
            raise RuntimeError(f"llama-perplexity: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
        return float(found.group(1))

    def gguf(self, kind):
        """llama.cpp rounds activations to int8 before it multiplies them with quantized blocks, so its perplexity on them is
        another quantity; with the blocks as f32, decoded by llama-quantize, it must be Pith's."""
        file, plain = self.fresh(f"{kind}.gguf"), self.fresh(f"{kind}-f32.gguf")
        self.pith("convert", self.options.base, "--format", f"gguf:{kind}", "-o", file)
        ours = self.pith_perplexity(file, "llama.cpp")
        if kind in ("F32", "F16", "BF16"):
            self.compare_perplexity(f"gguf:{kind}", "llama.cpp", self.llama_cpp_perplexity(file), ours)
        else:
            subprocess.run([pathlib.Path(self.options.llama_cpp) / "llama-quantize", "--allow-requantize", file, plain, "F32"],
                           check=True, capture_output=True)
            with_int8 = self.llama_cpp_perplexity(file)
            self.compare_perplexity(f"gguf:{kind} (llama.cpp with its int8 activations: {with_int8:.4f})",
                                    "llama.cpp, blocks as f32", self.llama_cpp_perplexity(plain), ours)
        for written in (file, plain):
            written.unlink(missing_ok=True)

    def run(self):
        for layout, method in WRITTEN:
            self.attempt(f"{layout}, `{method}`", lambda: self.written(layout, method))
        for name, config in READ:
            self.attempt(name, lambda: self.read(name, config))
        if self.options.llama_cpp:
            for kind in GGUF_TYPES:
                self.attempt(f"gguf:{kind}", lambda: self.gguf(kind))
        print("\n| written as | read by | measure | theirs | Pith | apart | within |\n|---|---|---|---|---|---|---|")
        print("\n".join(self.rows))
        return self.failures


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("pith", "base", "text", "work"):
        parser.add_argument(name)
    parser.add_argument("--llama-cpp")
    parser.add_argument("--tokens", type=int, default=4096)
    torch.set_num_threads(2)
    sys.exit(1 if Interop(parser.parse_args()).run() else 0)
