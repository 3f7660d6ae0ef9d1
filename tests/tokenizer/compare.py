#!/usr/bin/env python3
"""Tokenizers: our ids and texts against those of the packages `sentencepiece` and `tokenizers`.

    compare.py [--tokens build/test/tokens] [--smollm2 FILE] [--only NAME]

Every vocabulary is put into a small GGUF by models/lib (so the converter is tested too), all lines of lines.py go through it in one process,
and every line must give the ids of the package; then random ids, and the ids of the lines, must give the package's text, streamed text
included. Prints one line a check and last `N passed, N failed, N skipped`.
"""

import argparse
import io
import json
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import sentencepiece
from lines import CODE, ENGLISH, FRENCH, OTHER, lines, tree_lines
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models"))
sys.path.insert(0, str(ROOT / "tests/parity"))
from lib import tokenizer as converter  # noqa: E402
from lib.writer import add_vocab  # noqa: E402
from logits import Report  # noqa: E402

SPECIAL, PARSE_SPECIAL = 1, 2


def replaced(raw):
    return raw.decode("utf-8", "replace")


class Ours:
    """The native tokenizer of one file."""

    def __init__(self, program, path):
        self.program, self.path = str(program), str(path)

    def talk(self, records, *arguments):
        done = subprocess.run([self.program, self.path, *map(str, arguments)], input=b"".join(records), capture_output=True, timeout=600, check=False)
        if done.returncode:
            raise RuntimeError(f"tokens {self.path} {arguments} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
        out, at, answers = done.stdout, 0, []
        while at < len(out):
            n = struct.unpack_from("<I", out, at)[0] * (4 if arguments[0] == "encode" else 1)
            answers.append(out[at + 4:at + 4 + n])
            at += 4 + n
        return answers

    def encode(self, texts, flags):
        answers = self.talk([struct.pack("<I", len(t)) + t for t in texts], "encode", flags)
        return [list(struct.unpack(f"<{len(a) // 4}i", a)) for a in answers]

    def decode(self, rows, keep):
        return [a.decode() for a in self.talk([struct.pack(f"<I{len(r)}i", len(r), *r) for r in rows], "decode", int(keep))]


def same(report, name, items, got, want):
    """One check: every item gives the same; tells the first that does not."""
    wrong = [i for i, item in enumerate(items) if got[i] != want[i]]
    if not report.check(len(got) == len(items) and not wrong, f"{name}: {len(items) - len(wrong)} of {len(items)} the same"):
        for i in wrong[:3]:
            a, b = got[i], want[i]
            at = next((k for k, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            part = slice(max(at - 4, 0), at + 12)
            print(f"     {items[i][:200]!r}\n     number {at} on: ours    {a[part]!r}\n     package {b[part]!r}", flush=True)


def random_rows(n_vocab, rng, extra):
    """Rows of any ids, and rows mostly of the ids `extra`."""
    rows = [[rng.randrange(n_vocab) for _ in range(rng.randrange(12))] for _ in range(2_000)]
    return rows + [[rng.choice(extra) if rng.random() < 0.7 else rng.randrange(n_vocab) for _ in range(rng.randrange(16))] for _ in range(2_000)]


def write_gguf(path, vocab):
    writer = gguf.GGUFWriter(path, "llama")
    add_vocab(writer, vocab)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


# ---- SentencePiece ----


def varint(n):
    out = b""
    n &= (1 << 64) - 1
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def message(fields):
    """A protobuf message from (number, int | float | bytes)."""
    out = b""
    for number, value in fields:
        if isinstance(value, float):
            out += varint(number << 3 | 5) + struct.pack("<f", value)
        elif isinstance(value, bytes):
            out += varint(number << 3 | 2) + varint(len(value)) + value
        else:
            out += varint(number << 3) + varint(value)
    return out


def changed(proto, trainer=(), normalizer=(), pieces=None):
    """A ModelProto with fields of trainer_spec = 2 and normalizer_spec = 3 set (the last value of a field counts), and pieces changed."""
    out = []
    for number, value in converter.protobuf_fields(proto, "proto"):
        if number == 1 and pieces:
            value = pieces(value)
        out.append((number, value + message({2: trainer, 3: normalizer}.get(number, ()))))
    return message(out)


def trained_proto(model_type="unigram"):
    """A small model with byte tokens and user-defined symbols."""
    out = io.BytesIO()
    corpus = tree_lines()[:1500] + (FRENCH + ENGLISH + CODE + OTHER) * 20
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_writer=out, vocab_size=1100, model_type=model_type, byte_fallback=True,
        normalization_rule_name="nmt_nfkc",
        user_defined_symbols=["<sep>", "<2fr>", "étudiant", "人工", "  x"], character_coverage=0.98, num_threads=1, minloglevel=2)
    return out.getvalue()


def proto_of_gguf(path):
    """models/fr-en.gguf holds all that its spiece.model did."""
    fields = gguf.GGUFReader(path).fields
    get = {key: fields["tokenizer.ggml." + key].contents() for key in ("tokens", "scores", "token_type", "precompiled_charsmap", "add_space_prefix",
                                                                        "remove_extra_whitespaces", "unknown_token_id", "eos_token_id")}
    pieces = [(1, message([(1, t.encode()), (2, float(s)), (3, int(k))])) for t, s, k in zip(get["tokens"], get["scores"], get["token_type"])]
    trainer = message([(3, 1), (35, 1), (40, get["unknown_token_id"]), (41, -1), (42, get["eos_token_id"]), (43, 0)])
    normalizer = message([(2, bytes(get["precompiled_charsmap"])), (3, int(get["add_space_prefix"])), (4, int(get["remove_extra_whitespaces"]))])
    return message([*pieces, (2, trainer), (3, normalizer)])


def sentencepiece_case(report, program, folder, name, proto, texts):
    (folder / "spiece.model").write_bytes(proto)
    write_gguf(folder / "m.gguf", converter.sentencepiece_vocab(folder / "spiece.model"))
    theirs = sentencepiece.SentencePieceProcessor(model_proto=proto)
    ours = Ours(program, folder / "m.gguf")
    want = [theirs.encode(replaced(t)) for t in texts]
    same(report, f"{name} ids", texts, ours.encode(texts, 0), want)
    bytes_ = [i for i in range(theirs.get_piece_size()) if theirs.is_byte(i)]
    rows = want[:3000] + random_rows(theirs.get_piece_size(), random.Random(7), bytes_ or [theirs.unk_id()])
    same(report, f"{name} text", rows, ours.decode(rows, False), [theirs.decode(r) for r in rows])


def unk_instead_of_byte(piece):
    """A byte piece becomes an unused one: a model without byte fallback of the same size."""
    fields = dict(converter.protobuf_fields(piece, "piece"))
    return piece + message([(3, 5), (1, b"unused" + fields[1])]) if fields.get(3) == 6 else piece


def some_unused(piece):
    """Every seventh piece (by its text) becomes an unused one, which a text is taken apart for."""
    fields = dict(converter.protobuf_fields(piece, "piece"))
    return piece + message([(3, 5)]) if fields.get(3, 1) == 1 and len(fields[1]) > 1 and sum(fields[1]) % 7 == 0 else piece


def sentencepiece_cases(texts):
    """(name, proto, lines)"""
    some = texts[::4]
    yield "fr-en", proto_of_gguf(ROOT / "models/fr-en.gguf"), texts
    proto = trained_proto()
    yield "unigram nmt_nfkc", proto, texts
    yield "unigram without byte fallback", changed(proto, trainer=[(35, 0)], pieces=unk_instead_of_byte), texts
    for flags in range(16):
        prefix, squeeze, escape, suffix = (flags >> k & 1 for k in range(4))
        name = f"add_dummy_prefix={prefix} remove_extra_whitespaces={squeeze} escape_whitespaces={escape} treat_whitespace_as_suffix={suffix}"
        yield (f"unigram {name}",
               changed(proto, trainer=[(24, suffix)], normalizer=[(3, prefix), (4, squeeze), (5, escape)]), some)
    yield "unigram without a normaliser map", changed(proto, normalizer=[(2, b"")]), some
    proto = trained_proto("bpe")
    yield "sp-bpe", proto, texts
    yield "sp-bpe without byte fallback", changed(proto, trainer=[(35, 0)], pieces=unk_instead_of_byte), some
    yield "sp-bpe with unused pieces", changed(proto, pieces=some_unused), some
    yield "sp-bpe as Llama 2 has it", changed(proto, normalizer=[(2, b""), (3, 1), (4, 0)]), texts
    yield "sp-bpe as Gemma has it", changed(proto, normalizer=[(2, b""), (3, 0), (4, 0)]), some


# ---- byte-level BPE ----

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def split_by(regex):
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(regex), "isolated"), byte_level])


def pre_tokenizer(name):
    if name == "gpt-2":
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    if name == "smollm":
        return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return split_by(LLAMA3 if name == "llama-bpe" else QWEN2)


def trained_bpe(pre):
    t = Tokenizer(models.BPE(ignore_merges=pre == "llama-bpe"))
    if pre == "qwen2":
        t.normalizer = normalizers.NFC()
    t.pre_tokenizer, t.decoder = pre_tokenizer(pre), decoders.ByteLevel()
    t.train_from_iterator(tree_lines() + (FRENCH + ENGLISH + CODE + OTHER) * 20,
                          trainers.BpeTrainer(vocab_size=3000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    t.add_special_tokens(["<|begin|>", "<|im_start|>", "<|im_end|>", AddedToken("<mask>", lstrip=True, special=True, normalized=False),
                          AddedToken("<right>", rstrip=True, special=True)])
    t.add_tokens([AddedToken("<tool>", normalized=False), AddedToken("<tool_call>", normalized=False), AddedToken("a b"),
                  AddedToken("    ", normalized=True), AddedToken("<both>", lstrip=True, rstrip=True, normalized=True), AddedToken("<|im_"),
                  AddedToken("\u4eba\u5de5", normalized=False), AddedToken("e\u0301t\u00e9", normalized=True)])
    begin = t.token_to_id("<|begin|>")
    t.post_processor = processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", begin)])
    return t


def marked(texts, rng, tokens):
    """Some lines with special and added tokens written in them, blanks around."""
    out = []
    for text in texts[:3000:2]:
        parts = [replaced(text[:len(text) // 2]), rng.choice(tokens), rng.choice(tokens[:3] + [""]), replaced(text[len(text) // 2:])]
        out.append(rng.choice(["", " ", "\n ", "\u00a0"]).join(parts).encode())
    return out


def added(theirs):
    return {i: token for i, token in theirs.get_added_tokens_decoder().items()}


def bpe_case(report, program, path, name, theirs, texts):
    ours = Ours(program, path)
    tokens = added(theirs)
    texts = texts + marked(texts, random.Random(3), [t.content for t in tokens.values()])
    for parse, what in ((True, "special tokens parsed"), (False, "special tokens as text")):
        theirs.encode_special_tokens = not parse
        batch = theirs.encode_batch([replaced(t) for t in texts])
        same(report, f"{name} ids, {what}", texts, ours.encode(texts, SPECIAL | (PARSE_SPECIAL if parse else 0)), [e.ids for e in batch])
        if parse:
            rows = [e.ids for e in batch[:3000]]
    rows += random_rows(theirs.get_vocab_size(), random.Random(7), 
                        list(tokens) + [i for c in pre_tokenizers.ByteLevel.alphabet() if (i := theirs.token_to_id(c)) is not None])
    for keep in (False, True):
        want = [theirs.decode(r, skip_special_tokens=not keep) for r in rows]
        same(report, f"{name} text, special tokens {'kept' if keep else 'left out'}", rows, ours.decode(rows, keep), want)


def trained_bpe_case(report, program, folder, pre, texts):
    theirs = trained_bpe(pre)
    theirs.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<|begin|>"}), encoding="utf-8")
    write_gguf(folder / "m.gguf", converter.open_tokenizer(folder, {}))
    bpe_case(report, program, folder / "m.gguf", pre, theirs, texts)


# ---- WordPiece ----

WORDPIECE = [("uncased", {}), ("cased", {"lowercase": False}), ("lower case with accents", {"strip_accents": False}),
             ("cased without accents", {"lowercase": False, "strip_accents": True}),
             ("as the text is", {"lowercase": False, "clean_text": False, "handle_chinese_chars": False})]


def trained_wordpiece(settings):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer, t.pre_tokenizer, t.decoder = normalizers.BertNormalizer(**settings), pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t.train_from_iterator(tree_lines() + (FRENCH + ENGLISH + CODE + OTHER) * 20,
                          trainers.WordPieceTrainer(vocab_size=2500, special_tokens=special, show_progress=False))
    t.add_tokens([AddedToken("<tool>", normalized=False), AddedToken("<left>", lstrip=True, normalized=False)])
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
                                                     special_tokens=[(s, t.token_to_id(s)) for s in ("[CLS]", "[SEP]")])
    return t


def wordpiece_case(report, program, folder, name, settings, texts):
    theirs = trained_wordpiece(settings)
    (folder / "tokenizer_config.json").unlink(missing_ok=True)
    theirs.save(str(folder / "tokenizer.json"))
    write_gguf(folder / "m.gguf", converter.open_tokenizer(folder, {}))
    bpe_case(report, program, folder / "m.gguf", f"wordpiece {name}", theirs, texts)
    (folder / "tokenizer.json").unlink()


def wordpiece_list_case(report, program, folder, texts):
    """vocab.txt gives what tokenizer.json does."""
    theirs = trained_wordpiece({"lowercase": False})
    pieces = sorted(theirs.get_vocab(with_added_tokens=False).items(), key=lambda entry: entry[1])
    (folder / "vocab.txt").write_text("".join(f"{text}\n" for text, _ in pieces), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}), encoding="utf-8")
    write_gguf(folder / "m.gguf", converter.open_tokenizer(folder, {}))
    (folder / "vocab.txt").unlink()
    texts = [t for t in texts if b"<tool>" not in t and b"<left>" not in t]
    same(report, "wordpiece vocab.txt ids", texts, Ours(program, folder / "m.gguf").encode(texts, SPECIAL | PARSE_SPECIAL),
         [e.ids for e in theirs.encode_batch([replaced(t) for t in texts])])


def smollm2_case(report, program, path, texts):
    fields = gguf.GGUFReader(path).fields
    tokens, kinds, merges = (fields["tokenizer.ggml." + key].contents() for key in ("tokens", "token_type", "merges"))
    theirs = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, [tuple(m.split(" ")) for m in merges]))
    theirs.pre_tokenizer, theirs.decoder = pre_tokenizer("smollm"), decoders.ByteLevel()
    theirs.add_special_tokens([t for t, kind in zip(tokens, kinds) if kind == 3])
    bpe_case(report, program, path, "SmolLM2", theirs, texts)
    golden = json.loads((ROOT / "tests/golden/smollm2.json").read_text(encoding="utf-8"))
    ours = Ours(program, path)
    words, ids = [c["text"] for c in golden["tokenizer"]], [c["ids"] for c in golden["tokenizer"]]
    same(report, "SmolLM2 recorded ids", words, ours.encode([w.encode() for w in words], PARSE_SPECIAL), ids)
    same(report, "SmolLM2 recorded texts", words, ours.decode(ids, True), words)
    prompts = golden["prompts"]
    same(report, "SmolLM2 recorded prompts", [p["prompt"] for p in prompts],
         ours.encode([p["prompt"].encode() for p in prompts], SPECIAL | PARSE_SPECIAL), [p["ids"] for p in prompts])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--tokens", default=ROOT / "build/test/tokens", type=Path)
    parser.add_argument("--smollm2", default=ROOT / "models/smollm2-135m-instruct-q4_1.gguf", type=Path)
    parser.add_argument("--only", default="", help="cases whose name starts with this")
    args = parser.parse_args()
    report, texts = Report(), lines()
    print(f"{len(texts)} lines, {sum(map(len, texts))} bytes")
    with tempfile.TemporaryDirectory() as holder:
        folder = Path(holder)
        for name, proto, some in sentencepiece_cases(texts):
            if name.startswith(args.only):
                sentencepiece_case(report, args.tokens, folder, name, proto, some)
        (folder / "spiece.model").unlink(missing_ok=True)
        for name, settings in WORDPIECE:
            if f"wordpiece {name}".startswith(args.only):
                wordpiece_case(report, args.tokens, folder, name, settings, texts if name in ("uncased", "cased") else texts[::4])
        if "wordpiece vocab.txt".startswith(args.only):
            wordpiece_list_case(report, args.tokens, folder, texts[::4])
        for pre in ("gpt-2", "smollm", "llama-bpe", "qwen2"):
            if pre.startswith(args.only):
                trained_bpe_case(report, args.tokens, folder, pre, texts)
    if "SmolLM2".startswith(args.only):
        if args.smollm2.is_file():
            smollm2_case(report, args.tokens, args.smollm2, texts)
        else:
            report.skip("SmolLM2: the model file is not there")
    print(f"{report.passed} passed, {report.failed} failed, {report.skipped} skipped")
    return report.failed != 0


if __name__ == "__main__":
    sys.exit(main())
