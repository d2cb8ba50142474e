"""Random texts and what the `tokenizers` library makes of them.

  make_random_cases.py SEED COUNT NAME=tokenizer.json ... > random_cases.json

random_cases.json was made by tokenizers 0.23 with seed 1, 100 cases each: gpt2, llama2, llama3, qwen3 from
scripts/fetch_tokenizers.sh, smollm2 = the tokenizer.json that `pith convert` writes for the demo model.
"ids": no tokens at the ends. "plain": the same with special tokens as plain text, where it differs. "decoded": where it
differs from the text. "skipped": decode without special tokens, where it differs from "decoded".
"""
import json
import random
import sys

import tokenizers

POOLS = [
    "abcdefghijklmnopqrstuvwxyz", "ABCXYZ", "0123456789", " ", "  \t\n\r", "\n", ".,;:!?-_'\"()[]{}<>|/\\@#$%^&*+=~`",
    "éüßñçøåÀÎ\u017f\u212a", "абвгдЖЩЪ", "αβγΩ", "אבגש", "عربي", "हिन्दी", "ไทย", "日本語漢字かなカナ", "한국어",
    "\u0301\u0308\u0327\u0316\u0345\u093c", "½²Ⅷ٣५一\u3007", "😀👍🏽👨‍👩‍👧🇩🇪❤️",
    "\u00a0\u1680\u2003\u2028\u2029\u202f\u205f\u3000\u0085\u000b\u000c", "\u180e\u200b\u200d\ufeff\u001c\u001f\u0000\u0007\u007f",
    "\u2581", "\u1100\u1161\u11a8", "ﬁﬀ\u2126\u212b", "\U0001d400\U00020000\U000e0001\U0010ffff\ufffd",
]
WORDS = ["'s", "'S", "'t", "'re", "'RE", "'ve", "'m", "'ll", "'Ll", "'d", "'ſ", " the", " of", " and", "The", " @-@ ", " = ",
         "<unk>", "<s>", "</s>", "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|eot_id|>", "<think>",
         "<tool_call>", "<|endof", "<0x41>", "<0xE2>", "http://", "        ", "\n\n\n", "1234567890", "hello", "Hello world", "I'm"]


def text(rng):
    if rng.random() < 0.04:  # long runs
        return "".join(rng.choice(rng.choice(POOLS)) * rng.randint(1, 60) for _ in range(rng.randint(1, 4)))
    parts = []
    for _ in range(rng.randint(1, 14)):
        if rng.random() < 0.35:
            parts.append(rng.choice(WORDS))
        else:
            pool = rng.choice(POOLS)
            parts.append("".join(rng.choice(pool) for _ in range(rng.randint(1, 6))))
    return "".join(parts)


def case(tokenizer, value):
    tokenizer.encode_special_tokens = False
    ids = tokenizer.encode(value, add_special_tokens=False).ids
    tokenizer.encode_special_tokens = True
    plain = tokenizer.encode(value, add_special_tokens=False).ids
    decoded = tokenizer.decode(ids, skip_special_tokens=False)
    skipped = tokenizer.decode(ids, skip_special_tokens=True)
    result = {"text": value, "ids": ids}
    if plain != ids:
        result["plain"] = plain
    if decoded != value:
        result["decoded"] = decoded
    if skipped != decoded:
        result["skipped"] = skipped
    return result


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    print('{"made_by": "make_random_cases.py, tokenizers %s", "seed": %d, "tokenizers": {' % (tokenizers.__version__, seed))
    for index, argument in enumerate(sys.argv[3:]):
        name, path = argument.split("=", 1)
        tokenizer = tokenizers.Tokenizer.from_file(path)
        rng = random.Random(f"{seed} {name}")
        print('%s"%s": [' % ("," if index else "", name))
        print(",\n".join(json.dumps(case(tokenizer, text(rng)), separators=(",", ":")) for _ in range(count)), end="]\n")
    print("}}")


main()
