#!/usr/bin/env python3
"""Reads a folder in Pith's layout (docs/formats.md) with nothing but Python: `read_pith.py FOLDER` prints the names
of its tensors, `read_pith.py FOLDER NAME` the rows of one as a JSON list of floats."""
import base64
import json
import math
import pathlib
import struct
import sys

NF4 = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
       -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
       0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0]
FP4 = [0.0, 0.0052083333, 2 / 3, 1.0, 1 / 3, 0.5, 1 / 6, 0.25]
FP4 += [-x for x in FP4]
DYNAMIC = ('x1$p^lp0z#{{;d!212qoG=Miav+s&HOCP#83)dq#1?P-8gW|_I0dE01!R#J7fNDHCKImCG|7CYNo$seQ{HgIeEwUXuT#rIKifm^)-6V!Pbd'
           '#7n4Fan>q;S1EJKxVc(@o+#YP|G2ft3S1&CCou7z7qPWIG=`NZ~p>!}Vx9ABBrNU5}zXnwhyg*Q3xp6|UzzQn>y+NZ|@SXJ!^Xh3g?bqi`)'
           'f!}T~l;d(?p002-uAB9^zJql+%U5|1-dlY^>&CG;7U5|=A>rs$BdlZ&E3fG%Gnwg<JDqN>MxE`%NNa3<Q*Q2;SXJ)=V_b9|Yh3m;ZG&9>h0'
           '08(sW@ZXL&CD1+GczYXnwd2|002ZjW@b`8&CFmvGc#{KnVEe)004$QG&7ApW@eN=nwgtE%*>)b0062!Gc&P1W@flPnwh^o%*@6<007QDGc('
           'mbW@g+znwjH1%*^UO008nnGBf!;Gcy1`%*+EnW@ZOJ000X=nwbtiG&2%E&CC@)W@Z^b00137nwcO!G&3YW&CDl1W@alt001vPnwc^`G&43o'
           '&CEGJW@bG<002QhnwdmDGc!m(&CE+bW@b-6002`znweHVGc#I0&CFdtW@ceO003n_nwe-nGc#;I&CG8<W@d9g004JCnwfe(Gc$fa004kL')


def float32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def dynamic_map():
    """The 256 values by which doubly quantized block scales are coded: bitsandbytes' signed dynamic map."""
    positive = struct.unpack("<128f", base64.b85decode(DYNAMIC))
    return [-x for x in reversed(positive[:127])] + [0.0, *positive]


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


def bit_fields(row, bits, count):
    stream = int.from_bytes(row, "little")
    return [stream >> (i * bits) & (2**bits - 1) for i in range(count)]


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
            decode = {"float8": self.float8_values, "group_int": self.group_int_values, "codebook": self.codebook_values}
            values = decode[encoding["kind"]](name, encoding, entry["rows"], width)
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
            _, (zero_rows, width), data = self.stored(f"{name}.zeros")
            zeros = [z for r in range(zero_rows) for z in bit_fields(data[r * width:(r + 1) * width], bits, groups)]
        group_of = [c // size for c in range(cols)]
        if encoding.get("column_groups"):
            group_of = self.stored(f"{name}.group_index")[0]
        _, (_, width), data = self.stored(f"{name}.codes")
        values = []
        for r in range(rows):
            first = 0 if by_tensor else r * groups
            for c, u in enumerate(bit_fields(data[r * width:(r + 1) * width], bits, cols)):
                values.append(float32(scales[first + group_of[c]] * (u - zeros[first + group_of[c]])))
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


if __name__ == "__main__":
    folder = Folder(sys.argv[1])
    if len(sys.argv) > 2:
        print(json.dumps(folder.rows(sys.argv[2])))
    else:
        print("\n".join(folder.names()))
