"""Writes wikitext.json: what lm-eval makes of small texts, for text_preparation_test.cc.

    python make_wikitext_golden.py PREPROCESS_WIKITEXT_PY [WIKI_TEST_RAW]

PREPROCESS_WIKITEXT_PY is lm_eval/tasks/wikitext/preprocess_wikitext.py of lm-evaluation-harness (as of commit
a7286607ee29e2002382140a68dd3f4dba405b60), which is run, not copied. With a raw file the number of its pages and a
hash over all that is made of them are printed, to be compared by hand with what Pith makes.
"""

import hashlib
import importlib.util
import json
import pathlib
import random
import re
import sys

PIECES = [
    " ", "  ", "\n", " \n", "\n ", "a", "word", "é", "日本", "\u00a0", "\u2003", "\u3000", "\x1c", "\x85", "\t",
    " , ", " . ", " : ", " ; ", " ! ", " ? ", " @-@ ", " @,@ ", " @.@ ", "(", ")", "( ", " )", "[ ", " ]", "{ ", " }",
    '"', ' " ', "'", " ' ", "s '", " 's", "= ", " =", "= =", "= = =", "= = = =", " ° ", " N ", "/' 5/", "/' x/", "/'",
    "/' ", "7/", ",", ".", "1",
]
RAWS = [
    "",
    " \n \n",
    "no title at all",
    " = One = \n \n text \n \n = = Part = = \n more \n = Two = \n end",
    "\n \n = One = \n a = b \n = = = = deep = = = = \n = Two words = \n\n",
    "before \n = One = \nx\n = One = \n",
    " = A = = B = \n x \n\u00a0= C =\u2003\n y\n= D=\n=E =\n= = F =\n",
]


def pages(raw):
    """Cut before each line that, with runs of `=` closed up, reads "= title =". Blank pages are dropped."""
    out, lines = [], []
    for line in raw.split("\n"):
        title = line.replace("= = =", "===").replace("= =", "==").strip()
        if title.startswith("= ") and title.endswith(" ="):
            out.append("\n".join(lines))
            lines = []
        lines.append(line)
    out.append("\n".join(lines))
    return [page for page in out if page.strip()]


def main():
    spec = importlib.util.spec_from_file_location("preprocess_wikitext", sys.argv[1])
    lm_eval = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lm_eval)

    def prepared(page):
        return {
            "text": lm_eval.wikitext_detokenizer({"page": page}),
            "words": lm_eval.process_results({"page": page}, [(0.0, True)])["word_perplexity"][1],
            "bytes": len(page.encode("utf-8")),
        }

    rng = random.Random(0)
    texts = ["".join(rng.choice(PIECES) for _ in range(rng.randint(1, 24))) for _ in range(150)]
    golden = {
        "detokenized": [{"page": text, **prepared(text)} for text in texts],
        "pages": [{"raw": raw, "pages": [prepared(page) for page in pages(raw)]} for raw in RAWS],
    }
    path = pathlib.Path(__file__).with_name("wikitext.json")
    path.write_text(json.dumps(golden, ensure_ascii=True, indent=0) + "\n")
    if len(sys.argv) > 2:
        raw = pathlib.Path(sys.argv[2]).read_bytes().decode("utf-8")
        made = [prepared(page) for page in pages(raw)]
        text = "".join(f'{page["text"]}\x00{page["words"]}\x00{page["bytes"]}\x00' for page in made)
        print(len(made), hashlib.sha256(text.encode("utf-8")).hexdigest())


if __name__ == "__main__":
    main()
