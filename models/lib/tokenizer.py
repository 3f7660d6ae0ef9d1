"""Tokenizer files -> GGUF tokenizer keys: SentencePiece unigram ("t5") and BPE ("llama"), byte-level BPE ("gpt2"), WordPiece ("bert").

SentencePiece files are one protobuf message (sentencepiece_model.proto); the few fields needed are read here.
"""

import re
import struct
import unicodedata
from dataclasses import dataclass, field

from .checkpoint import read_json
from .errors import ConvertError
from .wordpiece import wordpiece_vocab

UNK_SURFACE = " \u2047 ".encode()
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


@dataclass
class Vocab:
    """Tokens with kinds and, for unigram models, scores; `keys` are the other tokenizer.ggml.* keys and whole loquat.tokenizer.* ones."""

    model: str
    tokens: list
    types: list
    scores: list = None
    merges: list = None
    keys: dict = field(default_factory=dict)
    chat_template: str = None

    def put(self, i, text, kind):
        """Sets token i, widening the vocabulary with unused entries."""
        self.pad(i + 1)
        self.tokens[i], self.types[i] = text, kind

    def pad(self, size):
        while len(self.tokens) < size:
            self.tokens.append(f"[PAD{len(self.tokens)}]")
            self.types.append(UNUSED)
            if self.scores is not None:
                self.scores.append(-1000.0)


def open_tokenizer(folder, config):
    """The folder's Vocab, or None when it has no tokenizer files."""
    for name in ("spiece.model", "tokenizer.model", "sentencepiece.bpe.model"):
        if (folder / name).is_file():
            vocab = sentencepiece_vocab(folder / name)
            if config.get("model_type") in ("xlm-roberta", "camembert"):
                fairseq_ids(vocab)
            break
    else:
        data = read_json(folder, "tokenizer.json")
        if data.get("model", {}).get("type") == "WordPiece" or (not data and (folder / "vocab.txt").is_file()):
            vocab = wordpiece_vocab(Vocab("bert", [], []), folder, data)
        elif data:
            vocab = bpe_vocab(folder)
        else:
            return None
    settings = read_json(folder, "tokenizer_config.json")
    added_tokens(vocab, folder, settings)
    size = config.get("vocab_size") or len(vocab.tokens)
    if len(vocab.tokens) > size:
        raise ConvertError(f"the tokenizer has {len(vocab.tokens)} tokens, the model's vocab_size is {size}")
    vocab.pad(size)
    special_ids(vocab, settings, config)
    vocab.chat_template = chat_template(folder, settings)
    return vocab


# ---- SentencePiece ------------------------------------------------------------------------------


def protobuf_fields(data, what):
    """Yields (field number, value): ints for varints, bytes for the rest."""
    pos = 0

    def varint():
        nonlocal pos
        value = shift = 0
        while True:
            byte = data[pos]
            pos += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    try:
        while pos < len(data):
            tag = varint()
            wire = tag & 7
            if wire == 0:
                yield tag >> 3, varint()
                continue
            size = {1: 8, 5: 4}.get(wire) or (varint() if wire == 2 else None)
            if size is None or pos + size > len(data):
                raise IndexError
            yield tag >> 3, data[pos:pos + size]
            pos += size
    except IndexError:
        raise ConvertError(f"{what} is no SentencePiece model, or it is cut short") from None


def signed(value):
    return value - (1 << 64) if value >> 63 else value


def sentencepiece_vocab(path):
    """ModelProto: pieces = 1 {piece = 1, score = 2, type = 3}, trainer_spec = 2, normalizer_spec = 3."""
    vocab = Vocab("t5", [], [], scores=[])
    trainer, normalizer, denormalizer = {}, {}, {}
    for number, value in protobuf_fields(path.read_bytes(), path):
        if number == 1:
            piece = dict(protobuf_fields(value, path))
            vocab.tokens.append(piece.get(1, b"").decode("utf-8", "replace"))
            vocab.scores.append(struct.unpack("<f", piece[2])[0] if 2 in piece else 0.0)
            vocab.types.append(piece.get(3, NORMAL))
        elif number == 2:
            trainer = dict(protobuf_fields(value, path))
        elif number == 3:
            normalizer = dict(protobuf_fields(value, path))
        elif number == 5:
            denormalizer = dict(protobuf_fields(value, path))
    kind = trainer.get(3, 1)
    if kind not in (1, 2):
        raise ConvertError(f"{path} is a SentencePiece {({3: 'word', 4: 'character'}).get(kind, 'unknown')} model; unigram and BPE are supported "
                           "(--no-tokenizer converts for ids only)")
    vocab.model = "t5" if kind == 1 else "llama"
    if denormalizer.get(2):
        raise ConvertError(f"{path} changes text after decoding (denormalizer_spec), which is not supported")
    if trainer.get(44, UNK_SURFACE) != UNK_SURFACE:
        raise ConvertError(f"{path} writes unknown tokens as {trainer[44].decode('utf-8', 'replace')!r} (unk_surface); only ' \u2047 ' is supported")
    ids = {"unknown_token_id": trainer.get(40, 0), "bos_token_id": trainer.get(41, 1), "eos_token_id": trainer.get(42, 2),
           "padding_token_id": trainer.get(43, (1 << 64) - 1)}
    vocab.keys = {key: signed(v) for key, v in ids.items() if signed(v) >= 0}
    vocab.keys |= {"add_space_prefix": bool(normalizer.get(3, 1)), "remove_extra_whitespaces": bool(normalizer.get(4, 1)),
                   "add_bos_token": kind == 2, "add_eos_token": kind == 1}
    if normalizer.get(2):
        vocab.keys["precompiled_charsmap"] = normalizer[2]
    if not normalizer.get(5, 1):
        vocab.keys["escape_whitespaces"] = False
    if trainer.get(24):
        vocab.keys["treat_whitespace_as_suffix"] = True
    return vocab


def fairseq_ids(vocab):
    """XLM-R numbers its own way: <s>, <pad>, </s>, <unk>, then the file's pieces from its fourth on, last <mask>."""
    if vocab.model != "t5" or vocab.types[:3] != [UNKNOWN, CONTROL, CONTROL]:
        raise ConvertError("XLM-R's SentencePiece file is a unigram model that begins with <unk>, <s>, </s>; this one is not")
    vocab.tokens = ["<s>", "<pad>", "</s>", "<unk>", *vocab.tokens[3:], "<mask>"]
    vocab.types = [CONTROL, CONTROL, CONTROL, UNKNOWN, *vocab.types[3:], CONTROL]
    vocab.scores = [0.0, 0.0, 0.0, 0.0, *vocab.scores[3:], 0.0]
    mask = len(vocab.tokens) - 1
    vocab.keys |= {"bos_token_id": 0, "padding_token_id": 1, "eos_token_id": 2, "unknown_token_id": 3, "mask_token_id": mask, "add_bos_token": True,
                   "add_eos_token": True, "loquat.tokenizer.lstrip": [mask]}


# ---- byte-level BPE -----------------------------------------------------------------------------

SPLIT_LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
                r"|\s+(?!\S)|\s+")
SPLITS = {SPLIT_LLAMA3: "llama-bpe", SPLIT_LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}"): "qwen2"}


def pre_tokenizer(spec):
    """llama.cpp's name for a tokenizer.json pre_tokenizer."""
    steps = spec.get("pretokenizers", []) if (spec or {}).get("type") == "Sequence" else [spec or {}]
    kinds = [s.get("type") for s in steps]
    if kinds == ["ByteLevel"] and steps[0].get("use_regex", True) and not steps[0].get("add_prefix_space"):
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits") and not steps[1].get("add_prefix_space"):
        return "smollm"
    if kinds == ["Split", "ByteLevel"]:
        pattern = steps[0].get("pattern", {}).get("Regex", "")
        if pattern in SPLITS and steps[0].get("behavior") == "Isolated":
            return SPLITS[pattern]
    raise ConvertError(f"the pre-tokenizer {' + '.join(map(str, kinds))} of tokenizer.json is not known; known are those of GPT-2, "
                       "SmolLM, Llama 3 and Qwen 2 (--no-tokenizer converts for ids only)")


def uses_nfc(spec):
    """Whether tokenizer.json's normalizer is NFC; none is the other that is known."""
    steps = (spec or {}).get("normalizers", [spec] if spec else [])
    kinds = [s.get("type") for s in steps]
    if any(kind != "NFC" for kind in kinds):
        raise ConvertError(f"the normalizer {' + '.join(map(str, kinds))} of tokenizer.json is not supported; NFC and none are "
                           "(--no-tokenizer converts for ids only)")
    return bool(kinds)


def check_bpe(data):
    """Refuses, by name, what byte-level BPE as the engine has it cannot express."""
    model = data.get("model", {})
    kind = model.get("type") or "BPE"
    if kind != "BPE" or model.get("byte_fallback"):
        raise ConvertError(f"tokenizer.json holds a {kind} model; supported are byte-level BPE there and SentencePiece unigram in "
                           "spiece.model (--no-tokenizer converts for ids only)")
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            raise ConvertError(f"the BPE model of tokenizer.json has {name} = {model[name]!r}, which is not supported")
    if model.get("unk_token") and not all(c in model.get("vocab", {}) for c in byte_alphabet()):
        raise ConvertError(f"the BPE model of tokenizer.json lacks bytes and writes them as unk_token = {model['unk_token']!r}, "
                           "which is not supported")
    decoder = (data.get("decoder") or {}).get("type")
    if decoder not in (None, "ByteLevel"):
        raise ConvertError(f"the decoder {decoder} of tokenizer.json is not supported; ByteLevel is")
    for token in data.get("added_tokens", []):
        if token.get("single_word"):
            raise ConvertError(f"the added token {token['content']!r} of tokenizer.json is single_word, which is not supported")


def byte_alphabet():
    """GPT-2's printable stand-ins of the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(c) for c in plain] + [chr(256 + i) for i in range(256 - len(plain))]


def added_flags(tokens):
    """Keys for what GGUF cannot say of added tokens: ids that take the white space beside them, or match the normalised text."""
    keys = {}
    for flag in ("lstrip", "rstrip", "normalized"):
        ids = [token["id"] for token in tokens if token.get(flag)]
        if ids:
            keys[f"loquat.tokenizer.{flag}"] = ids
    return keys


def bpe_vocab(folder):
    data = read_json(folder, "tokenizer.json")
    check_bpe(data)
    model, added = data.get("model", {}), data.get("added_tokens", [])
    vocab = Vocab("gpt2", [], [])
    vocab.keys["pre"] = pre = pre_tokenizer(data.get("pre_tokenizer"))
    for text, i in sorted(model.get("vocab", {}).items(), key=lambda entry: entry[1]):
        vocab.put(i, text, NORMAL)
    nfc = uses_nfc(data.get("normalizer"))
    for token in added:
        text = unicodedata.normalize("NFC", token["content"]) if nfc and token.get("normalized") else token["content"]
        vocab.put(token["id"], text, CONTROL if token.get("special") else USER)
    vocab.merges = [m if isinstance(m, str) else " ".join(m) for m in model.get("merges", [])]
    vocab.keys |= {"add_space_prefix": False, **template_ends(data.get("post_processor"))} | added_flags(added)
    # What the name of the pre-tokeniser already says is not written.
    if nfc != (pre == "qwen2"):
        vocab.keys["loquat.tokenizer.nfc"] = nfc
    if (ignore := bool(model.get("ignore_merges"))) != (pre == "llama-bpe"):
        vocab.keys["loquat.tokenizer.ignore_merges"] = ignore
    return vocab


def template_ends(processor):
    """add_bos_token and add_eos_token as the post-processor's template for one text has them."""
    steps = (processor or {}).get("processors", [processor] if processor else [])
    for step in steps:
        if step.get("type") == "RobertaProcessing":
            return {"add_bos_token": True, "add_eos_token": True}
        if step.get("type") not in ("TemplateProcessing", "ByteLevel"):
            raise ConvertError(f"the post_processor {step.get('type')} of tokenizer.json is not supported; TemplateProcessing, RobertaProcessing "
                               "and ByteLevel are")
    single = next((s["single"] for s in steps if s.get("type") == "TemplateProcessing"), [])
    special = ["SpecialToken" in item for item in single]
    if special not in ([], [False], [True, False], [False, True], [True, False, True]):
        raise ConvertError("the post_processor of tokenizer.json puts more than one token before or after a text, which is not supported")
    return {"add_bos_token": bool(special) and special[0], "add_eos_token": len(special) > 1 and special[-1]}


# ---- both ---------------------------------------------------------------------------------------


def added_tokens(vocab, folder, settings):
    """Tokens that only the side files know, such as T5's <extra_id_0>."""
    for text, i in read_json(folder, "added_tokens.json").items():
        if i >= len(vocab.tokens) or vocab.types[i] == UNUSED:
            vocab.put(i, text, USER)
    for i, token in settings.get("added_tokens_decoder", {}).items():
        if int(i) >= len(vocab.tokens) or vocab.types[int(i)] == UNUSED:
            vocab.put(int(i), token["content"], CONTROL if token.get("special") else USER)


def first(value):
    return value[0] if isinstance(value, list) and value else value


def special_ids(vocab, settings, config):
    """tokenizer_config.json names the special tokens; config.json's ids stand in where it does not."""
    names = {"bos": "bos_token_id", "eos": "eos_token_id", "unk": "unknown_token_id", "pad": "padding_token_id", "mask": "mask_token_id"}
    for name, key in names.items():
        token = settings.get(f"{name}_token")
        text = token.get("content") if isinstance(token, dict) else token
        i = vocab.tokens.index(text) if text in vocab.tokens else first(config.get(f"{name}_token_id"))
        if vocab.model == "gpt2" and i is not None and 0 <= i < len(vocab.tokens):
            vocab.keys.setdefault(key, i)
    for name in ("add_bos_token", "add_eos_token"):
        if vocab.model in ("gpt2", "llama") and isinstance(settings.get(name), bool):
            vocab.keys[name] = settings[name]


def chat_template(folder, settings):
    if (folder / "chat_template.jinja").is_file():
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    template = settings.get("chat_template")
    if isinstance(template, list):
        template = next((t["template"] for t in template if t.get("name") == "default"), None)
    return template


def translation_languages(vocab):
    """Codes of the target-language pieces <2xx>, in order."""
    return [m[1] for t in vocab.tokens if (m := re.fullmatch(r"<2([a-z]{2,3}(?:[-_][A-Za-z]+)*)>", t))]
