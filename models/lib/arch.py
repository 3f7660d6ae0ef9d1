"""Architectures as data: for each Hugging Face class, its GGUF keys and a table of tensor names.

Key and tensor names are llama.cpp's. Ours beside them: t5.attention.relative_max_distance, t5.feed_forward_activation,
t5.feed_forward_gated and t5.logit_scale, which llama.cpp leaves to its code.
A new architecture is one more Arch row.
"""

import math
from dataclasses import dataclass, field
from typing import Callable

import numpy as np

from . import bert
from .errors import ConvertError
from .table import Arch, Row, need


# ---- T5 -----------------------------------------------------------------------------------------

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

# ---- LLaMA, Mistral, Qwen 2 ---------------------------------------------------------------------


def rope(config):
    """(theta, scaling type or "", the scaling's parameters), from the old or the new form of config.json."""
    params = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = params.get("rope_type") or params.get("type") or "default"
    theta = params.get("rope_theta") or config.get("rope_theta", 10000.0)
    if kind not in ("default", "linear", "yarn", "llama3"):
        raise ConvertError(f"RoPE scaling {kind!r} is not known; known are default, linear, yarn, llama3")
    return float(theta), "" if kind == "default" else kind, params


def head_dim(config):
    return config.get("head_dim") or need(config, "hidden_size") // need(config, "num_attention_heads")


def kv_heads(config):
    return config.get("num_key_value_heads") or need(config, "num_attention_heads")


HEADS = {"q": lambda c: need(c, "num_attention_heads"), "k": kv_heads}


def decoder_keys(config):
    if config.get("hidden_act", "silu") != "silu":
        raise ConvertError(f"hidden_act {config['hidden_act']!r} is not known for this architecture; known is silu")
    theta, kind, params = rope(config)
    window = config.get("sliding_window") if config.get("use_sliding_window", True) else None
    context = need(config, "max_position_embeddings")
    keys = {
        # Within the window a sliding-window model attends to everything: that is the context it is exact for.
        "context_length": min(context, window) if window else context,
        "embedding_length": need(config, "hidden_size"),
        "block_count": need(config, "num_hidden_layers"),
        "feed_forward_length": need(config, "intermediate_size"),
        "attention.head_count": need(config, "num_attention_heads"),
        "attention.head_count_kv": kv_heads(config),
        "rope.dimension_count": head_dim(config),
        "rope.freq_base": theta,
        "attention.layer_norm_rms_epsilon": float(config.get("rms_norm_eps", 1e-6)),
        "vocab_size": need(config, "vocab_size"),
    }
    if config.get("head_dim"):
        keys["attention.key_length"] = keys["attention.value_length"] = head_dim(config)
    if kind in ("linear", "yarn"):
        keys["rope.scaling.type"] = kind
        keys["rope.scaling.factor"] = float(params["factor"])
    if kind == "yarn":
        keys["rope.scaling.original_context_length"] = int(params.get("original_max_position_embeddings", context))
    return keys


def llama3_factors(config):
    """Llama 3.1's frequency divisors as the tensor rope_freqs.weight: high frequencies kept, low ones divided, the middle blended."""
    theta, kind, params = rope(config)
    if kind != "llama3":
        return {}
    dim = head_dim(config)
    wavelength = 2 * math.pi * theta ** (np.arange(0, dim, 2, dtype=np.float64) / dim)
    factor, low, high = (float(params[k]) for k in ("factor", "low_freq_factor", "high_freq_factor"))
    blend = np.clip((params["original_max_position_embeddings"] / wavelength - low) / (high - low), 0, 1)
    return {"rope_freqs.weight": (1 / ((1 - blend) / factor + blend)).astype(np.float32)}


def decoder_rows(permute):
    """The rows of one layer. permute: llama.cpp stores LLaMA's q and k rows with rotation pairs side by side, Qwen's as halves."""
    layer = "model.layers.{b}"
    rows = [Row(f"{layer}.input_layernorm.weight", "blk.{b}.attn_norm.weight")]
    for w, out in (("q", "attn_q"), ("k", "attn_k"), ("v", "attn_v"), ("o", "attn_output")):
        for part in ("weight", "bias"):
            rows.append(Row(f"{layer}.self_attn.{w}_proj.{part}", f"blk.{{b}}.{out}.{part}", optional=part == "bias",
                            heads=w if permute and w in HEADS else ""))
    rows.append(Row(f"{layer}.post_attention_layernorm.weight", "blk.{b}.ffn_norm.weight"))
    for w in ("gate", "up", "down"):
        for part in ("weight", "bias"):
            rows.append(Row(f"{layer}.mlp.{w}_proj.{part}", f"blk.{{b}}.ffn_{w}.{part}", optional=part == "bias"))
    return rows


def decoder_arch(classes, name, permute):
    return Arch(
        classes=classes,
        name=lambda config: name,
        keys=decoder_keys,
        stacks=(
            ((Row("model.embed_tokens.weight", "token_embd.weight"),), None),
            (decoder_rows(permute), lambda c: need(c, "num_hidden_layers")),
            ((Row("model.norm.weight", "output_norm.weight"), Row("lm_head.weight", "output.weight")), None),
        ),
        ignore=(".rotary_emb.inv_freq",),
        tied=lambda config: bool(config.get("tie_word_embeddings", False)),
        extra=llama3_factors,
    )


ARCHS = (
    T5,
    decoder_arch(("LlamaForCausalLM", "MistralForCausalLM"), "llama", permute=True),
    decoder_arch(("Qwen2ForCausalLM",), "qwen2", permute=False),
    *bert.ARCHS,
)

# ---- use of the table ---------------------------------------------------------------------------


def find(config):
    """The Arch of a config.json."""
    classes = config.get("architectures") or ["(none)"]
    for arch in ARCHS:
        if classes[0] in arch.classes:
            return arch
    known = ", ".join(c for arch in ARCHS for c in arch.classes)
    raise ConvertError(f"architecture {classes[0]} is not known; known are {known}")


@dataclass
class Planned:
    """One tensor of the output, loaded only when it is written."""

    name: str
    shape: tuple
    load: Callable = field(repr=False)
    f32: bool = False


def permute_rows(x, heads):
    """Rows of each head from halves (x0..xn, y0..yn) to pairs (x0, y0, x1, y1, ...)."""
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


class Renamed:
    """The tensors of a checkpoint under other names."""

    def __init__(self, tensors, rename):
        self._tensors, self._names = tensors, {}
        for name in tensors.names():
            if self._names.setdefault(rename(name), name) != name:
                raise ConvertError(f"tensors {self._names[rename(name)]} and {name} both are {rename(name)}")

    def names(self):
        return self._names.keys()

    def shape(self, name):
        return self._tensors.shape(self._names[name])

    def load(self, name):
        return self._tensors.load(self._names[name])


def plan(arch, config, tensors):
    """Every tensor to write, in order. Missing and left-over tensors are errors that name them."""
    planned, used = [], set()
    if arch.rename:
        tensors = Renamed(tensors, arch.rename)
    for rows, layers in arch.stacks:
        for b in range(layers(config) if layers else 1):
            planned += [p for row in rows if (p := plan_row(row, b, arch, config, tensors, used))]
    names = [p.name for p in planned]
    gaps = [n for n in tensors.names() if n not in used and not any(n.endswith(i) for i in arch.ignore)]
    if gaps:
        raise ConvertError(f"{len(gaps)} tensors have no place in {arch.name(config)}, the first is {gaps[0]}")
    if arch.encoder_decoder:
        # Each feed-forward needs its widening matrix, whichever of the two names it came under.
        for p in planned:
            if p.name.endswith("ffn_down.weight") and p.name.replace("ffn_down", "ffn_up") not in names:
                raise ConvertError(f"the checkpoint has no tensor for {p.name.replace('ffn_down', 'ffn_up')}")
    for name, value in arch.extra(config).items():
        planned.append(Planned(name, value.shape, lambda value=value: value, f32=True))
    return planned


def plan_row(row, b, arch, config, tensors, used):
    hf, gguf = row.hf.format(b=b), row.gguf.format(b=b)
    if row.hf == arch.head and arch.tied(config):
        used.add(hf)
        return None
    if hf not in tensors.names():
        if row.optional:
            return None
        raise ConvertError(f"the checkpoint has no tensor {hf}")
    used.add(hf)
    if row.skip and (first := row.skip(config)):
        rows, *rest = tensors.shape(hf)
        if first >= rows:
            raise ConvertError(f"tensor {hf} has {rows} rows, and the first {first} are left out")
        return Planned(gguf, (rows - first, *rest), lambda: tensors.load(hf)[first:], row.f32)
    if row.heads:
        heads = HEADS[row.heads](config)
        return Planned(gguf, tuple(tensors.shape(hf)), lambda: permute_rows(tensors.load(hf), heads), row.f32)
    return Planned(gguf, tuple(tensors.shape(hf)), lambda: tensors.load(hf), row.f32)
