#!/usr/bin/env python3
"""Reads a folder in Pith's layout (docs/formats.md) with nothing but Python: `read_pith.py FOLDER` prints the names
of its tensors, `read_pith.py FOLDER NAME` the rows of one as a JSON list of floats."""
import json
import math
import pathlib
import struct
import sys

NF4 = [-1.0, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.091050036, 0.0,
       0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1.0]
FP4 = [sign * x for sign in (1, -1) for x in (0.0, 0.0052083333, 2 / 3, 1.0, 1 / 3, 0.5, 1 / 6, 0.25)]


def float32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def dynamic_map():
    """The 256 values by which doubly quantized block scales are coded, bitsandbytes' signed dynamic map: the middles of
    2^i equal parts of [0.1, 1], times 10^(i - 6), computed in float32 from both ends of the interval."""
    positive, low = [], float32(0.1)
    for i in range(7):
        step = float32(float32(1 - low) / 2**i)
        ends = [float32(low + step * k if 2 * k < 2**i else 1 - step * (2**i - k)) for k in range(2**i + 1)]
        positive += [float32(float32(10.0**(i - 6)) * float32((a + b) / 2)) for a, b in zip(ends, ends[1:])]
    return [-x for x in reversed(positive)] + [0.0, *positive, 1.0]


def float8(code, exponent_bits):
    """E4M3 without infinities, or E5M2."""
    mantissa_bits, bias = 7 - exponent_bits, 2**(exponent_bits - 1) - 1
    sign = -1.0 if code & 0x80 else 1.0
    exponent, mantissa = (code & 0x7F) >> mantissa_bits, code & (2**mantissa_bits - 1)
    if exponent_bits == 5 and exponent == 31:
        return math.nan if mantissa else sign * math.inf
    if exponent_bits == 4 and code & 0x7F == 0x7F:
        return math.nan
    if exponent == 0:
        return sign * mantissa * 2.0**(1 - bias - mantissa_bits)
    return sign * (1 + mantissa / 2**mantissa_bits) * 2.0**(exponent - bias)


def numbers(dtype, data):
    if dtype == "BF16":
        return [struct.unpack("<f", b"\0\0" + data[i:i + 2])[0] for i in range(0, len(data), 2)]
    if dtype.startswith("F8"):
        table = [float8(code, 4 if dtype == "F8_E4M3" else 5) for code in range(256)]
        return [table[code] for code in data]
    kind = {"F32": "f", "F16": "e", "U8": "B", "I32": "i"}[dtype]
    return list(struct.unpack(f"<{len(data) // struct.calcsize(kind)}{kind}", data))


class Folder:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        config = json.loads((self.path / "config.json").read_text())
        self.quantization = config.get("quantization_config") or {"quant_method": "pith", "version": 1, "matrices": {}}
        if self.quantization["quant_method"] != "pith" or self.quantization["version"] > 1:
            sys.exit(f"{path}: not in Pith's layout, version 1")
        self.matrices, self.tensors = self.quantization["matrices"], {}
        for file in sorted(self.path.glob("*.safetensors")):
            with open(file, "rb") as stream:
                size = struct.unpack("<Q", stream.read(8))[0]
                header = json.loads(stream.read(size))
            for name, tensor in header.items():
                if name != "__metadata__":
                    self.tensors[name] = (file, 8 + size, tensor)

    def stored(self, name):
        """(numbers, shape, raw bytes) of a stored tensor."""
        file, base, tensor = self.tensors[name]
        begin, end = tensor["data_offsets"]
        with open(file, "rb") as stream:
            stream.seek(base + begin)
            data = stream.read(end - begin)
        return numbers(tensor["dtype"], data), tensor["shape"], data

    def bit_rows(self, name, bits, count):
        """The first `count` unsigned numbers of each row's bit stream."""
        _, (rows, width), data = self.stored(name)
        streams = [int.from_bytes(data[r * width:(r + 1) * width], "little") for r in range(rows)]
        return [[stream >> (i * bits) & (2**bits - 1) for i in range(count)] for stream in streams]

    def names(self):
        dense = [name for name in self.tensors if not any(name.startswith(m + ".") for m in self.matrices)]
        return sorted({*dense, *self.matrices})

    def rows(self, name):
        """The tensor as lists of floats."""
        entry = self.matrices.get(name)
        encoding = self.quantization["encodings"][entry["encoding"]] if entry else {"kind": "dense"}
        if encoding["kind"] == "dense":
            values, shape, _ = self.stored(name)
            width = shape[-1] if shape else 1
        else:
            width = entry["cols"]
            decode = getattr(self, encoding["kind"] + "_values", None) or sys.exit(f"{name}: its encoding is unknown")
            values = decode(name, encoding, entry["rows"], width)
        return [values[i:i + width] for i in range(0, len(values), width)]

    def float8_values(self, name, encoding, rows, cols):
        codes, scales = self.stored(f"{name}.codes")[0], self.stored(f"{name}.scales")[0]
        block = {"tensor": max(rows, cols), "row": cols}.get(encoding["granularity"], encoding.get("block"))
        tall = 1 if encoding["granularity"] == "row" else block
        across = -(-cols // block)
        return [float32(code * scales[i // cols // tall * across + i % cols // block]) for i, code in enumerate(codes)]

    def group_int_values(self, name, encoding, rows, cols):
        bits, by_tensor = encoding["bits"], encoding["granularity"] == "tensor"
        size = encoding["group_size"] if encoding["granularity"] == "group" else cols
        groups = -(-cols // size)
        scales = self.stored(f"{name}.scales")[0]
        zeros = [2**(bits - 1)] * len(scales)
        if encoding["zero_points"] == "int32":
            zeros = self.stored(f"{name}.zeros")[0]
        elif encoding["zero_points"] == "packed":
            zeros = [z for row in self.bit_rows(f"{name}.zeros", bits, groups) for z in row]
        group_of = self.stored(f"{name}.group_index")[0] if encoding.get("column_groups") else [c // size for c in range(cols)]
        values = []
        for r, codes in enumerate(self.bit_rows(f"{name}.codes", bits, cols)):
            first = 0 if by_tensor else r * groups
            values += [float32(scales[first + g] * (u - zeros[first + g])) for g, u in zip(group_of, codes)]
        return values

    def codebook_values(self, name, encoding, rows, cols):
        absmax = self.stored(f"{name}.absmax")[0]
        if encoding["double_quantized"]:
            codes, scales, mean = dynamic_map(), self.stored(f"{name}.absmax_scales")[0], self.stored(f"{name}.absmax_mean")[0][0]
            absmax = [float32(float32(codes[a] * scales[b // 256]) + mean) for b, a in enumerate(absmax)]
        table = [float32(x) for x in (NF4 if encoding["table"] == "nf4" else FP4)]
        data = self.stored(f"{name}.codes")[2]
        codes = [nibble for byte in data for nibble in (byte >> 4, byte & 15)][:rows * cols]
        return [float32(table[code] * absmax[i // encoding["block_size"]]) for i, code in enumerate(codes)]

    def ggml_block_values(self, name, encoding, rows, cols):
        kind, data, values = encoding["type"], self.stored(f"{name}.codes")[2], []
        if kind not in ("Q8_0", "Q4_0"):
            sys.exit(f"{name}: its blocks are of type {kind}, and this script decodes Q8_0 and Q4_0 only")
        size = 34 if kind == "Q8_0" else 18
        for i in range(0, len(data), size):
            scale, block = struct.unpack("<e", data[i:i + 2])[0], data[i + 2:i + size]
            codes = struct.unpack("32b", block) if kind == "Q8_0" else [(b >> high & 15) - 8 for high in (0, 4) for b in block]
            values += [scale * code for code in codes]
        return values


if __name__ == "__main__":
    folder = Folder(sys.argv[1])
    print(json.dumps(folder.rows(sys.argv[2])) if len(sys.argv) > 2 else "\n".join(folder.names()))
