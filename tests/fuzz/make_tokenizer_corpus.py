"""Writes the seed corpus of the tokenizer fuzz target: a text and a small tokenizer file each, good ones and one per known way to lie.

    python3 tests/fuzz/make_tokenizer_corpus.py tests/fuzz/corpus/tokenizer
"""
import os
import struct
import sys

from make_corpus import BOOL, F32, I32, STRING, U8, array, file, kv, text, u32

MIXED = "Où l'été, it's  123 <x> é e\u0301\u0316 人工 👩\u200d💻\r\n\t\u00a0q <|im_end|> ab".encode() + b"\xff\xe2\x82 a\xf0\x9f"


def strings(key, values):
    return array("tokenizer.ggml." + key, STRING, len(values), b"".join(text(v) for v in values))


def i32(key, values):
    return array(key, I32, len(values), struct.pack(f"<{len(values)}i", *values))


def yes(key, v):
    return kv(key, BOOL, bytes([v]))


def word(key, v):
    return kv("tokenizer.ggml." + key, STRING, text(v))


def seed(keys, flags=3, raw=MIXED):
    return bytes([flags]) + struct.pack("<H", len(raw)) + raw + file(keys)


SPACE = "\u2581"
UNI = ["<unk>", "</s>", SPACE, "a", "b", "ab", SPACE + "a", "<x>", "c", "人", "été", SPACE + "it"]
UNI_TYPES = [2, 3, 1, 1, 1, 1, 1, 4, 5, 1, 1, 1]
HEX = [f"<0x{b:02X}>" for b in range(256)]


def scores(n, bad=None):
    values = [-float(i % 7) for i in range(n)]
    if bad is not None:
        values[3] = bad
    return array("tokenizer.ggml.scores", F32, n, struct.pack(f"<{n}f", *values))


def charsmap(unit=(256 ^ 1 ^ 113) << 10 | 1 << 8 | 113, value=0, to=b"ab\0"):
    units = [0] * 257
    units[0], units[1 ^ 113], units[256] = 1 << 10, unit & 0xFFFFFFFF, 1 << 31 | value
    raw = struct.pack("<I257I", 4 * 257, *units) + to
    return array("tokenizer.ggml.precompiled_charsmap", U8, len(raw), raw)


def unigram(*more, tokens=UNI, types=UNI_TYPES, bad=None):
    return [word("model", "t5"), strings("tokens", tokens), i32("tokenizer.ggml.token_type", types), scores(len(tokens), bad),
            u32("tokenizer.ggml.eos_token_id", 1), *more]


def alphabet():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(c) for c in plain] + [chr(256 + i) for i in range(68)]


BPE = ["<s>", "<|im_end|>", "<x>", *alphabet(), "ab", "abc", "Ġa", "it", "Ã©", "ĠĠ"]
MERGES = ["a b", "ab c", "Ġ a", "i t", "Ã ©", "Ġ Ġ"]


def bpe(pre, *more, merges=MERGES):
    return [word("model", "gpt2"), word("pre", pre), strings("tokens", BPE), i32("tokenizer.ggml.token_type", [3, 3, 4] + [1] * (len(BPE) - 3)),
            strings("merges", merges), u32("tokenizer.ggml.bos_token_id", 0), yes("tokenizer.ggml.add_bos_token", 1), *more]


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(SPACE + c for c in "abeilot,'123人<>|_x"), "b", "t", "e", "<|u", "i\u0307", SPACE + "it"]


def wordpiece(*more, tokens=WORDS):
    return [word("model", "bert"), strings("tokens", tokens), i32("tokenizer.ggml.token_type", [3] * 5 + [1] * (len(tokens) - 7) + [4, 1]), *more]


def sp_bpe(*more):
    tokens = UNI + HEX
    return [word("model", "llama"), strings("tokens", tokens), i32("tokenizer.ggml.token_type", UNI_TYPES + [6] * 256), scores(len(tokens)), *more]


FILES = {
    "wordpiece": seed(wordpiece()),
    "wordpiece_cased": seed(wordpiece(*(yes("loquat.tokenizer." + k, 0) for k in ("lowercase", "clean_text", "space_cjk", "clean_up"))), flags=7),
    "wordpiece_accents": seed(wordpiece(yes("loquat.tokenizer.strip_accents", 0)), raw="İ".encode() * 60 + MIXED),
    "wordpiece_long": seed(wordpiece(), raw=b"ab" * 40 + b" " + "e\u0301".encode() * 120 + b" bt"),
    "wordpiece_no_unknown": seed([word("model", "bert"), strings("tokens", ["a"])]),
    "wordpiece_sep_range": seed(wordpiece(u32("tokenizer.ggml.seperator_token_id", 999))),
    "sp_bpe": seed(sp_bpe(charsmap())),
    "sp_bpe_unused": seed(sp_bpe(yes("tokenizer.ggml.add_space_prefix", 0)), raw=b"c cab abc" * 9 + MIXED, flags=7),
    "sp_bpe_no_scores": seed([word("model", "llama"), strings("tokens", UNI), i32("tokenizer.ggml.token_type", UNI_TYPES)]),
    **{f"bpe_{pre}": seed(bpe(pre)) for pre in ("gpt-2", "smollm", "llama-bpe", "qwen2")},
    "bpe_flags": seed(bpe("qwen2", i32("loquat.tokenizer.lstrip", [1]), i32("loquat.tokenizer.rstrip", [2]), i32("loquat.tokenizer.normalized", [2]),
                          yes("loquat.tokenizer.ignore_merges", 1)), flags=6),
    "bpe_lstrip_range": seed(bpe("gpt-2", i32("loquat.tokenizer.lstrip", [-1]))),
    "bpe_merge_absent": seed(bpe("gpt-2", merges=["a zz"])),
    "bpe_merge_single": seed(bpe("gpt-2", merges=["ab"])),
    "bpe_marks": seed(bpe("qwen2"), raw=("e" + "\u0301\u0316" * 40 + "\u1100\u1161\u11a8\uac00\u11a8\ufb2c\u0344").encode()),
    "unigram": seed(unigram(charsmap())),
    "unigram_bytes": seed(unigram(charsmap(), tokens=UNI + HEX, types=UNI_TYPES + [6] * 256), flags=7),
    "unigram_flags": seed(unigram(*(yes("tokenizer.ggml." + k, v) for k, v in (("add_space_prefix", 1), ("remove_extra_whitespaces", 0),
                                                                             ("escape_whitespaces", 0), ("treat_whitespace_as_suffix", 1))))),
    "unigram_nan": seed(unigram(bad=float("nan"))),
    "unigram_byte_minus_1": seed(unigram(tokens=UNI + ["<0x-1>"], types=UNI_TYPES + [6])),
    "unigram_loop_map": seed(unigram(charsmap(unit=113 | 1 << 8))),
    "unigram_wild_map": seed(unigram(charsmap(unit=0x7FFFFF71, value=0x7FFFFFF0))),
    "unigram_open_map": seed(unigram(charsmap(to=b"x" * 2000))),
    "unigram_growing_map": seed(unigram(charsmap(to=b"q" * 1000 + b"\0")), raw=b"q" * 300),
    "unigram_types_short": seed([word("model", "t5"), strings("tokens", UNI), i32("tokenizer.ggml.token_type", [1]), scores(len(UNI))]),
    "unigram_scores_are_ints": seed([word("model", "t5"), strings("tokens", UNI), i32("tokenizer.ggml.scores", [0] * len(UNI))]),
    "tokens_empty": seed([word("model", "gpt2"), strings("tokens", [])]),
    "tokens_twice": seed([word("model", "gpt2"), strings("tokens", ["a", "a", "", ""]), strings("merges", [])]),
    "eos_range": seed(unigram(u32("tokenizer.ggml.padding_token_id", 12))),
    "model_llama": seed([word("model", "llama")]),
    "model_rwkv": seed([word("model", "rwkv")]),
    "model_none": seed([word("model", "none")]),
    "pre_unknown": seed([word("model", "gpt2"), word("pre", "x"), strings("tokens", ["a"])]),
}


def main():
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, raw in FILES.items():
        with open(os.path.join(sys.argv[1], name), "wb") as f:
            f.write(raw)


if __name__ == "__main__":
    main()
