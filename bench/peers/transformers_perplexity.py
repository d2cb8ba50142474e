#!/usr/bin/env python3
"""Perplexity by transformers in float32 under the protocol of `pith eval` (disjoint windows, gptq): time and peak memory.

Usage: transformers_perplexity.py MODEL TEXT [MAX_TOKENS] [THREADS]. Needs requirements-dev.txt. Prints one JSON line.
Memory is RssAnon + RssShmem as Pith counts it, sampled every 5 ms.
"""
import json
import math
import sys
import threading
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

MODEL, TEXT = sys.argv[1:3]
MAX_TOKENS = int(sys.argv[3]) if len(sys.argv) > 3 else None
torch.set_num_threads(int(sys.argv[4]) if len(sys.argv) > 4 else 2)
WINDOW = 2048
peak = 0


def resident():
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return sum(int(fields[key].split()[0]) * 1024 for key in ("RssAnon", "RssShmem"))


def watch():
    global peak
    while True:
        peak = max(peak, resident())
        time.sleep(0.005)


threading.Thread(target=watch, daemon=True).start()
model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
ids = AutoTokenizer.from_pretrained(MODEL)(open(TEXT, encoding="utf-8", newline="").read(), return_tensors="pt",
                                          add_special_tokens=False, verbose=False).input_ids[0][:MAX_TOKENS]
start, nll, predictions = time.time(), 0.0, 0
with torch.inference_mode():
    for begin in range(0, len(ids) - WINDOW + 1, WINDOW):
        window = ids[begin:begin + WINDOW]
        logits = model(window[None]).logits[0, :-1]
        nll += torch.nn.functional.cross_entropy(logits.float(), window[1:], reduction="sum").item()
        predictions += WINDOW - 1
seconds = time.time() - start
print(json.dumps({"perplexity": math.exp(nll / predictions), "predictions": predictions, "seconds": seconds,
                  "tokens_per_second": predictions / seconds, "peak_bytes": peak}))
