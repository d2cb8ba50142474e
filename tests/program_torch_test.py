"""The contracts of the commands that run a model with torch. Run by ctest."""
import json
import math
import shutil
import struct
import unittest

from pith_program import GOLDEN, ProgramTest, floats, read_safetensors, write_safetensors


def golden(name):
    tensors = read_safetensors(GOLDEN / name / "golden.safetensors")
    ids = list(struct.unpack(f"<{len(tensors['ids'][2]) // 8}q", tensors["ids"][2]))
    vocab = tensors["logits"][1][1]
    values = floats(tensors["logits"][2])
    return ids, [values[i:i + vocab] for i in range(0, len(values), vocab)]


def log_softmax(row):
    top = max(row)
    total = math.log(sum(math.exp(x - top) for x in row)) + top
    return [x - total for x in row]


class Score(ProgramTest):
    def lines(self, *records):
        path = self.folder / "lines.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return path

    def test_log_probabilities_and_logits_equal_transformers(self):
        ids, logits = golden("qwen3")
        lines = self.lines({"ids": ids, "top": 3}, {"ids": ids[:1]})
        done = self.pith("score", self.model("qwen3", tokenizer=False), "--input", lines, "--logits", "l.safetensors")
        first, second = (json.loads(line) for line in done.stdout.splitlines())
        self.assertEqual(first["ids"], ids)
        self.assertIsNone(first["logprobs"][0])
        for i in range(1, len(ids)):
            expected = log_softmax(logits[i - 1])
            self.assertAlmostEqual(first["logprobs"][i], expected[ids[i]], delta=1e-3)
            best = sorted(range(len(expected)), key=lambda t: -expected[t])[:3]
            self.assertEqual([t for t, _ in first["top"][i]], best)
        self.assertEqual(second, {"ids": ids[:1], "logprobs": [None]})
        stored = read_safetensors(self.folder / "l.safetensors")
        self.assertEqual(stored["logits.0"][1], [len(ids), 96])
        flat = [x for row in logits for x in row]
        self.assertLess(max(abs(a - b) for a, b in zip(floats(stored["logits.0"][2]), flat)), 2e-4)
        self.assertEqual(self.names(), ["l.safetensors", "lines.jsonl", "model-qwen3"])

    def test_text_needs_a_tokenizer_and_ids_do_not(self):
        model = self.model(tokenizer=False)
        self.assertIn("tokenizer", self.error("score", model, "--input", self.lines({"text": "ab"}), code=1))
        line = json.loads(self.pith("score", self.model("gpt2"), "--input", self.lines({"text": "ab"})).stdout)
        self.assertEqual(line["ids"], [65, 66])

    def test_a_bad_line_ends_it_with_its_number(self):
        model = self.model()
        for bad in ({"ids": [96]}, {"ids": []}, {"ids": ["a"]}, {}, {"ids": [1], "text": "a"}, {"ids": [1] * 65}):
            done = self.pith("score", model, "--input", self.lines({"ids": [1, 2]}, bad), code=1)
            self.assertIn("lines.jsonl: line 2", done.stderr, bad)
            self.assertEqual(len(done.stdout.splitlines()), 1)

    def test_engines(self):
        lines = self.lines({"ids": [1, 2, 3]})
        torch = self.pith("score", self.model(), "--input", lines, "--engine", "torch").stdout
        self.assertEqual(torch, self.pith("score", "model-llama", "--input", lines, "--engine", "native").stdout)
        self.assertIn("not built yet", self.error("score", "model-llama", "--input", lines, "--activations", "int8"))


class Eval(ProgramTest):
    KEYS = ["perplexity", "nll_nats", "predictions", "windows", "tokens", "window", "stride", "convention", "bos", "seconds",
            "tokens_per_second", "peak_bytes", "engine", "activations"]

    def test_the_default_protocol_against_score(self):
        model, text = self.model(), self.text()
        result = self.json("eval", model, "--perplexity", text, "--window", "32", "--max-tokens", "100")
        for key in self.KEYS:
            self.assertIn(key, result)
        self.assertEqual((result["windows"], result["predictions"], result["tokens"]), (3, 93, 100))
        self.assertEqual((result["convention"], result["bos"], result["engine"]), ("gptq", "none", "torch"))
        ids = json.loads(self.pith("tokenize", model, stdin=json.dumps(text.read_text()) + "\n").stdout)
        lines = self.folder / "windows.jsonl"
        lines.write_text("".join(json.dumps({"ids": ids[i:i + 32]}) + "\n" for i in (0, 32, 64)))
        scored = [json.loads(line) for line in self.pith("score", model, "--input", lines).stdout.splitlines()]
        nll = -sum(sum(line["logprobs"][1:]) for line in scored)
        self.assertAlmostEqual(result["nll_nats"], nll, delta=1e-3)
        self.assertAlmostEqual(result["perplexity"], math.exp(nll / 93), delta=1e-3)

    def test_every_convention_runs(self):
        model, text = self.model(), self.text("one line of text here .\n\n and = another = one .\n" * 4)
        for convention in ("gptq", "chunk", "hf-stride", "llama.cpp", "per-line"):
            result = self.json("eval", model, "--perplexity", text, "--window", "16", "--convention", convention)
            self.assertEqual(result["convention"], convention)
            self.assertGreater(result["perplexity"], 1)

    def test_ids_need_no_tokenizer(self):
        lines = self.folder / "ids.jsonl"
        lines.write_text("".join(json.dumps({"ids": [i % 96 for i in range(40)]}) + "\n" for _ in range(2)))
        result = self.json("eval", self.model(tokenizer=False), "--perplexity", lines, "--window", "16")
        self.assertEqual((result["tokens"], result["windows"], result["bos"]), (80, 5, "none"))

    def test_wrong_protocols(self):
        model, text = self.model(), self.text("abc")
        self.assertIn("context of 64", self.error("eval", model, "--perplexity", text, "--window", "65"))
        self.error("eval", model, "--perplexity", text, "--window", "32")  # too short a text
        self.assertIn("did you mean 'gptq'", self.error("eval", model, "--perplexity", text, "--convention", "gptk"))
        self.assertIn("no-text", self.error("eval", model, "--perplexity", "no-text", code=1))


class Compare(ProgramTest):
    def test_with_itself_nothing_is_lost(self):
        model, text = self.model(), self.text()
        result = self.json("compare", model, model, "--text", text, "--window", "32")
        self.assertEqual((result["kl_mean"], result["kl_p99"], result["top1_agreement"]), (0, 0, 1))
        self.assertEqual(result["base"]["nll_nats"], result["other"]["nll_nats"])

    def test_fewer_bits_lose_more(self):
        model, text = self.model(), self.text()
        for bits in (8, 4, 2):
            self.pith("quantize", model, "--method", "rtn", "--bits", bits, "--group-size", "16", "-o", f"b{bits}")
        result = self.json("compare", model, "b8", "b4", "b2", "--text", text, "--window", "32")
        kl = [other["kl_mean"] for other in result["others"]]
        sizes = [other["size_bytes"] for other in result["others"]]
        self.assertLess(0, kl[0])
        self.assertEqual(kl, sorted(kl))
        self.assertEqual(sizes, sorted(sizes, reverse=True))
        self.assertIn("b2", self.pith("compare", model, "b8", "b2", "--text", text, "--window", "32").stdout)

    def test_another_vocabulary_is_refused(self):
        model = self.model()
        other = self.folder / "other"
        shutil.copytree(model, other)
        config = json.loads((other / "config.json").read_text())
        tensors = read_safetensors(other / "model.safetensors")
        rows = config["vocab_size"] - 1  # one token fewer, the tokenizer's last one is not used
        for name in ("model.embed_tokens.weight", "lm_head.weight"):
            dtype, (_, width), data = tensors[name]
            tensors[name] = (dtype, [rows, width], data[:len(data) // config["vocab_size"] * rows])
        write_safetensors(other / "model.safetensors", tensors)
        (other / "config.json").write_text(json.dumps({**config, "vocab_size": rows}))
        self.assertIn(f"a vocabulary of {rows + 1}", self.error("compare", model, other, "--text", self.text(), code=1))

    def test_peak_memory_is_each_model_s_own(self):
        model, text = self.model(), self.text()
        result = self.json("compare", model, model, model, "--text", text, "--window", "32")
        for one in (result["base"], *(o["other"] for o in result["others"])):
            self.assertGreaterEqual(one["peak_bytes"], 0)


class Generate(ProgramTest):
    def test_json(self):
        options = ("generate", self.model(), "--prompt", "Hi", "--max-tokens", "7", "--ignore-eos")
        result = self.json(*options)
        self.assertEqual((len(result["ids"]), result["prompt_tokens"]), (7, 2))
        self.assertEqual(result["ids"], self.json(*options)["ids"])
        self.assertEqual(self.pith(*options).stdout.rstrip("\n"), result["text"].rstrip("\n"))

    def test_seeds(self):
        options = ("generate", self.model(), "--prompt", "Hi", "--max-tokens", "20", "--temperature", "1.5", "--ignore-eos")
        self.assertEqual(self.json(*options, "--seed", "1")["ids"], self.json(*options, "--seed", "1")["ids"])
        self.assertNotEqual(self.json(*options, "--seed", "1")["ids"], self.json(*options, "--seed", "2")["ids"])

    def test_the_generation_config_ends_a_text(self):
        model = self.model()
        options = ("generate", model, "--prompt", "Hi", "--max-tokens", "7")
        ids = self.json(*options, "--ignore-eos")["ids"]
        (model / "generation_config.json").write_text(json.dumps({"eos_token_id": [ids[3]]}))
        self.assertEqual(self.json(*options)["ids"], ids[:ids.index(ids[3])])
        self.assertEqual(self.json(*options, "--ignore-eos")["ids"], ids)

    def test_an_empty_prompt(self):
        self.assertIn("--prompt", self.error("generate", self.model(), "--prompt", ""))


class NonFinite(ProgramTest):
    def test_the_weight_is_named(self):
        model = self.model()
        tensors = read_safetensors(model / "model.safetensors")
        name = "model.layers.1.mlp.up_proj.weight"
        dtype, shape, data = tensors[name]
        tensors[name] = (dtype, shape, b"\x00\x00\xc0\x7f" * 3 + data[12:])  # three NaN
        write_safetensors(model / "model.safetensors", tensors)
        (self.folder / "in.jsonl").write_text('{"ids": [1, 2, 3]}\n')
        text = self.text()
        for command in (["score", model, "--input", "in.jsonl"], ["generate", model, "--prompt", "Hi"],
                        ["eval", model, "--perplexity", text, "--window", "32"],
                        ["compare", model, model, "--text", text, "--window", "32"]):
            message = self.error(*command, code=1)
            self.assertIn(name, message)
            self.assertIn("3 NaN", message)


class ScoreLogits(ProgramTest):
    def test_an_existing_name_is_refused_before_any_work(self):
        (self.folder / "in.jsonl").write_text('{"ids": [1, 2, 3]}\n')
        model = self.model()
        (self.folder / "taken").write_text("mine")
        (self.folder / "folder").mkdir()
        for name in ("taken", "folder"):
            self.assertIn(name, self.error("score", model, "--input", "in.jsonl", "--logits", name, code=1))
        self.assertEqual((self.folder / "taken").read_text(), "mine")
        self.pith("score", model, "--input", "in.jsonl", "--logits", "new.safetensors")
        self.assertEqual(read_safetensors(self.folder / "new.safetensors")["logits.0"][1], [3, 96])
        self.assertEqual(self.names(), ["folder", "in.jsonl", "model-llama", "new.safetensors", "taken"])


class Compress(ProgramTest):
    def recipe(self, **parts):
        path = self.folder / "recipe.yaml"
        lines = {"model": "model-llama", "output": "out",
                 "stages": "\n  - quantize: {method: rtn, bits: 4, group_size: 16}", **parts}
        path.write_text("".join(f"{key}: {value}\n" for key, value in lines.items() if value is not None))
        return path

    def test_a_recipe_to_the_end(self):
        self.model()
        self.text()
        recipe = self.recipe(evaluate="{perplexity: {text: text.txt, window: 32}, kl: {tokens: 64}}")
        report = self.json("compress", recipe)
        self.assertEqual(report["evaluation"]["kl"]["base"]["tokens"], 64)
        self.assertGreater(report["evaluation"]["kl"]["kl_mean"], 0)
        self.assertTrue(report["verified"])
        self.assertIn("already finished", self.pith("compress", recipe).stdout)
        self.assertEqual(self.names(), ["model-llama", "out", "recipe.yaml", "text.txt"])

    def test_overrides(self):
        self.model()
        self.pith("compress", self.recipe(
            stages="\n  - quantize: {method: rtn, bits: 4, overrides: [{layers: 'mlp\\.down', bits: 8}]}"))
        encodings = {t["name"]: t["encoding"] for t in self.json("inspect", "out")["tensors"]}
        self.assertIn("int8", encodings["layers.0.mlp.down"])
        self.assertIn("int4", encodings["layers.0.mlp.up"])

    def test_two_stages(self):
        self.model()
        self.pith("compress", self.recipe(
            stages="\n  - quantize: {method: bf16}\n  - quantize: {method: absmax, dtype: bf16}"))
        self.assertEqual(self.names(), ["model-llama", "out", "recipe.yaml"])

    def test_errors_have_line_and_column(self):
        self.model()
        self.text()
        for parts, words in (
            (dict(modell="x"), ("recipe.yaml:5:", "did you mean 'model'")),
            (dict(stages="\n  - quantize: {method: rtn, bitts: 4}"), ("recipe.yaml:4:29", "did you mean 'bits'")),
            (dict(stages="\n  - quantise: {method: rtn}"), ("recipe.yaml:4:", "did you mean 'quantize'")),
            (dict(stages="\n  - quantize: {method: rtn, bits: many}"), ("recipe.yaml:4:", "bits")),
            (dict(stages="\n  - quantize: {method: rtn, bits: 12}"), ("recipe.yaml:4:", "12")),
            (dict(stages="\n  - prune: {method: wanda}"), ("recipe.yaml:4:", "not built yet")),
            (dict(stages="[]"), ("recipe.yaml:3:",)),
            (dict(model=None), ("recipe.yaml:", "model")),
            (dict(stages="[: {"), ("recipe.yaml:3:",)),
            (dict(stages="\n  - quantize: {method: rtn, overrides: [{layers: '(['}]}"), ("recipe.yaml:4:", "([")),
            (dict(stages="\n  - quantize: {method: rtn, overrides: [{layers: 'none.such'}]}"), ("recipe.yaml:4:", "none.such")),
            (dict(export="zip"), ("recipe.yaml:", "expected one of hf, pith")),
            (dict(evaluate="{perplexity: {text: text.txt, window: 4000}}"), ("recipe.yaml:", "context of 64")),
        ):
            message = self.error("compress", self.recipe(**parts))
            for word in words:
                self.assertIn(word, message)
        self.assertIn("no-such-text", self.error(
            "compress", self.recipe(evaluate="{perplexity: {text: no-such-text}}"), code=1))
        self.assertEqual(self.names(), ["model-llama", "recipe.yaml", "text.txt"])


class Bench(ProgramTest):
    def test_decode_and_prefill(self):
        model = self.model()
        for kind, share in (("decode", "share_of_bandwidth"), ("prefill", "share_of_peak")):
            result = self.json("bench", kind, model, "--tokens", "8", "--context", "4", "--repeats", "2", "--batch", "2")
            for key in ("tokens_per_second", "best", "repeats", "threads", "isa", share):
                self.assertIn(key, result)
            self.assertGreaterEqual(result["best"], result["tokens_per_second"])

    def test_the_documents_protocol(self):
        for protocol in ("recompute", "kv"):
            result = self.json("bench", "decode", self.folder / "model-llama" if protocol == "kv" else self.model(),
                               "--protocol", protocol, "--tokens", "4", "--context", "32", "--batch", "3")
            self.assertEqual((result["protocol"], result["batch"], result["context"]), (protocol, 3, 32))
            self.assertGreater(result["peak_bytes"], 0)

    def test_start(self):
        self.assertGreater(self.json("bench", "start", self.model(), "--repeats", "1")["seconds"], 0)

    def test_wrong_options(self):
        self.assertIn("MODEL is missing", self.error("bench", "decode"))
        self.assertIn("did you mean 'decode'", self.error("bench", "decod", self.model()))
        self.assertIn("context of 64", self.error("bench", "decode", "model-llama", "--context", "60"))


if __name__ == "__main__":
    unittest.main()
