"""Encoder-decoder families: keys and tensor names.

Ours beside llama.cpp's keys: t5.attention.relative_max_distance, t5.feed_forward_activation, t5.feed_forward_gated and t5.logit_scale,
which llama.cpp leaves to its code.
"""

from .errors import ConvertError
from .table import Arch, Row, activation, need, refuse

T5_ACTIVATIONS = {"relu": "relu", "gelu_new": "gelu_tanh", "gated-gelu": "gelu_tanh", "gated-silu": "silu"}


def t5_rows(hf, gguf, cross):
    """The rows of one layer of a T5 stack."""
    def attention(layer, hf_name, prefix):
        return [Row(f"{hf}.layer.{layer}.{hf_name}.{w}.weight", f"{gguf}.{prefix}attn_{w}.weight") for w in "qkvo"]

    ffn = 2 if cross else 1
    rows = [Row(f"{hf}.layer.0.layer_norm.weight", f"{gguf}.attn_norm.weight"), *attention(0, "SelfAttention", ""),
            Row(f"{hf}.layer.0.SelfAttention.relative_attention_bias.weight", f"{gguf}.attn_rel_b.weight", optional=True, f32=True)]
    if cross:
        rows += [Row(f"{hf}.layer.1.layer_norm.weight", f"{gguf}.cross_attn_norm.weight"), *attention(1, "EncDecAttention", "cross_")]
    dense = f"{hf}.layer.{ffn}.DenseReluDense"
    return rows + [
        Row(f"{hf}.layer.{ffn}.layer_norm.weight", f"{gguf}.ffn_norm.weight"),
        Row(f"{dense}.wi_0.weight", f"{gguf}.ffn_gate.weight", optional=True),
        Row(f"{dense}.wi_1.weight", f"{gguf}.ffn_up.weight", optional=True),
        Row(f"{dense}.wi.weight", f"{gguf}.ffn_up.weight", optional=True),
        Row(f"{dense}.wo.weight", f"{gguf}.ffn_down.weight"),
    ]


def t5_tied(config):
    return config.get("tie_word_embeddings", True) is not False


def t5_keys(config):
    form = config.get("feed_forward_proj", "relu")
    if form not in T5_ACTIVATIONS:
        raise ConvertError(f"feed_forward_proj {form!r} is not known; known are {', '.join(T5_ACTIVATIONS)}")
    scaled = config.get("scale_decoder_outputs", t5_tied(config))
    layers = need(config, "num_layers")
    return {
        "context_length": int(config.get("n_positions", 512)),
        "embedding_length": need(config, "d_model"),
        "feed_forward_length": need(config, "d_ff"),
        "block_count": layers,
        "decoder_block_count": config.get("num_decoder_layers") or layers,
        "attention.head_count": need(config, "num_heads"),
        "attention.key_length": need(config, "d_kv"),
        "attention.value_length": need(config, "d_kv"),
        "attention.relative_buckets_count": config.get("relative_attention_num_buckets", 32),
        "attention.relative_max_distance": config.get("relative_attention_max_distance", 128),
        "attention.layer_norm_rms_epsilon": float(config.get("layer_norm_epsilon", 1e-6)),
        "decoder_start_token_id": config.get("decoder_start_token_id", config.get("pad_token_id", 0)),
        "feed_forward_activation": T5_ACTIVATIONS[form],
        "feed_forward_gated": form.startswith("gated-"),
        "logit_scale": float(config["d_model"] ** -0.5 if scaled else 1.0),
        "vocab_size": need(config, "vocab_size"),
    }


T5 = Arch(
    classes=("T5ForConditionalGeneration",),
    name=lambda config: "t5",
    keys=t5_keys,
    stacks=(
        ((Row("shared.weight", "token_embd.weight"),), None),
        (t5_rows("encoder.block.{b}", "enc.blk.{b}", cross=False), lambda c: need(c, "num_layers")),
        ((Row("encoder.final_layer_norm.weight", "enc.output_norm.weight"),), None),
        (t5_rows("decoder.block.{b}", "dec.blk.{b}", cross=True), lambda c: c.get("num_decoder_layers") or need(c, "num_layers")),
        ((Row("decoder.final_layer_norm.weight", "dec.output_norm.weight"), Row("lm_head.weight", "output.weight")), None),
    ),
    ignore=("encoder.embed_tokens.weight", "decoder.embed_tokens.weight",
            "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"),
    tied=t5_tied,
    encoder_decoder=True,
)

# ---- BART, mBART, Marian ------------------------------------------------------------------------

# Where the three norms of a layer stand, by their Hugging Face names.
AFTER = {"self_attn_layer_norm": "attn_output_norm", "encoder_attn_layer_norm": "cross_attn_output_norm", "final_layer_norm": "layer_output_norm"}
BEFORE = {"self_attn_layer_norm": "attn_norm", "encoder_attn_layer_norm": "cross_attn_norm", "final_layer_norm": "ffn_norm"}


def fairseq_keys(config, act, place):
    """Keys of the family with encoder_layers, decoder_layers and so on. act, place: defaults of the row."""
    heads, ff = need(config, "encoder_attention_heads"), need(config, "encoder_ffn_dim")
    refuse(config, decoder_attention_heads=heads, decoder_ffn_dim=ff, share_encoder_decoder_embeddings=True)
    refuse(config, decoder_vocab_size=need(config, "vocab_size"))
    given, width = activation(config, "activation_function"), need(config, "d_model")
    keys = {
        "context_length": need(config, "max_position_embeddings"),
        "embedding_length": width,
        "feed_forward_length": ff,
        "block_count": need(config, "encoder_layers"),
        "decoder_block_count": need(config, "decoder_layers"),
        "attention.head_count": heads,
        "attention.layer_norm_epsilon": 1e-5,
        "decoder_start_token_id": need(config, "decoder_start_token_id"),
        "embedding_scale": float(width ** 0.5) if config.get("scale_embedding") else 1.0,
        "norm_place": place,
        "vocab_size": need(config, "vocab_size"),
    }
    return keys if given == act else keys | {"feed_forward_activation": given}


def pair_of(hf, gguf, **settings):
    return [Row(f"{hf}.{part}", f"{gguf}.{part}", **settings) for part in ("weight", "bias")]


def fairseq_rows(hf, gguf, norms, cross):
    """The rows of one layer."""
    rows = []
    for attention, prefix in (("self_attn", ""), ("encoder_attn", "cross_"))[:2 if cross else 1]:
        for w, out in (("q", "q"), ("k", "k"), ("v", "v"), ("out", "o")):
            rows += pair_of(f"{hf}.{attention}.{w}_proj", f"{gguf}.{prefix}attn_{out}")
        rows += pair_of(f"{hf}.{attention}_layer_norm", f"{gguf}.{norms[f'{attention}_layer_norm']}")
    return [*rows, *pair_of(f"{hf}.fc1", f"{gguf}.ffn_up"), *pair_of(f"{hf}.fc2", f"{gguf}.ffn_down"),
            *pair_of(f"{hf}.final_layer_norm", f"{gguf}.{norms['final_layer_norm']}")]


def fairseq_arch(name, cls, act, place="post", learned=False, offset=0, embed_norm=False, out_norm=False):
    norms = AFTER if place == "post" else BEFORE
    ends = []
    for side in ("encoder", "decoder"):
        if learned:
            ends.append(Row(f"model.{side}.embed_positions.weight", f"{side[:3]}.position_embd.weight", f32=True))
        if embed_norm:
            ends += pair_of(f"model.{side}.layernorm_embedding", f"{side[:3]}.token_embd_norm")
        if out_norm:
            ends += pair_of(f"model.{side}.layer_norm", f"{side[:3]}.output_norm")
    return Arch(
        classes=(cls,),
        name=lambda config: name,
        keys=lambda config: fairseq_keys(config, act, place) | ({"position_offset": offset} if offset else {}),
        stacks=(
            ((Row("model.shared.weight", "token_embd.weight"), *ends), None),
            (fairseq_rows("model.encoder.layers.{b}", "enc.blk.{b}", norms, cross=False), lambda c: need(c, "encoder_layers")),
            (fairseq_rows("model.decoder.layers.{b}", "dec.blk.{b}", norms, cross=True), lambda c: need(c, "decoder_layers")),
            ((Row("lm_head.weight", "output.weight"),
              Row("final_logits_bias", "output.bias", optional=True, change=lambda x, c: x.reshape(-1))), None),
        ),
        ignore=("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", *(() if learned else ("embed_positions.weight",))),
        tied=lambda config: config.get("tie_word_embeddings", True) is not False,
        encoder_decoder=True,
    )


ARCHS = (
    T5,
    fairseq_arch("bart", "BartForConditionalGeneration", "gelu", learned=True, offset=2, embed_norm=True),
    fairseq_arch("bart", "MBartForConditionalGeneration", "gelu", place="pre", learned=True, offset=2, embed_norm=True, out_norm=True),
    fairseq_arch("marian", "MarianMTModel", "silu"),
)
