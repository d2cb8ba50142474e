#!/usr/bin/env python3
"""Makes llama_quantize.json: python3 make_llama_quantize.py "$(bench/peers/llamacpp.sh)" (see README.md for what it holds).

Needs numpy and gguf. ggml's quantizers are compiled for the base instruction set, so any x86-64 machine makes the same bytes.
"""
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

import gguf

import tiny_models

HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path(sys.argv[1])
FILE_TYPES = ["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K"]
# Files of collected importance weights that are tried too.
COLLECTED = {"llama-256": ["imatrix/llama-256.gguf", "imatrix/llama-256.dat"]}
# Only the types of these are kept: their blocks would teach nothing new.
TYPES_ONLY = {"llama-deep"}


def sha256(array):
    return hashlib.sha256(array.tobytes()).hexdigest()


def quantize(source, target, file_type, importance):
    options = ["--imatrix", importance] if importance else []
    subprocess.run([BIN / "llama-quantize", *options, source, target, file_type, "2"], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return gguf.GGUFReader(target)


def one_way(source, folder, matrices, importance):
    """The matrices' types for each file type, and the SHA-256 of the bytes of each matrix for each type it had."""
    types, blocks, number = {}, {name: {} for name in matrices}, {}
    plain = {tensor.name: sha256(tensor.data) for tensor in gguf.GGUFReader(source).tensors if tensor.name not in matrices}
    for file_type in FILE_TYPES:
        reader = quantize(source, folder / "quantized.gguf", file_type, importance)
        found = {tensor.name: tensor for tensor in reader.tensors}
        assert plain == {name: sha256(tensor.data) for name, tensor in found.items() if name not in matrices}
        types[file_type] = " ".join(found[name].tensor_type.name for name in matrices)
        number[file_type] = int(reader.fields["general.file_type"].contents())
        for name in matrices:
            made = sha256(found[name].data)
            assert blocks[name].setdefault(found[name].tensor_type.name, made) == made
    return types, blocks, number


def collected_blocks(source, folder, matrices, name):
    """The blocks of the matrices for each file of collected weights."""
    return {file: one_way(source, folder, matrices, HERE / file)[1] for file in COLLECTED.get(name, [])}


def describe(name, shape, folder):
    source = folder / "model.gguf"
    tiny_models.write_model(source, shape)
    tiny_models.write_importance(folder / "imatrix.gguf", shape)
    shapes = tiny_models.matrix_shapes(shape)
    order = [tensor.name for tensor in quantize(source, folder / "copy.gguf", "COPY", None).tensors if tensor.name in shapes]
    types, blocks, number = one_way(source, folder, order, None)
    weighted_types, weighted, _ = one_way(source, folder, order, folder / "imatrix.gguf")
    model = {"architecture": shape.architecture, "layers": shape.layers, "heads": shape.heads, "kv_heads": shape.kv_heads,
             "matrices": {matrix: shapes[matrix] for matrix in order}, "types": types, "types_with_importance": weighted_types}
    if name not in TYPES_ONLY:
        model |= {"f32": {tensor: sha256(values) for tensor, values in tiny_models.tensors(shape).items()},
                  "blocks": blocks, "blocks_with_importance": weighted,
                  "blocks_with_collected": collected_blocks(source, folder, order, name)}
    return model, number


def compact(value, depth=0):
    """JSON with a line for each member, but the fourth level of objects on one line where it holds no objects."""
    if not isinstance(value, dict) or depth >= 4 and not any(isinstance(member, dict) for member in value.values()):
        return json.dumps(value)
    lines = [f"{' ' * (depth + 1)}{json.dumps(key)}: {compact(member, depth + 1)}" for key, member in value.items()]
    return "{\n" + ",\n".join(lines) + "\n" + " " * depth + "}"


def main():
    made = {"llama.cpp": "the tree of llama-cpp-python 0.3.36", "models": {}}
    for name, shape in tiny_models.MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            made["models"][name], made["file_types"] = describe(name, shape, pathlib.Path(folder))
    (HERE / "llama_quantize.json").write_text(compact(made) + "\n")


if __name__ == "__main__":
    main()
