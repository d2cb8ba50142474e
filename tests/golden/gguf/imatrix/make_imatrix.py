#!/usr/bin/env python3
"""Makes the files of this folder with llama.cpp: python3 make_imatrix.py "$(bench/peers/llamacpp.sh)" (see README.md).

Needs numpy and gguf. The activations come from llama.cpp's kernels for this CPU, so another machine makes slightly other sums.
"""
import hashlib
import importlib.metadata
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import gguf
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import tiny_models  # noqa: E402

MODEL = "llama-256"
BIN = pathlib.Path(sys.argv[1])
TEXT = HERE.parents[3] / "data/wikitext2/wiki.train-5k-rows.raw"
TEXT_BYTES = 4096


def collect(folder, layout, file):
    """Runs llama-imatrix on the first bytes of the text, in one thread."""
    subprocess.run([BIN / "llama-imatrix", "-m", "model.gguf", "-f", "calibration.txt", "-c", str(tiny_models.CONTEXT), "--chunks", "3",
                    "--process-output", "--no-ppl", "-t", "1", "--output-format", layout, "-o", HERE / file],
                   cwd=folder, check=True, stdout=subprocess.DEVNULL)


def entry(weights, **facts):
    """What a reader must find for one matrix: the importance of each column in f32."""
    weights = np.asarray(weights, np.float32)
    return facts | {"columns": len(weights), "first": [float(x) for x in weights[:3]], "last": float(weights[-1]),
                    "weights_sha256": hashlib.sha256(weights.astype("<f4").tobytes()).hexdigest()}


def decode_gguf(path):
    reader = gguf.GGUFReader(path)
    field = {name: value.contents() for name, value in reader.fields.items() if not name.startswith("GGUF.")}
    data = {tensor.name: tensor.data for tensor in reader.tensors}
    entries = {}
    for name in sorted(key.removesuffix(".in_sum2") for key in data if key.endswith(".in_sum2")):
        sums, counts = data[name + ".in_sum2"].reshape(-1), data[name + ".counts"].reshape(-1)
        assert len(counts) == 1
        entries[name] = entry(sums / counts[0], count=int(counts[0]))
    return {"layout": "gguf", "general.type": field["general.type"], "datasets": field["imatrix.datasets"],
            "chunk_count": field["imatrix.chunk_count"], "chunk_size": field["imatrix.chunk_size"], "entries": entries}


def decode_dat(path):
    data, at = path.read_bytes(), 0

    def integer():
        nonlocal at
        at += 4
        return struct.unpack_from("<i", data, at - 4)[0]

    def string():
        nonlocal at
        length = integer()
        at += length
        return data[at - length:at].decode()

    entries = {}
    for _ in range(integer()):
        name, calls, count = string(), integer(), integer()
        values = np.frombuffer(data, "<f4", count, at)
        at += 4 * count
        entries[name] = entry(values / np.float32(calls), calls=calls)
    made = {"layout": "dat", "chunk_count": integer(), "datasets": [string()], "entries": entries}
    assert at == len(data)
    return made


def main():
    shape = tiny_models.MODELS[MODEL]
    with tempfile.TemporaryDirectory() as folder:
        tiny_models.write_model(pathlib.Path(folder, "model.gguf"), shape)
        pathlib.Path(folder, "calibration.txt").write_bytes(TEXT.read_bytes()[:TEXT_BYTES])
        collect(folder, "gguf", MODEL + ".gguf")
        collect(folder, "dat", MODEL + ".dat")
    files = {MODEL + ".gguf": decode_gguf(HERE / (MODEL + ".gguf")), MODEL + ".dat": decode_dat(HERE / (MODEL + ".dat"))}
    matrices = {name: columns for name, (_, columns) in tiny_models.matrix_shapes(shape).items() if name != "token_embd.weight"}
    for file in files.values():
        assert {name: found["columns"] for name, found in file["entries"].items()} == matrices
    made_with = subprocess.run([BIN / "llama-imatrix", "--version"], capture_output=True, text=True, check=True).stderr.split("\n")[0]
    expected = {"llama.cpp": made_with, "gguf": importlib.metadata.version("gguf"), "files": files}
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
