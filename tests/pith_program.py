"""What the tests of whole programs share: running pith, tiny models, safetensors files. Standard library only."""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(SOURCE / "scripts"))
GOLDEN = SOURCE / "tests" / "golden" / "model"
BUILD = pathlib.Path(os.environ.get("PITH_BUILD", SOURCE / "build" / "release")).resolve()


def write_tokenizer(folder):
    """A byte-level tokenizer.json whose 95 tokens are the printable ASCII characters, space written as in GPT-2."""
    characters = ["\u0120"] + [chr(c) for c in range(0x21, 0x7F)]
    document = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {c: i for i, c in enumerate(characters)}, "merges": []},
    }
    (folder / "tokenizer.json").write_text(json.dumps(document))


def read_safetensors(path):
    """name -> (dtype, shape, bytes)"""
    data = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    return {name: (t["dtype"], t["shape"], data[8 + size + t["data_offsets"][0]:8 + size + t["data_offsets"][1]])
            for name, t in header.items()}


def write_safetensors(path, tensors):
    """name -> (dtype, shape, bytes), in that order."""
    header, begin = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, begin + len(data)]}
        begin += len(data)
    text = json.dumps(header).encode()
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(t[2] for t in tensors.values()))


def floats(raw):
    return struct.unpack(f"<{len(raw) // 4}f", raw)


class ProgramTest(unittest.TestCase):
    """Each test has a folder of its own with copies of tiny models."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pith-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def pith(self, *arguments, stdin=None, code=0):
        """Runs pith; returns the finished process after checking its exit code."""
        done = subprocess.run([str(BUILD / "pith"), *map(str, arguments)], input=stdin, capture_output=True, text=True,
                              cwd=self.folder, timeout=600)
        self.assertEqual(done.returncode, code, f"pith {' '.join(map(str, arguments))}\n{done.stdout}\n{done.stderr}")
        return done

    def error(self, *arguments, code=2, stdin=None):
        """The one line on stderr of a run that fails; stdout stays empty."""
        done = self.pith(*arguments, code=code, stdin=stdin)
        lines = [line for line in done.stderr.splitlines() if line]
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertTrue(lines[0].startswith("pith: "), lines[0])
        return lines[0]

    def json(self, *arguments, stdin=None):
        return json.loads(self.pith(*arguments, "--json", stdin=stdin).stdout)

    def model(self, name="llama", tokenizer=True):
        """A copy of a golden model to work on."""
        copy = self.folder / f"model-{name}"
        shutil.copytree(GOLDEN / name, copy)
        (copy / "golden.safetensors").unlink()
        if tokenizer:
            write_tokenizer(copy)
        return copy

    def text(self, content="The quick brown fox jumps over the lazy dog. " * 12):
        path = self.folder / "text.txt"
        path.write_text(content)
        return path

    def names(self):
        return sorted(entry.name for entry in self.folder.iterdir())
