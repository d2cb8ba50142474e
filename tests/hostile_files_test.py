"""Files made to do harm, given to the whole program: refused in one line, within a second and with less than 300 MB.

Each is large enough for what it announces, so that size checks alone let it through. The unit tests of the rooms
(*_hostile_test.cc) have the small ones; tests/fuzz looks for more.
"""
import json
import os
import resource
import shutil
import struct
import subprocess
import tempfile
import unittest

from pith_program import BUILD, ProgramTest

MAX_MEMORY_KB = 300_000_000 // 1024
# Of processor time, so that a busy machine does no harm; a sanitizer build is allowed more.
MAX_SECONDS = 1.0
SLOW_BUILD = "asan" in BUILD.name or "tsan" in BUILD.name


def gguf(keys, entries, tensors=0, infos=b""):
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, keys) + entries + infos


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def entry(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def array(kind, count, elements):
    return struct.pack("<IQ", kind, count) + elements


def limit_address_space():
    """What goes wrong must not take the machine with it; AddressSanitizer reserves terabytes."""
    if not SLOW_BUILD:
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))


class HostileFilesTest(ProgramTest):
    def refused(self, *arguments):
        """The one line of a refusal; fails when it costs too much."""
        with tempfile.TemporaryFile() as errors:
            child = subprocess.Popen([str(BUILD / "pith"), *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=errors,
                                     preexec_fn=limit_address_space)
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            errors.seek(0)
            message = errors.read().decode()
        self.assertEqual(child.returncode, 1, message[:1000])
        self.assertEqual(message.count("\n"), 1, message[:1000])
        self.assertLess(len(message), 5000)
        if not SLOW_BUILD:
            self.assertLess(used.ru_utime + used.ru_stime, MAX_SECONDS, message)
            self.assertLess(used.ru_maxrss, MAX_MEMORY_KB, message)
        return message

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def folder_with(self, **files):
        """A golden model's folder with some files replaced; names with a dot are written with two underscores."""
        shutil.rmtree(self.folder / "model-llama", ignore_errors=True)
        folder = self.model()
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            (folder / name.replace("__", ".")).write_bytes(data)
        return folder


class HostileGguf(HostileFilesTest):
    def inspect(self, content):
        return self.refused("inspect", self.file("x.gguf", content))

    def inspect_made(self, make):
        """Of contents so large that ours would count as the program's: it starts as a copy of this process."""
        path = self.file("x.gguf", make())
        return self.refused("inspect", path)

    def test_arrays_of_empty_strings(self):
        count = 12_000_000
        self.assertIn("memory", self.inspect(gguf(1, entry("a", 9, array(8, count, bytes(8 * count))))))

    def test_arrays_of_bytes(self):
        count = 100_000_000
        self.assertIn("memory", self.inspect(gguf(1, entry("a", 9, array(0, count, bytes(count))))))

    def test_tensor_counts(self):
        count = 4_000_000
        self.assertIn("at most", self.inspect(gguf(0, b"", count, bytes(24 * count))))

    def test_many_tensors(self):
        infos = b"".join(text(f"t{i}") + struct.pack("<IIQ", 0, 0, 32 * i) for i in range(200_000))
        self.assertIn("memory", self.inspect(gguf(0, b"", 200_000, infos)))

    def test_key_counts(self):
        count = 4_000_000
        self.assertIn("at most", self.inspect(gguf(count, bytes(14 * count))))

    def test_lists_just_below_the_limit(self):
        floats, string, strings = 11_000_000, 90_000_000, 1_400_000
        for make in (lambda: entry("a", 9, array(12, floats, bytes(8 * floats))), lambda: entry("a", 8, text(bytes(string))),
                     lambda: entry("a", 9, array(8, strings, text(b"sixteen letters.") * strings))):
            self.assertIn("general.architecture", self.inspect_made(lambda: gguf(1, make())))

    def test_rope_factors_that_fit_nearly(self):
        u32, f32 = (lambda v: struct.pack("<I", v)), (lambda v: struct.pack("<f", v))
        width = 2**23
        keys = [entry("general.architecture", 8, text("llama")), entry("llama.rope.freq_base", 6, f32(1.0))]
        numbers = {"context_length": 8, "embedding_length": 8, "block_count": 1, "feed_forward_length": 8, "attention.head_count": 1,
                   "attention.key_length": width, "attention.value_length": width, "vocab_size": 8}
        keys += [entry(f"llama.{name}", 4, u32(value)) for name, value in numbers.items()]
        keys.append(entry("llama.attention.layer_norm_rms_epsilon", 6, f32(1e-5)))
        infos = text("token_embd.weight") + struct.pack("<IQQIQ", 2, 8, 8, 0, 0)
        infos += text("rope_freqs.weight") + struct.pack("<IQIQ", 1, width // 2, 0, 256)
        head = gguf(len(keys), b"".join(keys), 2, infos)
        data = bytes(256) + f32(1.0) * (width // 2 - 1) + f32(8.0)
        self.assertIn("'rope_freqs.weight'", self.inspect(head + bytes(-len(head) % 32) + data))

    def test_importance_matrices(self):
        model = self.model()
        entry_of = lambda i: struct.pack("<i4sii f", 4, b"%04x" % (i % 65536), 1, 1, 1.0)
        many = lambda: struct.pack("<i", 3_000_000) + b"".join(map(entry_of, range(65536))) * 46
        long = lambda: struct.pack("<ii1sii", 1, 1, b"w", 1, 60_000_000) + bytes(240_000_000)
        for make in (many, long):
            path = self.file("i.dat", make())
            message = self.refused("convert", model, "--format", "gguf:Q4_K", "--imatrix", path, "-o", self.folder / "out.gguf")
            self.assertIn("at most", message)

    def test_names_with_control_characters(self):
        message = self.inspect(gguf(1, entry("general.architecture", 8, text("\x1b[2J\r"))))
        self.assertIn("\\x1b[2J\\x0d", message)


class HostileJson(HostileFilesTest):
    def config(self, content):
        return self.refused("inspect", self.folder_with(config__json=content))

    def test_brackets(self):
        self.assertIn("nested deeper", self.config("[" * 200_000))
        self.assertIn("nested deeper", self.config('{"a":' * 200_000))

    def test_lists_of_zeros(self):
        self.assertIn("memory", self.config('{"layer_types":[' + "0," * 15_000_000 + "0]}"))

    def test_lists_of_lists(self):
        self.assertIn("memory", self.config("[" + "[]," * 10_000_000 + "0]"))

    def test_long_strings(self):
        self.assertIn("8388608", self.config('{"' + "a" * 60_000_000 + '":0}'))

    def test_long_numbers(self):
        self.assertIn("8388608", self.config('{"a":' + "1" * 60_000_000 + "}"))

    def test_keys_twice(self):
        self.assertIn("twice", self.config('{"a":1,"a":2}'))


class HostileQuantization(HostileFilesTest):
    def quantization(self, config):
        folder = self.folder_with()
        document = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**document, "quantization_config": config}))
        return self.refused("inspect", folder)

    def compressed_tensors(self, ignore):
        """The target is no module's, so that every module is looked for in all of `ignore`."""
        weights = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 8}
        return self.quantization({"quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": ignore,
                                  "config_groups": {"group_0": {"targets": ["re:none"], "weights": weights}}})

    def test_repetitions_of_nothing(self):
        self.assertIn("at most 4096 steps", self.compressed_tensors(["re:((((){1000}){1000}){1000}){1000}"]))

    def test_many_slow_expressions(self):
        message = self.compressed_tensors([f"re:{'(.*)*(.?){30}' * 8}b{i}" for i in range(256)])
        self.assertRegex(message, "takes more than 0.5 s|which matches none")

    def test_many_names(self):
        self.assertIn("which matches none", self.compressed_tensors([f"model.layers.{i}.mlp.up_proj" for i in range(60_000)]))


class HostileSafetensors(HostileFilesTest):
    def weights(self, header, buffer=b""):
        data = header.encode()
        return self.refused("inspect", self.folder_with(model__safetensors=struct.pack("<Q", len(data)) + data + buffer))

    def test_many_tensors(self):
        tensor = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
        self.weights("{" + ",".join(f'"{i}":{tensor}' for i in range(200_000)) + "}")
        self.weights("{" + ",".join(f'"{i}":{tensor}' for i in range(300_000)) + "}")

    def test_long_names_in_an_index(self):
        index = '{"weight_map":{' + ",".join(f'"{"a" * 1000}{i}":"x.safetensors"' for i in range(60_000)) + "}}"
        folder = self.folder_with(model__safetensors__index__json=index)
        (folder / "model.safetensors").unlink()
        self.assertIn("the shard x.safetensors", self.refused("inspect", folder))

    def test_long_shapes(self):
        self.weights('{"a":{"dtype":"U8","shape":[' + "0," * 3_000_000 + '0],"data_offsets":[0,1]}}')

    def test_shards_elsewhere(self):
        for name in ("../x", "/etc/passwd", "x/y"):
            folder = self.folder_with(**{"model__safetensors__index__json": json.dumps({"weight_map": {"a": name}})})
            (folder / "model.safetensors").unlink()
            self.assertIn("the name of a file in the same folder", self.refused("inspect", folder))


class HostileTokenizer(HostileFilesTest):
    def tokenizer(self, **parts):
        document = {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, **parts}
        folder = self.folder_with(tokenizer__json=json.dumps(document))
        path = self.folder / "text"
        path.write_text("a" * 1000 + "cb")
        return self.refused("tokenize", folder, "--file", path)

    def test_replacements_that_feed_each_other(self):
        step = {"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaa"}
        self.assertIn("makes more than", self.tokenizer(normalizer={"type": "Sequence", "normalizers": [step] * 30}))

    def test_many_steps(self):
        step = {"type": "Digits", "individual_digits": True}
        self.assertIn("at most 64", self.tokenizer(pre_tokenizer={"type": "Sequence", "pretokenizers": [step] * 200_000}))

    def test_patterns_that_backtrack(self):
        split = {"type": "Split", "pattern": {"Regex": "(a+a+)+b"}, "behavior": "Isolated"}
        self.assertIn("fails on a text", self.tokenizer(pre_tokenizer=split))

    def test_large_ids(self):
        self.assertIn("integer from 0 to", self.tokenizer(model={"type": "BPE", "vocab": {"a": 2**40}, "merges": []}))


if __name__ == "__main__":
    unittest.main()
