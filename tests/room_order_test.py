"""Keeps the order of the rooms: reads every #include under src/pith and every room a CMakeLists.txt links, and holds them
against the list in section 2 of docs/design.md. A room may use itself and rooms above it; torch's headers and rooms are
for rooms below the line "torch from here on" and, in cli/, for the sources that a pith_torch_room(...) lists.

Run by ctest; by hand: python3 tests/room_order_test.py
"""

import pathlib
import re
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.MULTILINE)
TORCH_HEADER = re.compile(r"(torch|ATen|c10|caffe2)/")
ROOM_LINE = re.compile(r"  ([a-z_]+)/(?:\s|$)")
TORCH_LINE = re.compile(r"\s*-+ torch from here on")
# The one room with a target on either side of the line.
DIVIDED_ROOM = "cli"


class Rooms:
    """The rooms of the design document, first to last, and those of them that may see torch."""

    def __init__(self, design: str):
        self.order, self.torch = [], set()
        block = re.search(r"^```\nsrc/pith/\n(.*?)^```", design, re.MULTILINE | re.DOTALL)
        if not block:
            raise ValueError("docs/design.md: expected a code block that starts with src/pith/, found none")
        below_line = False
        for line in block.group(1).splitlines():
            if TORCH_LINE.match(line):
                below_line = True
            elif room := ROOM_LINE.match(line):
                self.order.append(room.group(1))
                if below_line:
                    self.torch.add(room.group(1))
        if not self.order or not self.torch:
            raise ValueError("docs/design.md: expected rooms above and below the torch line")

    def may_use(self, room: str, other: str) -> bool:
        return self.order.index(other) <= self.order.index(room)


def read(path: pathlib.Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def without_comments(cmake: str) -> str:
    return re.sub(r"#.*", "", cmake)


def torch_stems(folder: pathlib.Path) -> set:
    """Paths without suffix of what the folder's pith_torch_room(...) calls list: a header goes with its source."""
    calls = re.findall(r"pith_torch_room\(([^)]*)\)", without_comments(read(folder / "CMakeLists.txt")))
    return {str(pathlib.PurePosixPath(word).with_suffix("")) for call in calls for word in call.split() if word.endswith(".cc")}


class Checker:
    def __init__(self, source: pathlib.Path, rooms: Rooms):
        self.source, self.rooms = source, rooms
        self.divided_torch_stems = torch_stems(source / DIVIDED_ROOM)

    def sees_torch(self, path: str) -> bool:
        """path: room/file under src/pith."""
        room, _, rest = path.partition("/")
        if room == DIVIDED_ROOM:
            return str(pathlib.PurePosixPath(rest).with_suffix("")) in self.divided_torch_stems
        return room in self.rooms.torch

    def include_error(self, path: str, quote: str, target: str):
        room = path.partition("/")[0]
        if TORCH_HEADER.match(target):
            return None if self.sees_torch(path) else "a torch header in a torch-free file"
        if not target.startswith("pith/"):
            return "a header of ours is included as pith/ROOM/FILE" if quote == '"' else None
        other_path = target.removeprefix("pith/")
        other = other_path.partition("/")[0]
        if other not in self.rooms.order:
            return f"{other} is no room of docs/design.md"
        if not self.rooms.may_use(room, other):
            return f"room {room} comes before {other}"
        if self.sees_torch(other_path) and not self.sees_torch(path):
            return "a header of the torch rooms in a torch-free file"
        return None

    def check_includes(self) -> list:
        errors = []
        for file in sorted(self.source.rglob("*")):
            path = file.relative_to(self.source).as_posix()
            if file.suffix not in (".h", ".cc") or not file.is_file():
                continue
            if path.partition("/")[0] not in self.rooms.order:
                errors.append(f"{path}: lies in no room of docs/design.md")
                continue
            for quote, target in INCLUDE.findall(read(file)):
                if error := self.include_error(path, quote, target):
                    errors.append(f"{path}: includes {target}: {error}")
        return errors

    def check_links(self) -> list:
        errors = []
        for file in sorted(self.source.glob("*/CMakeLists.txt")):
            room = file.parent.name
            if room not in self.rooms.order:
                errors.append(f"{room}/CMakeLists.txt: {room} is no room of docs/design.md")
                continue
            for other in re.findall(r"\bpith_([a-z_]+)", without_comments(read(file))):
                if other in self.rooms.order and not self.rooms.may_use(room, other):
                    errors.append(f"{room}/CMakeLists.txt: links pith_{other}, but room {room} comes before {other}")
        return errors

    def check_lists(self) -> list:
        """The lists in src/pith/CMakeLists.txt: the design's order, on the right side of the line."""
        errors = []
        cmake = without_comments(read(self.source / "CMakeLists.txt"))
        for name, below_line in (("PITH_TORCH_FREE_ROOMS", False), ("PITH_TORCH_ROOMS", True)):
            found = re.search(rf"set\({name}([^)]*)\)", cmake)
            if not found:
                errors.append(f"CMakeLists.txt: expected set({name} ...), found none")
                continue
            listed = found.group(1).split()
            expected = [r for r in self.rooms.order if r in listed and (r in self.rooms.torch) == below_line]
            if listed != expected:
                errors.append(f"CMakeLists.txt: {name} is {' '.join(listed)}, expected {' '.join(expected)}")
        return errors


DESIGN = """
```
src/pith/
  base/     errors
            and more words
  formats/  containers
  ---- torch from here on
  model/    Linear
  cli/      commands
```
"""

LISTS = "set(PITH_TORCH_FREE_ROOMS base formats)\nset(PITH_TORCH_ROOMS model)\n"
CLI = "pith_room(cli SOURCES main.cc)\npith_torch_room(cli_torch SOURCES eval_torch.cc LINK pith_model)\n"


class MadeUpTree(unittest.TestCase):
    """The check can fail: each rule is broken once."""

    def errors(self, files: dict) -> list:
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder)
            for name, text in ({"CMakeLists.txt": LISTS, "cli/CMakeLists.txt": CLI} | files).items():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                (source / name).write_text(text, encoding="utf-8")
            checker = Checker(source, Rooms(DESIGN))
            return checker.check_includes() + checker.check_links() + checker.check_lists()

    def test_reads_the_design(self):
        rooms = Rooms(DESIGN)
        self.assertEqual(rooms.order, ["base", "formats", "model", "cli"])
        self.assertEqual(rooms.torch, {"model", "cli"})
        with self.assertRaisesRegex(ValueError, "expected a code block"):
            Rooms("no rooms here")
        with self.assertRaisesRegex(ValueError, "above and below"):
            Rooms("```\nsrc/pith/\n  base/ x\n```\n")

    def test_accepts_what_follows_the_order(self):
        self.assertEqual(self.errors({
            "base/error.cc": '#include "pith/base/error.h"\n#include <vector>\n',
            "formats/gguf.cc": '#include "pith/base/error.h"\n#include <nlohmann/json.hpp>\n',
            "formats/CMakeLists.txt": "pith_room(formats SOURCES gguf.cc LINK pith_base)",
            "model/linear.cc": '#include "pith/formats/gguf.h"\n#include <torch/torch.h>\n',
            "cli/main.cc": '#include "pith/formats/gguf.h"\n',
            "cli/eval_torch.h": "#include <ATen/core/Tensor.h>\n",
            "cli/eval_torch.cc": '#include "pith/cli/eval_torch.h"\n#include "pith/model/linear.h"\n',
        }), [])

    def test_refuses_each_breach(self):
        cases = [
            ({"base/a.cc": '#include "pith/formats/gguf.h"\n'}, "room base comes before formats"),
            ({"formats/a.h": "  #  include <torch/torch.h>\n"}, "a torch header in a torch-free file"),
            ({"formats/deep/a.h": "#include <ATen/core/Tensor.h>\n"}, "a torch header in a torch-free file"),
            ({"cli/main.cc": "#include <c10/core/Device.h>\n"}, "a torch header in a torch-free file"),
            ({"cli/main.cc": '#include "pith/model/linear.h"\n'}, "a header of the torch rooms in a torch-free file"),
            ({"cli/main.cc": '#include "pith/cli/eval_torch.h"\n'}, "a header of the torch rooms in a torch-free file"),
            ({"model/a.cc": '#include "linear.h"\n'}, "is included as pith/ROOM/FILE"),
            ({"model/a.cc": '#include "pith/nowhere/a.h"\n'}, "nowhere is no room"),
            ({"attic/a.cc": ""}, "attic/a.cc: lies in no room"),
            ({"attic/CMakeLists.txt": ""}, "attic is no room"),
            ({"base/CMakeLists.txt": "pith_room(base LINK pith_formats)"}, "links pith_formats"),
            ({"CMakeLists.txt": LISTS.replace("base formats", "formats base")}, "is formats base, expected base formats"),
            ({"CMakeLists.txt": LISTS.replace("base formats", "base model")}, "is base model, expected base"),
            ({"CMakeLists.txt": "set(PITH_TORCH_ROOMS model)"}, "expected set(PITH_TORCH_FREE_ROOMS"),
        ]
        for files, message in cases:
            with self.subTest(message=message, files=files):
                errors = self.errors(files)
                self.assertEqual(len(errors), 1, errors)
                self.assertIn(message, errors[0])


class ThisTree(unittest.TestCase):
    def setUp(self):
        self.source = ROOT / "src" / "pith"
        self.checker = Checker(self.source, Rooms(read(ROOT / "docs" / "design.md")))

    def test_includes(self):
        self.assertGreater(len(list(self.source.rglob("*.h"))), 10)
        self.assertEqual(self.checker.check_includes(), [])

    def test_links(self):
        self.assertEqual(self.checker.check_links(), [])

    def test_lists(self):
        self.assertEqual(self.checker.check_lists(), [])


if __name__ == "__main__":
    unittest.main()
