"""The contracts of the commands that need no torch, and how wrong input ends. Run by ctest."""
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import unittest

import pith_program
import read_pith
from pith_program import BUILD, GOLDEN, ProgramTest, floats, read_safetensors

COMMANDS = ["inspect", "tokenize", "convert", "score", "eval", "compare", "generate", "quantize", "compress", "bench"]
LATER = ["pull", "chat", "serve", "plan", "prune", "distill", "train", "fit"]


class CommandLine(ProgramTest):
    def test_every_command_has_help(self):
        overall = self.pith("--help").stdout
        for command in COMMANDS:
            self.assertIn(command, overall)
            self.assertIn("--threads", self.pith(command, "--help").stdout)

    def test_version_names_the_isa(self):
        self.assertRegex(self.pith("--version").stdout, r"^pith \d+\.\d+\.\d+ .*, (baseline|avx|amx)")

    def test_what_comes_later_is_refused_by_name(self):
        for command in LATER:
            self.assertIn(f"'{command}' is not built yet", self.error(command))
        self.assertIn("--draft of 'pith generate' is not built yet", self.error("generate", "m", "--draft=self"))
        self.assertIn("not built yet", self.error("quantize", "m", "--method", "gptq", "-o", "o"))

    def test_wrong_command_lines_exit_2(self):
        self.assertIn("did you mean 'inspect'", self.error("inspct"))
        self.assertIn("--bits", self.error("quantize", "m", "--method", "rtn", "--bits", "four", "-o", "o"))
        self.assertIn("output", self.error("quantize", "m", "--method", "rtn"))
        self.assertIn("--threads is 0", self.error("inspect", GOLDEN / "llama", "--threads", "0"))
        self.error()

    def test_numbers_are_not_cut_short(self):
        self.assertIn("--bits", self.error("quantize", "m", "--method", "rtn", "--bits", "4x", "-o", "o"))
        huge = self.error("bench", "decode", "m", "--tokens", "99999999999999999999")
        self.assertIn("--tokens: expected a whole number from", huge)
        self.assertIn("at least one byte", self.error("convert", "m", "--shard-size", "0", "-o", "o"))


class Inspect(ProgramTest):
    def test_json(self):
        report = self.json("inspect", self.model())
        self.assertEqual(report["spec"]["family"], "llama")
        self.assertEqual(report["spec"]["hidden"], 32)
        self.assertEqual(sum(report["parts"].values()), report["size_bytes"])
        self.assertEqual(sum(t["rows"] * t["cols"] for t in report["tensors"]), report["spec"]["parameters"])

    def test_text_names_the_tokenizer(self):
        self.assertIn("95 tokens", self.pith("inspect", self.model()).stdout)

    def test_a_lone_file(self):
        file = GOLDEN / "llama" / "model.safetensors"
        self.assertEqual(len(self.json("inspect", file)["tensors"]), 21)

    def test_text_folds_equal_layers_and_fits_the_screen(self):
        self.pith("quantize", self.model(), "--method", "rtn", "--bits", "4", "--group-size", "16", "-o", "q")
        for model in ("model-llama", "q", GOLDEN.parent / "gguf" / "llama.gguf"):
            text = self.pith("inspect", model).stdout
            self.assertLessEqual(max(map(len, text.replace(str(model), "").splitlines())), 100)
        lines = self.pith("inspect", "q").stdout.splitlines()
        down = [line.split() for line in lines if line.startswith("mlp.down")]
        self.assertEqual([line[:4] for line in down], [["mlp.down", "0-1", "int4", "g16"]])
        self.assertTrue(any(line.startswith("attention") for line in lines))

    def test_json_adds_up(self):
        report = self.json("inspect", self.model("qwen3-tied-bias"))
        for key in ("parameters_by_part", "tensor_groups"):
            self.assertEqual(sum(part["bytes"] for part in report[key]), sum(t["bytes"] for t in report["tensors"]))
        for totals in (report["parameters_by_part"], report["quantization"]["encodings"]):
            self.assertEqual(sum(t["parameters"] for t in totals), report["spec"]["parameters"])
        self.assertEqual(report["tokenizer_facts"]["size"], 95)
        self.assertFalse(report["tokenizer_facts"]["chat_template"])

    def test_without_a_tokenizer(self):
        model = self.model(tokenizer=False)
        self.assertIsNone(self.json("inspect", model)["tokenizer_facts"])
        self.assertIn("there is no tokenizer", self.pith("inspect", model).stdout)

    def test_escapes_of_a_terminal_are_not_printed(self):
        model = self.model()
        document = json.loads((model / "tokenizer.json").read_text())
        document["added_tokens"] = [{"id": 95, "content": "\u001b[2J", "special": True}]
        (model / "tokenizer.json").write_text(json.dumps(document))
        self.assertIn("95 \\x1b[2J", self.pith("inspect", model).stdout)
        self.assertEqual(self.json("inspect", model)["tokenizer_facts"]["special"], [{"id": 95, "content": "\x1b[2J"}])

    def test_bad_models_exit_1_and_say_what(self):
        self.assertIn("no-such", self.error("inspect", "no-such", code=1))
        empty = self.folder / "empty"
        empty.mkdir()
        self.assertIn("config.json", self.error("inspect", empty, code=1))
        (self.folder / "note.gguf").write_text("not a model")
        self.assertIn("note.gguf", self.error("inspect", "note.gguf", code=1))
        (self.folder / "none.gguf").write_text("")
        self.assertIn("none.gguf", self.error("inspect", "none.gguf", code=1))

    def edited(self, change):
        model = self.model()
        path = model / "config.json"
        config = json.loads(path.read_text())
        change(config)
        path.write_text(json.dumps(config))
        message = self.error("inspect", model, code=1)
        self.assertIn("config.json", message)
        return message

    def test_bad_configs_name_the_key(self):
        self.assertIn("hidden_size", self.edited(lambda c: c.pop("hidden_size")))

    def test_wrong_type_names_the_key(self):
        self.assertIn("num_hidden_layers", self.edited(lambda c: c.update(num_hidden_layers="two")))

    def test_kv_heads_must_divide_heads(self):
        self.assertIn("num_key_value_heads", self.edited(lambda c: c.update(num_key_value_heads=3)))

    def test_unknown_architecture_lists_the_known(self):
        message = self.edited(lambda c: c.update(model_type="rwkv", architectures=["RwkvForCausalLM"]))
        for family in ("gpt2", "llama", "mistral", "qwen2", "qwen3"):
            self.assertIn(family, message)

    def test_a_missing_shard_is_named(self):
        model = self.model("llama-biases-sharded")
        (model / "model-00003-of-00005.safetensors").unlink()
        self.assertIn("model-00003-of-00005.safetensors", self.error("inspect", model, code=1))

    def test_every_truncation_is_an_error(self):
        model = self.model()
        path = model / "model.safetensors"
        whole = path.read_bytes()
        for size in (0, 4, 8, 100, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:size])
            self.assertIn("model.safetensors", self.error("inspect", model, code=1))


class InspectTensor(ProgramTest):
    NAME = "model.layers.0.mlp.up_proj.weight"

    def test_statistics(self):
        model = self.model()
        values = floats(read_safetensors(model / "model.safetensors")[self.NAME][2])
        for name in (self.NAME, "layers.0.mlp.up"):
            report = self.json("inspect", model, "--tensor", name)
            self.assertEqual(report["name"], "layers.0.mlp.up")
            self.assertEqual(report["stored_name"], self.NAME)
            found = report["statistics"]
            self.assertEqual((found["count"], found["min"], found["max"]), (len(values), min(values), max(values)))
            mean = sum(values) / len(values)
            self.assertAlmostEqual(found["mean"], mean, delta=1e-12)
            self.assertAlmostEqual(found["standard_deviation"],
                                   (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5, delta=1e-12)
            self.assertEqual(sum(report["histogram"]["counts"]), len(values))
            self.assertEqual(len(report["histogram"]["counts"]), 25)
            self.assertIsNone(report["codes"])

    def test_text_draws_a_histogram(self):
        text = self.pith("inspect", self.model(), "--tensor", "layers.0.mlp.up").stdout
        self.assertGreaterEqual(sum("\u2502" in line for line in text.splitlines()), 25)
        self.assertIn("\u2588" * 56, text)
        self.assertLessEqual(max(map(len, text.splitlines())), 100)

    def test_codes_and_scales_of_a_packed_one(self):
        self.pith("quantize", self.model(), "--method", "rtn", "--bits", "3", "--group-size", "16", "-o", "q")
        report = self.json("inspect", "q", "--tensor", "layers.1.attn.q")
        elements = report["rows"] * report["cols"]
        self.assertEqual(sum(report["codes"]["counts"]), elements)
        self.assertEqual(len(report["codes"]["counts"]), 8)
        self.assertEqual(report["scales"]["count"], elements // 16)
        self.assertEqual(report["offsets"]["count"], elements // 16)
        self.assertIn("of 8 used", self.pith("inspect", "q", "--tensor", "layers.1.attn.q").stdout)

    def test_what_is_not_finite_is_counted(self):
        model = self.model()
        path = model / "model.safetensors"
        raw = bytearray(path.read_bytes())
        dtype, shape, data = read_safetensors(path)[self.NAME]
        at = raw.find(data)
        raw[at:at + 12] = struct.pack("<3f", float("nan"), float("inf"), float("-inf"))
        path.write_bytes(raw)
        found = self.json("inspect", model, "--tensor", self.NAME)["statistics"]
        self.assertEqual((found["nan"], found["infinite"]), (1, 2))
        self.assertIn("1, 2", self.pith("inspect", model, "--tensor", self.NAME).stdout)

    def test_a_lone_file(self):
        file = GOLDEN / "llama" / "model.safetensors"
        report = self.json("inspect", file, "--tensor", self.NAME)
        self.assertEqual(report["statistics"]["count"], report["shape"][0] * report["shape"][1])
        self.assertIn("did you mean", self.error("inspect", file, "--tensor", self.NAME[:-3]))

    def test_one_value_and_none(self):
        header = {"one": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
                  "none": {"dtype": "F32", "shape": [0, 3], "data_offsets": [4, 4]}}
        raw = json.dumps(header).encode()
        (self.folder / "t.safetensors").write_bytes(struct.pack("<Q", len(raw)) + raw + struct.pack("<f", -2.5))
        report = self.json("inspect", "t.safetensors", "--tensor", "one")
        self.assertEqual((report["statistics"]["mean"], report["statistics"]["kurtosis"]), (-2.5, None))
        self.assertEqual(self.json("inspect", "t.safetensors", "--tensor", "none")["statistics"]["count"], 0)
        self.assertIn("none", self.pith("inspect", "t.safetensors", "--tensor", "none").stdout)

    def test_an_unknown_name_offers_the_nearest(self):
        message = self.error("inspect", self.model(), "--tensor", "layers.0.mlp.pu")
        self.assertIn("did you mean 'layers.0.mlp.up'", message)


class InspectDiff(ProgramTest):
    def test_of_a_model_with_itself(self):
        report = self.json("inspect", self.model(), "--diff", "model-llama")
        self.assertTrue(report["same_values"])
        self.assertTrue(all(m["same_bytes"] for m in report["matrices"]))
        self.assertTrue(all(f["same"] for f in report["files"]))
        self.assertIn("all values are equal", self.pith("inspect", "model-llama", "--diff", "model-llama").stdout)

    def test_of_a_quantized_model_agrees_with_its_report(self):
        made = self.json("quantize", self.model(), "--method", "rtn", "--bits", "4", "--group-size", "16", "-o", "q")
        report = self.json("inspect", "model-llama", "--diff", "q")
        errors = {m["name"]: m["relative_error"] for m in report["matrices"]}
        for matrix in made["matrices"]:
            self.assertAlmostEqual(errors[matrix["name"]], matrix["relative_error"], delta=1e-6)
        self.assertEqual(list(errors.values()), sorted(errors.values(), reverse=True))
        self.assertEqual(report["spec"], [])
        self.assertEqual(report["tokenizer"]["differing_ids"], 0)
        self.assertLess(report["b"]["size_bytes"], report["a"]["size_bytes"])
        text = self.pith("inspect", "model-llama", "--diff", "q").stdout
        self.assertIn("layers.0-1.mlp.down", text)
        self.assertLessEqual(max(map(len, text.splitlines())), 100)

    def test_across_containers(self):
        gguf = GOLDEN.parent / "gguf" / "qwen2.gguf"
        self.pith("convert", gguf, "-o", "dense")
        report = self.json("inspect", gguf, "--diff", "dense")
        self.assertEqual((report["same_values"], report["spec"]), (True, []))
        self.assertEqual(report["tokenizer"]["differing_ids"], 0)
        self.assertTrue(report["tokenizer"]["same_merges"])

    def test_of_other_families(self):
        report = self.json("inspect", self.model(), "--diff", self.model("gpt2"))
        self.assertIn({"key": "family", "a": "llama", "b": "gpt2"}, report["spec"])
        self.assertIn("layers.0.attn.q", report["only_in_a"])
        self.assertIn("layers.0.attn.qkv", report["only_in_b"])
        self.assertIn("only in b", self.pith("inspect", "model-llama", "--diff", "model-gpt2").stdout)

    def test_another_vocabulary_is_told(self):
        model, other = self.model(), self.model("llama-head-dim")
        document = json.loads((other / "tokenizer.json").read_text())
        vocab = document["model"]["vocab"]
        vocab["A"], vocab["B"] = vocab["B"], vocab["A"]
        (other / "tokenizer.json").write_text(json.dumps(document))
        report = self.json("inspect", model, "--diff", other)
        self.assertEqual(report["tokenizer"]["differing_ids"], 2)
        self.assertEqual([f["same"] for f in report["files"]], [False])
        self.assertIn("2 ids differ, the first is 33: 'A' in a, 'B' in b",
                      self.pith("inspect", model, "--diff", other).stdout)

    def test_bad_input(self):
        self.assertIn("no-such", self.error("inspect", self.model(), "--diff", "no-such", code=1))
        self.assertIn("leave out --tensor",
                      self.error("inspect", "model-llama", "--diff", "model-llama", "--tensor", "embedding"))
        lone = self.folder / "lone.safetensors"
        shutil.copy(GOLDEN / "llama" / "model.safetensors", lone)
        self.assertIn("config.json", self.error("inspect", lone, "--diff", "model-llama", code=1))


class Tokenize(ProgramTest):
    def test_there_and_back(self):
        model = self.model()
        ids = self.pith("tokenize", model, stdin='"Hi there"\n""\n').stdout
        self.assertEqual([json.loads(line) for line in ids.splitlines()], [[40, 73, 0, 84, 72, 69, 82, 69], []])
        self.assertEqual(self.pith("tokenize", model, "--decode", stdin=ids).stdout, '"Hi there"\n""\n')

    def test_a_file(self):
        model, text = self.model(), self.text("abc ab")
        result = json.loads(self.pith("tokenize", model, "--file", text, "--bin", "ids.bin").stdout)
        self.assertEqual(result["count"], 6)
        self.assertEqual(struct.unpack("<6H", (self.folder / "ids.bin").read_bytes()), (65, 66, 67, 0, 65, 66))

    def test_bad_lines_are_named(self):
        model = self.model()
        done = self.pith("tokenize", model, stdin='"a"\n[1]\n', code=1)
        self.assertIn("stdin:2", done.stderr)
        self.assertIn("stdin:1", self.error("tokenize", model, "--decode", stdin="[-1]\n", code=1))

    def test_a_tokenizer_larger_than_the_vocabulary_is_refused(self):
        model = self.model()
        document = json.loads((model / "tokenizer.json").read_text())
        document["model"]["vocab"]["ab"] = 96
        (model / "tokenizer.json").write_text(json.dumps(document))
        self.assertIn("96", self.error("tokenize", model, stdin='"a"\n', code=1))


class Convert(ProgramTest):
    def test_a_folder_is_not_named_like_a_file(self):
        model = self.model()
        for arguments in (["convert", model], ["quantize", model, "--method", "rtn", "--format", "gptq"]):
            self.assertIn("expected the name of a folder", self.error(*arguments, "-o", "out.gguf"))
        self.assertEqual(self.names(), ["model-llama"])

    def test_a_finished_gguf_file_is_found(self):
        model = self.model()
        made = self.json("convert", model, "--format", "gguf:F16", "-o", "out.gguf")
        again = self.json("convert", model, "--format", "gguf:F16", "-o", "out.gguf")
        self.assertEqual(made["options"], again["options"])

    def test_a_dense_folder_is_bit_identical(self):
        model = self.model()
        self.pith("convert", model, "-o", "copy")
        self.assertEqual(read_safetensors(model / "model.safetensors"),
                         read_safetensors(self.folder / "copy" / "model.safetensors"))
        self.assertTrue((self.folder / "copy" / "tokenizer.json").exists())

    def test_conv1d_goes_out_as_it_came(self):
        model = self.model("gpt2")
        self.pith("convert", model, "-o", "copy")
        strip = lambda tensors: {name.removeprefix("transformer."): t for name, t in tensors.items()}
        self.assertEqual(strip(read_safetensors(model / "model.safetensors")),
                         strip(read_safetensors(self.folder / "copy" / "model.safetensors")))

    def test_dtype(self):
        self.pith("convert", self.model(), "-o", "half", "--dtype", "f16")
        tensors = read_safetensors(self.folder / "half" / "model.safetensors")
        self.assertEqual({t[0] for t in tensors.values()}, {"F16"})

    def test_the_same_command_twice_does_the_work_once(self):
        model = self.model()
        self.pith("convert", model, "-o", "copy")
        before = (self.folder / "copy" / "report.json").stat().st_mtime_ns
        self.assertIn("already finished", self.pith("convert", model, "-o", "copy").stdout)
        self.assertEqual(before, (self.folder / "copy" / "report.json").stat().st_mtime_ns)
        self.assertIn("choose another -o", self.error("convert", model, "-o", "copy", "--dtype", "f16", code=1))

    def test_nothing_is_left_of_a_failed_run(self):
        model = self.model()
        tensors = model / "model.safetensors"
        raw = bytearray(tensors.read_bytes())
        raw[-4:] = struct.pack("<f", float("nan"))
        tensors.write_bytes(raw)
        before = self.names()
        message = self.error("quantize", model, "--method", "rtn", "-o", "out", code=1)
        self.assertRegex(message, r"1 .*NaN|NaN.* 1")
        self.assertEqual(self.names(), before)

    def test_an_output_without_a_parent_is_refused(self):
        self.assertIn("nowhere", self.error("convert", self.model(), "-o", "nowhere/out", code=1))

    def test_a_shard_size(self):
        self.pith("convert", self.model(), "-o", "shards", "--shard-size", "20000")
        index = json.loads((self.folder / "shards" / "model.safetensors.index.json").read_text())
        self.assertGreater(len(set(index["weight_map"].values())), 2)
        self.assertEqual(self.json("inspect", "shards")["spec"], self.json("inspect", "model-llama")["spec"])


class Quantize(ProgramTest):
    METHODS = [
        ["bf16"], ["fp16"], ["fp8"], ["absmax"], ["absmax", "--group-size", "tensor"], ["affine"], ["documents"],
        ["documents", "--lowest-code", "-127"], ["dynamic-int8"], ["rtn", "--bits", "4", "--group-size", "24"],
        ["rtn", "--bits", "3", "--symmetric"], ["rtn", "--bits", "2", "--group-size", "16", "--search-range"],
        ["nf4"], ["fp4", "--double-quantization"], ["rtn", "--embedding", "8", "--dtype", "bf16"],
    ]

    def test_every_method_writes_what_it_says(self):
        for family in ("llama", "gpt2", "qwen3-tied-bias"):
            model = self.model(family)
            for i, (method, *options) in enumerate(self.METHODS):
                with self.subTest(family=family, method=method, options=options):
                    out = f"{family}-{i}"
                    report = self.json("quantize", model, "--method", method, *options, "-o", out)
                    files = [f for f in (self.folder / out).iterdir() if f.name != "report.json"]
                    self.assertEqual(report["size"]["size_bytes"], sum(f.stat().st_size for f in files))
                    self.assertTrue(report["verified"])
                    self.assertLess(max(m["relative_error"] for m in report["matrices"]), 0.7)
                    self.assertEqual(self.json("inspect", out)["spec"], self.json("inspect", model)["spec"])

    def test_a_folder_is_the_same_for_any_number_of_threads(self):
        model = self.model()
        for threads in (1, 3):
            self.pith("quantize", model, "--method", "rtn", "-o", f"t{threads}", "--threads", threads)
        self.assertEqual((self.folder / "t1" / "model.safetensors").read_bytes(),
                         (self.folder / "t3" / "model.safetensors").read_bytes())

    def test_back_to_a_dense_folder(self):
        self.pith("quantize", self.model(), "--method", "absmax", "-o", "q")
        self.pith("convert", "q", "-o", "dense")
        tensors = read_safetensors(self.folder / "dense" / "model.safetensors")
        name = "model.layers.0.mlp.up_proj.weight"
        original = floats(read_safetensors(GOLDEN / "llama" / "model.safetensors")[name][2])
        back = floats(tensors[name][2])
        step = max(map(abs, original)) / 127
        self.assertLessEqual(max(abs(a - b) for a, b in zip(original, back)), step / 2 * 1.001)
        self.assertNotEqual(original, back)

    def test_wrong_options_are_usage_errors(self):
        model = self.model()
        for wrong in (["rtn", "--bits", "9"], ["rtn", "--group-size", "0"], ["rtn", "--symmetric", "--affine"],
                      ["nf4", "--bits", "3"], ["rtn", "--layers", "("], ["rtn", "--layers", "no.such.layer"],
                      ["rnt"]):
            self.error("quantize", model, "--method", *wrong, "-o", "out")
        self.assertEqual(self.names(), ["model-llama"])


class Layouts(ProgramTest):
    def test_compressed_weights_keep_their_bits(self):
        self.pith("quantize", self.model(), "--method", "rtn", "--group-size", "16", "-o", "q")
        report = self.json("convert", "q", "--format", "pith", "-o", "again")
        self.assertIn("a forward pass of 3 tokens is bit-identical", report["verified"])
        self.assertEqual((self.folder / "q" / "model.safetensors").read_bytes(),
                         (self.folder / "again" / "model.safetensors").read_bytes())

    def test_a_lone_file_beside_its_config(self):
        model = self.model()
        self.pith("convert", model / "model.safetensors", "-o", "out")
        self.assertEqual(self.json("inspect", "out")["spec"], self.json("inspect", model)["spec"])
        self.assertTrue((self.folder / "out" / "tokenizer.json").is_file())

    def test_what_cannot_be(self):
        model = self.model()
        self.assertIn("expected one of hf, pith", self.error("convert", model, "--format", "zip", "-o", "out"))
        self.assertIn("compressed weights", self.error("quantize", model, "--method", "rtn", "--format", "hf", "-o", "out"))
        self.assertIn("--permute", self.error("convert", model, "--format", "pith", "--permute", "1", "-o", "out"))
        self.assertEqual(self.names(), ["model-llama"])


class PlainReader(ProgramTest):
    """docs/formats.md by scripts/read_pith.py, which shares nothing with Pith."""
    METHODS = ["fp8", "fp8 --group-size tensor", "fp8 --block-size 12", "absmax", "affine", "documents",
               "rtn --bits 3 --group-size 12", "rtn --bits 4 --group-size tensor --scale-dtype BF16",
               "rtn --bits 5 --symmetric --scale-dtype F16", "nf4", "fp4 --double-quantization",
               "nf4 --block-size 32 --double-quantization"]

    def check(self, packed):
        """Every tensor of the folder against what `pith convert` makes of it; returns the encodings."""
        dense = packed.with_name(packed.name + "-dense")
        self.pith("convert", packed, "-o", dense, "--dtype", "f32")
        packed, dense = read_pith.Folder(packed), read_pith.Folder(dense)
        self.assertEqual(packed.names(), dense.names())
        for name in packed.names():
            found, expected = packed.rows(name), dense.rows(name)
            if name in packed.matrices and ".c_" in name:  # Conv1D is [in, out] where it is dense
                expected = [list(column) for column in zip(*expected)]
            if name in packed.matrices and len(expected) != len(found):
                expected = [[x for row in expected for x in row]]
            self.assertEqual(found, expected, name)
        return packed.quantization["encodings"]

    def as_pith(self, source):
        packed = self.folder / f"{source.name}-packed"
        self.pith("convert", source, "--format", "pith", "-o", packed)
        return packed

    def gguf_as_pith(self, model, preset):
        self.pith("convert", model, "--format", f"gguf:{preset}", "-o", f"{preset}.gguf")
        return self.as_pith(self.folder / f"{preset}.gguf")

    def test_it_reads_what_pith_reads(self):
        for family in ("llama", "gpt2"):
            model = self.model(family)
            for i, method in enumerate(self.METHODS):
                with self.subTest(family=family, method=method):
                    packed = self.folder / f"{family}-q{i}"
                    self.pith("quantize", model, "--method", *method.split(), "-o", packed)
                    self.check(packed)

    def test_it_reads_groups_that_columns_name(self):
        encodings = self.check(self.as_pith(GOLDEN.parent / "formats/gptq_awq/numpy-gptq4-v2-order"))
        self.assertTrue(any(encoding.get("column_groups") for encoding in encodings))

    def test_it_reads_two_kinds_of_blocks(self):
        model = self.model(tokenizer=False)
        for preset in ("Q8_0", "Q4_0"):
            encodings = self.check(self.gguf_as_pith(model, preset))
            self.assertIn({"kind": "ggml_block", "type": preset}, encodings)

    def test_other_blocks_end_with_one_line(self):
        packed = self.gguf_as_pith(self.model(tokenizer=False), "Q4_1")
        name = "model.layers.0.mlp.up_proj.weight"
        script = [sys.executable, pathlib.Path(read_pith.__file__), packed]
        names = subprocess.run(script, capture_output=True, text=True)
        self.assertIn(name, names.stdout.splitlines())
        done = subprocess.run([*script, name], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, f"{name}: its blocks are of type Q4_1, and this script decodes Q8_0 and Q4_0 only\n")


class BadModels(ProgramTest):
    def change_config(self, model, **keys):
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps({**config, **keys}))

    def test_fewer_layers_than_the_files_have(self):
        model = self.model()
        self.change_config(model, num_hidden_layers=1)
        self.assertIn("a tensor of layer 1", self.error("inspect", model, code=1))

    def test_a_tokenizer_larger_than_the_vocabulary(self):
        model = self.model()
        document = json.loads((model / "tokenizer.json").read_text())
        document["model"]["vocab"]["zz"] = 500
        (model / "tokenizer.json").write_text(json.dumps(document))
        for command in (["convert", model, "-o", "out"], ["quantize", model, "--method", "rtn", "-o", "out"]):
            self.assertIn("the largest token id is 500", self.error(*command, code=1))
        self.assertEqual(self.names(), ["model-llama"])

    def test_a_bad_id_on_stdin(self):
        message = self.error("tokenize", self.model(), "--decode", stdin="[1]\n[4000000]\n", code=1)
        self.assertIn("stdin:2", message)

    def test_a_stretched_context_without_bounds(self):
        model = self.model()
        for factor in (1e300, 0.001):
            self.change_config(model, rope_parameters={"rope_type": "dynamic", "rope_theta": 10000.0, "factor": factor})
            self.assertIn("dynamic rope factor", self.error("inspect", model, code=1))

    def test_a_report_of_somebody_else(self):
        model = self.model()
        (self.folder / "out").mkdir()
        for text in ('{"command": 3}', "[", "[1]"):
            (self.folder / "out" / "report.json").write_text(text)
            self.assertIn("not made by this same command", self.error("convert", model, "-o", "out", code=1))

    def test_no_folder_for_temporary_files_is_needed(self):
        model = self.model()
        done = subprocess.run([str(BUILD / "pith"), "convert", str(model), "-o", "out/"],
                              cwd=self.folder, env={**os.environ, "TMPDIR": "/nonexistent"}, capture_output=True)
        self.assertEqual((done.returncode, self.names()), (0, ["model-llama", "out"]), done.stderr)


class FullDisk(ProgramTest):
    # On a disk of 16 KiB in a mount namespace of its own; lists at the end what lies there.
    SCRIPT = 'mount -t tmpfs -o size=16k none "$0" || exit 77; "$@"; code=$?; ls -A "$0"; exit $code'

    def run_there(self, disk, *arguments):
        if not shutil.which("unshare"):
            self.skipTest("no unshare")
        done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", self.SCRIPT, disk, BUILD / "pith", *arguments],
                              capture_output=True, text=True, timeout=60)
        if done.returncode == 77 or "unshare" in done.stderr:
            self.skipTest("mount namespaces are not allowed here")
        return done

    def test_says_so_and_leaves_nothing(self):
        model, disk = self.model(), self.folder / "disk"
        disk.mkdir()
        for arguments in (["quantize", model, "--method", "rtn", "-o", disk / "out"], ["convert", model, "-o", disk / "out"],
                          ["convert", model, "--format", "gguf:Q8_0", "-o", disk / "out.gguf"]):
            done = self.run_there(disk, *arguments)
            self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
            self.assertRegex(done.stderr, r"^pith: .*(free disk|No space left).*\n$")


class Signals(ProgramTest):
    def terminate_while_writing(self):
        """SIGTERM as soon as the hidden output folder is seen; None if the program was faster."""
        process = subprocess.Popen([str(BUILD / "pith"), "quantize", "model-llama", "--method", "rtn",
                                    "-o", "out"], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not any(name.startswith(".out.partial") for name in self.names()):
            pass
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=60)

    def test_sigterm_leaves_nothing_behind(self):
        self.model()
        for _ in range(100):
            code = self.terminate_while_writing()
            if code != 0:
                self.assertEqual((code, self.names()), (128 + signal.SIGTERM, ["model-llama"]))
                return
            shutil.rmtree(self.folder / "out")
        self.fail("the program was always faster than the signal")


if __name__ == "__main__":
    unittest.main()
