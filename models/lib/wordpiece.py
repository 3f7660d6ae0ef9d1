"""WordPiece (BERT) as llama.cpp stores it, "bert": a piece that starts a word has U+2581 before it, a later one lost its "##"."""

from .checkpoint import read_json
from .errors import ConvertError

NORMAL, CONTROL, USER = 1, 3, 4
SPECIAL = {"unk": "unknown_token_id", "sep": "seperator_token_id", "cls": "bos_token_id", "pad": "padding_token_id", "mask": "mask_token_id"}


def stored(token):
    return token[2:] if token.startswith("##") else "\u2581" + token


def put_pieces(vocab, pieces, special, user):
    """Pieces in the order of their ids; those of `special` and `user` stay as they are written."""
    for i, text in pieces:
        kind = CONTROL if text in special else USER if text in user else NORMAL
        vocab.put(i, text if kind != NORMAL else stored(text), kind)


def normalizer_keys(spec):
    """tokenizer.json's BertNormalizer, or tokenizer_config.json's names for the same things."""
    lower = bool(spec.get("lowercase", spec.get("do_lower_case", True)))
    accents = spec.get("strip_accents")
    keys = {"lowercase": lower, "strip_accents": lower if accents is None else bool(accents), "clean_text": bool(spec.get("clean_text", True)),
            "space_cjk": bool(spec.get("handle_chinese_chars", spec.get("tokenize_chinese_chars", True)))}
    usual = {"lowercase": True, "strip_accents": lower, "clean_text": True, "space_cjk": True}
    return {f"loquat.tokenizer.{name}": value for name, value in keys.items() if value != usual[name]}


def special_keys(vocab, settings):
    keys = {}
    for name, key in SPECIAL.items():
        token = settings.get(f"{name}_token", f"[{name.upper()}]")
        text = token.get("content") if isinstance(token, dict) else token
        if text in vocab.tokens:
            keys[key] = vocab.tokens.index(text)
    if "unknown_token_id" not in keys:
        raise ConvertError("the WordPiece vocabulary has no unknown token")
    if "seperator_token_id" in keys:
        keys["eos_token_id"] = keys["seperator_token_id"]
    return keys


def from_json(vocab, data, settings):
    """tokenizer.json with a WordPiece model."""
    model, normalizer = data["model"], data.get("normalizer") or {}
    if model.get("continuing_subword_prefix", "##") != "##" or model.get("max_input_chars_per_word", 100) != 100:
        raise ConvertError("the WordPiece model of tokenizer.json has another continuing_subword_prefix than ## or another "
                           "max_input_chars_per_word than 100, which is not supported")
    kinds = normalizer.get("type"), (data.get("pre_tokenizer") or {}).get("type"), (data.get("decoder") or {}).get("type")
    if kinds != ("BertNormalizer", "BertPreTokenizer", "WordPiece"):
        raise ConvertError(f"the normalizer, pre_tokenizer and decoder {', '.join(map(str, kinds))} of tokenizer.json are not supported for "
                           "WordPiece; BertNormalizer, BertPreTokenizer and WordPiece are (--no-tokenizer converts for ids only)")
    added = data.get("added_tokens", [])
    special = {t["content"] for t in added if t.get("special")}
    user = {t["content"] for t in added} - special
    if any(t.get("single_word") for t in added):
        raise ConvertError("an added token of tokenizer.json is single_word, which is not supported")
    pieces = {i: text for text, i in model["vocab"].items()} | {t["id"]: t["content"] for t in added}
    put_pieces(vocab, sorted(pieces.items()), special, user)
    for flag in ("lstrip", "rstrip", "normalized"):
        ids = [t["id"] for t in added if t.get(flag)]
        if ids:
            vocab.keys[f"loquat.tokenizer.{flag}"] = ids
    if not data["decoder"].get("cleanup", True):
        vocab.keys["loquat.tokenizer.clean_up"] = False
    vocab.keys |= normalizer_keys(normalizer)
    return special_keys(vocab, {"unk_token": model.get("unk_token", "[UNK]")} | settings)


def from_list(vocab, path, settings):
    """vocab.txt: one piece a line, its id is the line's number."""
    lines = path.read_text(encoding="utf-8").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    names = {settings.get(f"{name}_token", f"[{name.upper()}]") for name in SPECIAL}
    put_pieces(vocab, enumerate(line.rstrip("\r") for line in lines), {n.get("content") if isinstance(n, dict) else n for n in names}, set())
    vocab.keys |= normalizer_keys(settings)
    return special_keys(vocab, settings)


def wordpiece_vocab(vocab, folder, data):
    """Fills the empty Vocab from tokenizer.json (data) or, when that is empty, from vocab.txt."""
    settings = read_json(folder, "tokenizer_config.json")
    vocab.keys |= {"add_bos_token": True, "add_eos_token": True}
    vocab.keys |= from_json(vocab, data, settings) if data else from_list(vocab, folder / "vocab.txt", settings)
    return vocab
