"""Writes tests/data/tiny-chat.gguf and the corpus of the whole-model fuzz target: small good models and one file per way to lie about one.

    python3 tests/fuzz/make_models.py tests

tiny-chat is a LLaMA with byte tokens whose weights make it answer every chat with "Hi é€!abcdefgh": each token's embedding points at the
token to follow, and the layers only add a little noise. Its tests need a text that is known beforehand and crosses token boundaries.
"""
import os
import random
import struct
import sys

from make_corpus import BOOL, F32, I32, STRING, array, file, kv, text, tensor, u32

F16 = 1
REPLY = "Hi é€!abcdefgh"
CHATML = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")


def f32(key, v):
    return kv(key, F32, struct.pack("<f", v))


def string(key, v):
    return kv(key, STRING, text(v))


def strings(key, items):
    return array(key, STRING, len(items), b"".join(text(s) for s in items))


def i32s(key, items):
    return array(key, I32, len(items), struct.pack(f"<{len(items)}i", *items))


def f32s(key, items):
    return array(key, F32, len(items), struct.pack(f"<{len(items)}f", *items))


def flag(key, v):
    return kv(key, BOOL, bytes([v]))


def model(kvs, tensors):
    """tensors: {name: (type, dims, bytes)}; kvs: {key: encoded pair}."""
    at, entries, data = 0, [], b""
    for name, (vtype, dims, raw) in tensors.items():
        entries.append(tensor(name, vtype, dims, at))
        data += raw + bytes(-len(raw) % 32)
        at = len(data)
    head = file(list(kvs.values()), entries)
    return head + bytes(-len(head) % 32) + data


def matrix(r, n_in, n_out, scale=0.3, vtype=0):
    x = [r.gauss(0, scale) for _ in range(n_in * n_out)]
    return vtype, [n_in, n_out], struct.pack(f"<{len(x)}{'e' if vtype == F16 else 'f'}", *x)


def ones(n):
    return 0, [n], struct.pack(f"<{n}f", *[1.0] * n)


def block(r, prefix, d, ff, kv_width, out, gate=True, scale=0.3):
    t = {"attn_norm": ones(d), "attn_q": matrix(r, d, d, scale), "attn_k": matrix(r, d, kv_width, scale), "attn_v": matrix(r, d, kv_width, scale),
         out: matrix(r, d, d, scale), "ffn_norm": ones(d)}
    if gate:
        t["ffn_gate"] = matrix(r, d, ff, scale)
    t |= {"ffn_up": matrix(r, d, ff, scale), "ffn_down": matrix(r, ff, d, scale)}
    return {f"{prefix}{name}.weight": v for name, v in t.items()}


def llama(r, vocab=12, d=8, heads=2, kv_heads=1, ff=8, layers=1, context=32):
    kvs = {"arch": string("general.architecture", "llama"), "d": u32("llama.embedding_length", d), "ff": u32("llama.feed_forward_length", ff),
           "n": u32("llama.block_count", layers), "ctx": u32("llama.context_length", context), "h": u32("llama.attention.head_count", heads),
           "hk": u32("llama.attention.head_count_kv", kv_heads), "eps": f32("llama.attention.layer_norm_rms_epsilon", 1e-5)}
    tensors = {"token_embd.weight": matrix(r, d, vocab)}
    for i in range(layers):
        tensors |= block(r, f"blk.{i}.", d, ff, d // heads * kv_heads, "attn_output")
    return kvs, tensors | {"output_norm.weight": ones(d)}


def t5(r, vocab=12, d=8, heads=2, ff=8):
    kvs = {"arch": string("general.architecture", "t5"), "d": u32("t5.embedding_length", d), "ff": u32("t5.feed_forward_length", ff),
           "n": u32("t5.block_count", 1), "h": u32("t5.attention.head_count", heads), "b": u32("t5.attention.relative_buckets_count", 8),
           "m": u32("t5.attention.relative_max_distance", 16), "start": u32("t5.decoder_start_token_id", 0)}
    tensors = {"token_embd.weight": matrix(r, d, vocab)}
    for side in ("enc", "dec"):
        tensors |= block(r, f"{side}.blk.0.", d, ff, d, "attn_o") | {f"{side}.blk.0.attn_rel_b.weight": matrix(r, heads, 8),
                                                                      f"{side}.output_norm.weight": ones(d)}
    tensors |= {"dec.blk.0.cross_attn_norm.weight": ones(d)} | {f"dec.blk.0.cross_attn_{x}.weight": matrix(r, d, d) for x in "qkvo"}
    return kvs, tensors


def gpt2(r, vocab=12, d=8, heads=2, ff=8, context=16, **more):
    """Layer norms with biases, learned positions, fused queries, keys and values."""
    kvs = {"arch": string("general.architecture", "gpt2"), "d": u32("gpt2.embedding_length", d), "ff": u32("gpt2.feed_forward_length", ff),
           "n": u32("gpt2.block_count", 1), "ctx": u32("gpt2.context_length", context), "h": u32("gpt2.attention.head_count", heads)}
    tensors = {"token_embd.weight": matrix(r, d, vocab), "position_embd.weight": matrix(r, d, context)}
    for name, n_in, n_out in (("attn_qkv", d, 3 * d), ("attn_output", d, d), ("ffn_up", d, ff), ("ffn_down", ff, d)):
        tensors |= {f"blk.0.{name}.weight": matrix(r, n_in, n_out), f"blk.0.{name}.bias": ones(n_out)}
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        tensors |= {f"{name}.weight": ones(d), f"{name}.bias": ones(d)}
    return kvs, tensors


def alibi(r):
    kvs, tensors = gpt2(r)
    drop = ("position_embd.weight",)
    kvs = {k: v.replace(b"gpt2", b"mpt").replace(struct.pack("<Q", 4) + b"mpt", struct.pack("<Q", 3) + b"mpt") for k, v in kvs.items()}
    for k, v in kvs.items():  # the key's length is one less
        if k != "arch":
            kvs[k] = struct.pack("<Q", struct.unpack_from("<Q", v)[0] - 1) + v[8:]
    return kvs, {k: v for k, v in tensors.items() if k not in drop}


def bert(r, vocab=14, d=8, heads=2, ff=8, context=12):
    """An encoder with a word-piece vocabulary; its heads are each family's own."""
    kvs = {"arch": string("general.architecture", "bert"), "d": u32("bert.embedding_length", d), "ff": u32("bert.feed_forward_length", ff),
           "n": u32("bert.block_count", 1), "ctx": u32("bert.context_length", context), "h": u32("bert.attention.head_count", heads),
           "tok": string("tokenizer.ggml.model", "bert"),
           "pieces": strings("tokenizer.ggml.tokens", ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *("\u2581" + c for c in "ab.<>s"), "a", "b", "ab"]),
           "types": i32s("tokenizer.ggml.token_type", [3] * 5 + [1] * 9)}
    tensors = {"token_embd.weight": matrix(r, d, vocab), "position_embd.weight": matrix(r, d, context), "token_types.weight": matrix(r, d, 2)}
    for name, n_in, n_out in (("attn_q", d, d), ("attn_k", d, d), ("attn_v", d, d), ("attn_output", d, d), ("ffn_up", d, ff), ("ffn_down", ff, d)):
        tensors |= {f"blk.0.{name}.weight": matrix(r, n_in, n_out), f"blk.0.{name}.bias": ones(n_out)}
    for name in ("token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm"):
        tensors |= {f"{name}.weight": ones(d), f"{name}.bias": ones(d)}
    return kvs, tensors


def head(r, name, n):
    return {f"{name}.weight": matrix(r, 8, n), f"{name}.bias": ones(n)}


def unigram():
    pieces = ["<pad>", "</s>", "<unk>", "<2en>", "<2fr>", "▁", "a", "b", "▁a", ".", "c", "d"]
    return {"tok": string("tokenizer.ggml.model", "t5"), "pieces": strings("tokenizer.ggml.tokens", pieces),
            "scores": f32s("tokenizer.ggml.scores", [0, 0, 0, 0, 0, -2, -3, -3, -2.5, -4, -4, -4]),
            "types": i32s("tokenizer.ggml.token_type", [3, 3, 2, 3, 3] + [1] * 7), "eos": u32("tokenizer.ggml.eos_token_id", 1),
            "unk": u32("tokenizer.ggml.unknown_token_id", 2), "langs": strings("loquat.languages", ["en", "fr"])}


def byte_char(b):
    """GPT-2's printable stand-in for a byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return chr(b) if b in plain else chr(256 + [x for x in range(256) if x not in plain].index(b))


def tiny_chat():
    r = random.Random(5)
    d, specials = 32, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    pieces = specials + [byte_char(b) for b in range(256)]
    path = [3 + b for b in b"\n" + REPLY.encode()] + [2]
    follows = {a: b for a, b in zip(path, path[1:])}
    embed = [[r.choice((-1.0, 1.0)) for _ in range(d)] for _ in pieces]
    out = [[0.0] * d for _ in pieces]
    for i in range(len(pieces)):
        to = follows.get(i, 0)  # whatever is not on the path ends the text
        for k in range(d):
            out[to][k] += embed[i][k] if i in follows else 0.02 * embed[i][k]
    kvs, tensors = llama(r, len(pieces), d, 4, 2, 32, 2, 131072)
    kvs |= {"tok": string("tokenizer.ggml.model", "gpt2"), "pre": string("tokenizer.ggml.pre", "gpt-2"), "pieces": strings("tokenizer.ggml.tokens",
        pieces),
            "types": i32s("tokenizer.ggml.token_type", [3] * 3 + [1] * 256), "merges": strings("tokenizer.ggml.merges", []),
            "eos": u32("tokenizer.ggml.eos_token_id", 2), "template": string("tokenizer.chat_template", CHATML)}
    half = lambda rows: (F16, [d, len(rows)], struct.pack(f"<{d * len(rows)}e", *[x for row in rows for x in row]))
    tensors["token_embd.weight"] = half(embed)
    for i in range(2):
        for name in block(random.Random(i), f"blk.{i}.", d, 32, 16, "attn_output"):
            if "norm" not in name:
                tensors[name] = matrix(r, *tensors[name][1], scale=0.02, vtype=F16)
    return model(kvs, tensors | {"output.weight": half(out)})


def files():
    def put(name, kvs, tensors):
        out[name] = model(kvs, tensors)

    def lie(name, base, kvs=None, tensors=None, drop=()):
        k, t = base(random.Random(3))
        put(name, {x: v for x, v in (k | (kvs or {})).items() if x not in drop}, {x: v for x, v in (t | (tensors or {})).items() if x not in drop})

    def pair(r):
        k, t = t5(r)
        return k | unigram(), t

    out, r, nan = {}, random.Random(9), float("nan")
    lie("good_llama", llama)
    lie("good_t5", t5)
    lie("good_pair", pair)
    lie("arch_none", llama, drop=["arch"])
    lie("arch_unknown", llama, {"arch": string("general.architecture", "mamba\x1b[31m")})
    lie("arch_number", llama, {"arch": u32("general.architecture", 7)})
    for key, name in (("d", "embedding_length"), ("ff", "feed_forward_length"), ("n", "block_count"), ("ctx", "context_length"),
                      ("h", "attention.head_count"), ("hk", "attention.head_count_kv")):
        lie(f"{name}_0", llama, {key: u32(f"llama.{name}", 0)})
        lie(f"{name}_huge", llama, {key: u32(f"llama.{name}", 2**31)})
        lie(f"{name}_none", llama, drop=[key])
    lie("layers_1000", llama, {"n": u32("llama.block_count", 1000)})
    lie("heads_3", llama, {"h": u32("llama.attention.head_count", 3)})
    lie("head_odd", llama, {"h": u32("llama.attention.head_count", 8), "hk": u32("llama.attention.head_count_kv", 8)})
    lie("heads_above_width", llama, {"h": u32("llama.attention.head_count", 64)})
    lie("key_length_4096", llama, {"kl": u32("llama.attention.key_length", 4096)})
    lie("key_value_differ", llama, {"kl": u32("llama.attention.key_length", 4), "vl": u32("llama.attention.value_length", 2)})
    for name, v in (("nan", nan), ("negative", -1.0), ("inf", float("inf"))):
        lie(f"eps_{name}", llama, {"eps": f32("llama.attention.layer_norm_rms_epsilon", v)})
    for name, v in (("0", 0.0), ("nan", nan), ("negative", -1.0)):
        lie(f"rope_base_{name}", llama, {"rope": f32("llama.rope.freq_base", v)})
    lie("rope_dims_odd", llama, {"rot": u32("llama.rope.dimension_count", 3)})
    lie("rope_dims_huge", llama, {"rot": u32("llama.rope.dimension_count", 2**31)})
    lie("rope_longrope", llama, {"s": string("llama.rope.scaling.type", "longrope")})
    lie("rope_scale_0", llama, {"s": string("llama.rope.scaling.type", "linear"), "f": f32("llama.rope.scaling.factor", 0)})
    lie("rope_freqs_0", llama, tensors={"rope_freqs.weight": (0, [2], bytes(8))})
    lie("vocab_other", llama, {"v": u32("llama.vocab_size", 13)})
    lie("embed_none", llama, drop=["token_embd.weight"])
    lie("embed_vector", llama, tensors={"token_embd.weight": ones(8)})
    lie("norm_none", llama, drop=["output_norm.weight"])
    lie("matrix_none", llama, drop=["blk.0.attn_q.weight"])
    lie("matrix_turned", llama, tensors={"blk.0.ffn_up.weight": matrix(r, 16, 4)})
    lie("matrix_3d", llama, tensors={"blk.0.attn_q.weight": (0, [8, 4, 2], bytes(256))})
    lie("norm_short", llama, tensors={"blk.0.attn_norm.weight": ones(7)})
    lie("bias_short", llama, tensors={"blk.0.attn_q.bias": ones(7)})
    lie("weights_nan", llama, tensors={"output_norm.weight": (0, [8], struct.pack("<8f", *[nan] * 8))})
    lie("weights_huge", llama, tensors={"token_embd.weight": (0, [8, 12], struct.pack("<96f", *[3e38] * 96))})
    lie("activation_unknown", llama, {"a": string("llama.feed_forward_activation", "swoosh")})
    lie("logit_scale_nan", llama, {"ls": f32("llama.logit_scale", nan)})
    lie("tensor_iq2", llama, tensors={"blk.0.attn_q.weight": (17, [256, 8], bytes(8 * 74))})
    lie("tensor_i32", llama, tensors={"blk.0.attn_q.weight": (26, [8, 8], bytes(256))})
    lie("decoder_start_out", t5, {"start": u32("t5.decoder_start_token_id", 12)})
    lie("buckets_1", t5, {"b": u32("t5.attention.relative_buckets_count", 1)})
    lie("distance_small", t5, {"m": u32("t5.attention.relative_max_distance", 4)})
    lie("rel_bias_none", t5, drop=["enc.blk.0.attn_rel_b.weight"])
    lie("cross_none", t5, drop=["dec.blk.0.cross_attn_k.weight"])
    lie("decoder_layers_9", t5, {"nd": u32("t5.decoder_block_count", 9)})
    lie("eos_list_out", t5, {"e": i32s("generation.eos_token_ids", [1, 99])})
    lie("eos_list_negative", t5, {"e": i32s("generation.eos_token_ids", [-1])})
    lie("generation_absurd", t5, {"g": f32("generation.temperature", nan), "k": f32("generation.top_k", -5), "x": u32("generation.max_new_tokens", 0),
                                  "p": string("generation.stop_strings", ""), "z": u32("generation.", 1)})
    lie("languages_number", pair, {"langs": i32s("loquat.languages", [1])})
    lie("languages_many", pair, {"langs": strings("loquat.languages", ["en"] * 65)})
    lie("language_long", pair, {"langs": strings("loquat.languages", ["e" * 300])})
    lie("language_empty", pair, {"langs": strings("loquat.languages", [""])})
    lie("language_nul", pair, {"langs": strings("loquat.languages", ["e\0"])})
    lie("language_space", pair, {"langs": strings("loquat.languages", ["e ", "en"]), "p": string("loquat.language_token", "%s"),
                                  "pieces": strings("tokenizer.ggml.tokens", ["<pad>", "</s>", "<unk>", "e ", "en", "▁", "a", "b", "▁a", ".", "c",
                                      "d"])})
    lie("language_pattern", pair, {"p": string("loquat.language_token", "%s%s%n%d")})
    lie("language_pattern_long", pair, {"p": string("loquat.language_token", "<" * 200 + "%s")})
    lie("tok_eos_out", pair, {"eos": u32("tokenizer.ggml.eos_token_id", 12)})
    lie("tok_more_than_scores", pair, tensors={"token_embd.weight": matrix(r, 8, 11)})
    lie("tok_scores_short", pair, {"scores": f32s("tokenizer.ggml.scores", [0.0] * 3)})
    lie("tok_scores_nan", pair, {"scores": f32s("tokenizer.ggml.scores", [nan] * 12)})
    lie("tok_types_wild", pair, {"types": i32s("tokenizer.ggml.token_type", [77] * 12)})
    lie("tok_model_unknown", pair, {"tok": string("tokenizer.ggml.model", "rwkv")})
    lie("tok_charsmap_wild", pair, {"map": array("tokenizer.ggml.precompiled_charsmap", 0, 64, b"\xff\xff\xff\x7f" * 16)})
    lie("tok_byte_minus_1", pair, {"pieces": strings("tokenizer.ggml.tokens", ["<0x-1>"] * 12), "types": i32s("tokenizer.ggml.token_type", [6] * 12)})
    lie("good_gpt2", gpt2)
    words = head(r, "cls.mlm", 8) | {"cls.mlm_norm.weight": ones(8), "cls.mlm_norm.bias": ones(8), "output.bias": ones(14)}
    three = {"l": strings("bert.classifier.output_labels", ["O", "B-a", "I-a"])}
    lie("good_bert", bert, {"p": u32("bert.pooling_type", 2)}, words)
    lie("good_bert_labels", bert, three, head(r, "cls", 8) | head(r, "cls.output", 3))
    lie("good_bert_many", bert, {"c": string("bert.classifier.problem", "multi_label"), "a": string("bert.classifier.activation", "relu")},
        head(r, "cls", 8) | head(r, "cls.output", 2))
    lie("good_bert_tokens", bert, three, head(r, "cls.token", 3))
    lie("good_bert_spans", bert, tensors=head(r, "cls.span", 2))
    lie("bert_two_heads", bert, tensors=head(r, "cls.output", 2) | head(r, "cls.token", 9))
    lie("bert_labels_few", bert, {"l": strings("bert.classifier.output_labels", ["O"])}, head(r, "cls.output", 3))
    lie("bert_labels_numbers", bert, {"l": i32s("bert.classifier.output_labels", [1, 2, 3])}, head(r, "cls.output", 3))
    lie("bert_activation", bert, {"a": string("bert.classifier.activation", "mish")}, head(r, "cls.output", 3))
    lie("bert_problem", bert, {"a": string("bert.classifier.problem", "x")}, head(r, "cls.output", 3))
    lie("bert_pooling_9", bert, {"p": u32("bert.pooling_type", 9)})
    lie("bert_span_3", bert, tensors=head(r, "cls.span", 3))
    lie("bert_pooler_turned", bert, tensors={"cls.weight": matrix(r, 8, 7)})
    lie("bert_words_no_norm", bert, tensors=head(r, "cls.mlm", 8))
    lie("bert_types_none", bert, drop=["token_types.weight"])
    lie("bert_embed_norm_none", bert, drop=["token_embd_norm.weight"])
    lie("bert_no_specials", bert, {"pieces": strings("tokenizer.ggml.tokens", ["[UNK]", *"abcdefghijklm"])}, head(r, "cls.span", 2))
    lie("good_alibi", alibi)
    lie("alibi_nan", alibi, {"a": f32("mpt.attention.max_alibi_bias", nan)})
    lie("alibi_negative", alibi, {"a": f32("mpt.attention.max_alibi_bias", -8.0)})
    lie("clamp_kqv", alibi, {"a": f32("mpt.attention.clamp_kqv", 6.0)})
    lie("qkv_short", gpt2, tensors={"blk.0.attn_qkv.weight": matrix(r, 8, 23)})
    lie("qkv_bias_none", gpt2, drop=["blk.0.attn_qkv.bias"])
    lie("norm_bias_none", gpt2, drop=["blk.0.ffn_norm.bias"])
    lie("positions_short", gpt2, tensors={"position_embd.weight": matrix(r, 8, 15)})
    lie("positions_none", gpt2, drop=["position_embd.weight"])
    lie("position_offset_huge", gpt2, {"o": u32("gpt2.position_offset", 2**31)})
    lie("position_offset_2", gpt2, {"o": u32("gpt2.position_offset", 2)})
    lie("layer_norm_eps_nan", gpt2, {"e": f32("gpt2.attention.layer_norm_epsilon", nan)})
    lie("norm_place_unknown", llama, {"p": string("llama.norm_place", "nowhere")})
    lie("norm_place_post", llama, {"p": string("llama.norm_place", "post")})
    lie("parallel_post", llama, {"p": string("llama.norm_place", "post"), "q": flag("llama.use_parallel_residual", 1)})
    lie("parallel", llama, {"q": flag("llama.use_parallel_residual", 1)})
    lie("sinusoid_unknown", llama, {"p": string("llama.sinusoid_layout", "waves")})
    lie("embedding_scale_nan", llama, {"e": f32("llama.embedding_scale", nan)})
    lie("attention_scale_inf", llama, {"e": f32("llama.attention.scale", float("inf"))})
    lie("softcap_negative", llama, {"e": f32("llama.attn_logit_softcapping", -1.0)})
    lie("softcap_nan", llama, {"e": f32("llama.final_logit_softcapping", nan)})
    lie("softcap_tiny", llama, {"e": f32("llama.final_logit_softcapping", 1e-38), "f": f32("llama.attn_logit_softcapping", 1e-38)})
    lie("window_huge", llama, {"w": u32("llama.attention.sliding_window", 2**31)})
    lie("window_1", llama, {"w": u32("llama.attention.sliding_window", 1)})
    lie("window_pattern_huge", llama, {"w": u32("llama.attention.sliding_window", 4), "p": u32("llama.attention.sliding_window_pattern", 2**31)})
    lie("window_pattern_empty", llama, {"w": u32("llama.attention.sliding_window", 4), "p": array("llama.attention.sliding_window_pattern", BOOL, 0, b"")})
    lie("window_pattern_words", llama, {"w": u32("llama.attention.sliding_window", 4), "p": strings("llama.attention.sliding_window_pattern", ["a"])})
    lie("window_pattern", llama, {"w": u32("llama.attention.sliding_window", 4), "p": array("llama.attention.sliding_window_pattern", BOOL, 1, b"\x01"),
                                  "b": f32("llama.rope.freq_base_swa", 100.0)})
    lie("rope_base_swa_nan", llama, {"b": f32("llama.rope.freq_base_swa", nan)})
    lie("nope_step_huge", llama, {"b": u32("llama.rope.nope_step", 2**31)})
    lie("nope_step_1", llama, {"b": u32("llama.rope.nope_step", 1)})
    yarn = {"s": string("llama.rope.scaling.type", "yarn"), "f": f32("llama.rope.scaling.factor", 4.0)}
    lie("yarn", llama, yarn)
    lie("yarn_base_1", llama, yarn | {"b": f32("llama.rope.freq_base", 1.0)})
    lie("yarn_original_0", llama, yarn | {"o": u32("llama.rope.scaling.original_context_length", 0)})
    lie("yarn_beta_nan", llama, yarn | {"o": f32("llama.rope.scaling.yarn_beta_fast", nan)})
    lie("yarn_beta_0", llama, yarn | {"o": f32("llama.rope.scaling.yarn_beta_slow", 0.0)})
    lie("yarn_attn_nan", llama, yarn | {"o": f32("llama.rope.scaling.attn_factor", nan)})
    chat = {"tok": string("tokenizer.ggml.model", "gpt2"), "pieces": strings("tokenizer.ggml.tokens", ["<s>", "a", "b", "ab", "Ċ", "Ġ", "c", "d",
        "e", "f", "g", "h"]),
            "types": i32s("tokenizer.ggml.token_type", [3] + [1] * 11), "merges": strings("tokenizer.ggml.merges",
                ["a b"]), "bos": u32("tokenizer.ggml.bos_token_id", 0)}
    lie("good_chat", llama, chat)
    lie("merges_wild", llama, chat | {"merges": strings("tokenizer.ggml.merges", ["", " ", "a", "zz yy", "a b c", "ab ab"])})
    lie("template_huge", llama, chat | {"t": string("tokenizer.chat_template", "{{ 'a' }}" * 4000)})
    lie("template_deep", llama, chat | {"t": string("tokenizer.chat_template", "{% if true %}" * 3000)})
    lie("template_parens", llama, chat | {"t": string("tokenizer.chat_template", "{{ " + "(" * 20000)})
    lie("template_loop", llama, chat | {"t": string("tokenizer.chat_template",
                                                    "{% for a in range(99999999) %}{% for b in range(99999999) %}x{% endfor %}{% endfor %}")})
    lie("template_unclosed", llama, chat | {"t": string("tokenizer.chat_template", "{{ messages[0]['content'")})
    return out


def main():
    root = sys.argv[1]
    folder = os.path.join(root, "fuzz/corpus/model")
    os.makedirs(folder, exist_ok=True)
    for name, raw in files().items():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(raw)
    with open(os.path.join(root, "data/tiny-chat.gguf"), "wb") as f:
        f.write(tiny_chat())


if __name__ == "__main__":
    main()
