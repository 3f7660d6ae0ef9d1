"""Decoder-only families: keys and tensor names.

Ours beside llama.cpp's keys: feed_forward_activation, attention.scale and embedding_scale where a checkpoint differs from its family, and
rope.nope_step.
"""

import math

import numpy as np

from .errors import ConvertError
from .table import Arch, Row, activation, need, refuse

# ---- positions ----------------------------------------------------------------------------------

ROPE_TYPES = ("default", "linear", "dynamic", "yarn", "llama3")


def rope(config):
    """(theta, scaling type or "", the scaling's parameters), from the old or the new form of config.json."""
    params = config.get("rope_parameters") or config.get("rope_scaling") or {}
    params = params.get("full_attention", params)  # one set for each kind of layer
    kind = params.get("rope_type") or params.get("type") or "default"
    theta = params.get("rope_theta") or config.get("rope_theta", 10000.0)
    if kind not in ROPE_TYPES:
        raise ConvertError(f"RoPE scaling {kind!r} is not known; known are {', '.join(ROPE_TYPES)}")
    # Dynamic NTK changes the base only beyond max_position_embeddings, where the engine does not go.
    return float(theta), "" if kind in ("default", "dynamic") else kind, params


def rotated(config):
    """Values of a head that turn."""
    params = config.get("rope_parameters") or {}
    return int(head_dim(config) * (config.get("partial_rotary_factor") or params.get("partial_rotary_factor") or 1.0))


def rope_keys(config):
    theta, kind, params = rope(config)
    keys = {"rope.dimension_count": rotated(config), "rope.freq_base": theta}
    if kind in ("linear", "yarn"):
        keys["rope.scaling.type"] = kind
        keys["rope.scaling.factor"] = factor = float(params["factor"])
    if kind == "yarn":
        refuse(params, truncate=True, mscale=0, mscale_all_dim=0)
        keys["rope.scaling.original_context_length"] = int(params.get("original_max_position_embeddings") or need(config, "max_position_embeddings"))
        for name in ("beta_fast", "beta_slow"):
            if params.get(name) is not None:
                keys[f"rope.scaling.yarn_{name}"] = float(params[name])
        if params.get("attention_factor") is not None:
            keys["rope.scaling.attn_factor"] = float(params["attention_factor"]) / (0.1 * math.log(factor) + 1 if factor > 1 else 1)
    return keys


def llama3_factors(config):
    """Llama 3.1's frequency divisors as the tensor rope_freqs.weight: high frequencies kept, low ones divided, the middle blended."""
    theta, kind, params = rope(config)
    if kind != "llama3":
        return {}
    dim = rotated(config)
    wavelength = 2 * math.pi * theta ** (np.arange(0, dim, 2, dtype=np.float64) / dim)
    factor, low, high = (float(params[k]) for k in ("factor", "low_freq_factor", "high_freq_factor"))
    blend = np.clip((params["original_max_position_embeddings"] / wavelength - low) / (high - low), 0, 1)
    return {"rope_freqs.weight": (1 / ((1 - blend) / factor + blend)).astype(np.float32)}


def local_layers(config):
    """Whether each layer sees a window only."""
    layers, window = need(config, "num_hidden_layers"), config.get("sliding_window")
    if not window:
        return [False] * layers
    if config.get("layer_types"):
        return [kind == "sliding_attention" for kind in config["layer_types"]]
    if config.get("use_sliding_window", True) is False:
        return [False] * layers
    return [i >= config.get("max_window_layers", 0) for i in range(layers)]


def window_keys(config, step=0):
    """step: every step-th layer of the family sees everything; 0: none does."""
    local = local_layers(config)
    if not any(local):
        return {}
    keys = {"attention.sliding_window": int(config["sliding_window"])}
    if local != stepped(step, len(local)):
        found = next((n for n in range(len(local) + 1) if local == stepped(n, len(local))), None)
        keys["attention.sliding_window_pattern"] = local if found is None else found
    return keys


def stepped(step, layers):
    return [step == 0 or (i + 1) % step != 0 for i in range(layers)]


# ---- LLaMA and its kin --------------------------------------------------------------------------


def head_dim(config):
    return config.get("head_dim") or need(config, "hidden_size") // need(config, "num_attention_heads")


def kv_heads(config):
    return config.get("num_key_value_heads") or need(config, "num_attention_heads")


def permute_rows(x, heads):
    """Rows of each head from halves (x0..xn, y0..yn) to pairs (x0, y0, x1, y1, ...)."""
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


PAIRED = {"q": lambda x, c: permute_rows(x, need(c, "num_attention_heads")), "k": lambda x, c: permute_rows(x, kv_heads(c))}


def llama_keys(config, act="silu", step=0):
    """Keys of a family with RMS norms and rotary positions. act, step: the family's activation and step of windows."""
    given = activation({"hidden_act": act} | config, "hidden_activation", "hidden_act")
    keys = {
        "context_length": need(config, "max_position_embeddings"),
        "embedding_length": need(config, "hidden_size"),
        "block_count": need(config, "num_hidden_layers"),
        "feed_forward_length": need(config, "intermediate_size"),
        "attention.head_count": need(config, "num_attention_heads"),
        "attention.head_count_kv": kv_heads(config),
        **rope_keys(config),
        "attention.layer_norm_rms_epsilon": float(config.get("rms_norm_eps", 1e-6)),
        "vocab_size": need(config, "vocab_size"),
        **window_keys(config, step),
    }
    if given != act:
        keys["feed_forward_activation"] = given
    if config.get("head_dim"):
        keys["attention.key_length"] = keys["attention.value_length"] = head_dim(config)
    return keys


def gemma_keys(config, step=0):
    refuse(config, use_bidirectional_attention=False)
    keys = llama_keys(config, "gelu_tanh", step)
    if config.get("query_pre_attn_scalar") not in (None, head_dim(config)):
        keys["attention.scale"] = float(config["query_pre_attn_scalar"]) ** -0.5
    for name in ("attn_logit_softcapping", "final_logit_softcapping"):
        if config.get(name):
            keys[name] = float(config[name])
    local = (config.get("rope_parameters") or {}).get("sliding_attention") or {}
    refuse(local, rope_type="default")
    theta = float(local.get("rope_theta") or config.get("rope_local_base_freq") or 10000.0)
    return keys | {"rope.freq_base_swa": theta} if theta != 10000.0 else keys


def smollm3_keys(config):
    layers = need(config, "num_hidden_layers")
    turns = [bool(x) for x in config.get("no_rope_layers") or stepped(config.get("no_rope_layer_interval", 4), layers)]
    step = next((n for n in (4, *range(layers + 1)) if turns == stepped(n, layers)), None)
    if step is None:
        raise ConvertError("no_rope_layers names layers that are no regular step apart, which is not supported")
    return llama_keys(config) | ({} if step == 4 else {"rope.nope_step": step})


def norm(x, config):
    """Gemma's norms multiply by 1 + weight."""
    return x + 1


def llama_rows(permute=False, change=None, sandwich=False, qk_norm=False, fused=False):
    """The rows of one layer. permute: llama.cpp stores LLaMA's q and k rows with rotation pairs side by side, Qwen's as halves. change: of
    norms."""
    layer, out = "model.layers.{b}", "blk.{b}"
    rows = [Row(f"{layer}.input_layernorm.weight", f"{out}.attn_norm.weight", change=change)]
    matrices = [("qkv", "attn_qkv"), ("o", "attn_output")] if fused else [("q", "attn_q"), ("k", "attn_k"), ("v", "attn_v"), ("o", "attn_output")]
    for w, name in matrices:
        for part in ("weight", "bias"):
            rows.append(Row(f"{layer}.self_attn.{w}_proj.{part}", f"{out}.{name}.{part}", optional=part == "bias",
                            change=PAIRED.get(w) if permute else None))
    if qk_norm:
        rows += [Row(f"{layer}.self_attn.{w}_norm.weight", f"{out}.attn_{w}_norm.weight", change=change) for w in "qk"]
    after = [("post_attention_layernorm", "post_attention_norm"), ("pre_feedforward_layernorm", "ffn_norm"),
             ("post_feedforward_layernorm", "post_ffw_norm")]
    rows += [Row(f"{layer}.{hf}.weight", f"{out}.{name}.weight", change=change)
             for hf, name in (after if sandwich else [("post_attention_layernorm", "ffn_norm")])]
    for w, name in [("gate_up", "ffn_up"), ("down", "ffn_down")] if fused else [(w, f"ffn_{w}") for w in ("gate", "up", "down")]:
        rows += [Row(f"{layer}.mlp.{w}_proj.{part}", f"{out}.{name}.{part}", optional=part == "bias") for part in ("weight", "bias")]
    return rows


def llama_arch(name, *classes, keys=llama_keys, tied=False, change=None, **rows):
    return Arch(
        classes=classes,
        name=lambda config: name,
        keys=keys,
        stacks=(
            ((Row("model.embed_tokens.weight", "token_embd.weight"),), None),
            (llama_rows(change=change, **rows), lambda c: need(c, "num_hidden_layers")),
            ((Row("model.norm.weight", "output_norm.weight", change=change), Row("lm_head.weight", "output.weight")), None),
        ),
        ignore=(".rotary_emb.inv_freq",),
        tied=lambda config: bool(config.get("tie_word_embeddings", tied)),
        extra=llama3_factors,
    )


# ---- GPT-2, BLOOM, MPT --------------------------------------------------------------------------


def layer_norm_keys(config, act, default, **settings):
    """Keys of a family with layer norms. settings: lists of config.json's names for the common numbers."""
    width, heads = need(config, *settings["width"]), need(config, *settings["heads"])
    keys = {
        "context_length": int(settings["context"]),
        "embedding_length": width,
        "block_count": need(config, *settings["layers"]),
        "feed_forward_length": int(settings.get("ff") or 4 * width),
        "attention.head_count": heads,
        "attention.layer_norm_epsilon": float(config.get("layer_norm_epsilon", 1e-5)),
        "vocab_size": need(config, "vocab_size"),
    }
    return keys if act == default else keys | {"feed_forward_activation": act}


def turned(x, config):
    """Conv1D stores [in, out]."""
    return x.T


def both(hf, gguf, optional_bias=False, change=None):
    """Weight and bias of one tensor."""
    return [Row(f"{hf}.{part}", f"{gguf}.{part}", optional=optional_bias and part == "bias",
                change=change if part == "weight" or change is not turned else None) for part in ("weight", "bias")]


def prefixed(name):
    """Some checkpoints leave the first part of the names out."""
    return name if name.startswith(("transformer.", "lm_head.")) else f"transformer.{name}"


def plain_arch(name, cls, keys, before, layer, layers, after, **more):
    """A family whose names begin with transformer. and whose head is tied."""
    return Arch(
        classes=(cls,), name=lambda config: name, keys=keys, rename=prefixed,
        stacks=((before, None), (layer, lambda c: need(c, *layers)), ((*after, Row("lm_head.weight", "output.weight")), None)),
        tied=lambda config: config.get("tie_word_embeddings", True) is not False, **more)


def gpt2_keys(config):
    refuse(config, scale_attn_by_inverse_layer_idx=False, add_cross_attention=False)
    keys = layer_norm_keys(config, activation(config, "activation_function"), "gelu_tanh", width=["n_embd"], heads=["n_head"], layers=["n_layer"],
                           context=need(config, "n_positions"), ff=config.get("n_inner"))
    return keys if config.get("scale_attn_weights", True) else keys | {"attention.scale": 1.0}


H = "transformer.h.{b}"
GPT2 = plain_arch(
    "gpt2", "GPT2LMHeadModel", gpt2_keys,
    [Row("transformer.wte.weight", "token_embd.weight"), Row("transformer.wpe.weight", "position_embd.weight", f32=True)],
    [*both(f"{H}.ln_1", "blk.{b}.attn_norm"), *both(f"{H}.attn.c_attn", "blk.{b}.attn_qkv", change=turned),
     *both(f"{H}.attn.c_proj", "blk.{b}.attn_output", change=turned), *both(f"{H}.ln_2", "blk.{b}.ffn_norm"),
     *both(f"{H}.mlp.c_fc", "blk.{b}.ffn_up", change=turned), *both(f"{H}.mlp.c_proj", "blk.{b}.ffn_down", change=turned)],
    ["n_layer"], both("transformer.ln_f", "output_norm"), ignore=(".attn.bias", ".attn.masked_bias"))


def bloom_keys(config):
    refuse(config, apply_residual_connection_post_layernorm=False)
    return layer_norm_keys(config, "gelu_tanh", "gelu_tanh", width=["hidden_size", "n_embed"], heads=["n_head", "num_attention_heads"],
                           layers=["n_layer", "num_hidden_layers"], context=config.get("seq_length") or 2048)


def interleaved(x, config):
    """Rows from q, k, v of each head to all q, all k, all v."""
    heads = need(config, "n_head", "num_attention_heads")
    return x.reshape(heads, 3, x.shape[0] // heads // 3, *x.shape[1:]).swapaxes(0, 1).reshape(x.shape)


BLOOM = plain_arch(
    "bloom", "BloomForCausalLM", bloom_keys,
    [Row("transformer.word_embeddings.weight", "token_embd.weight"), *both("transformer.word_embeddings_layernorm", "token_embd_norm")],
    [*both(f"{H}.input_layernorm", "blk.{b}.attn_norm"), *both(f"{H}.self_attention.query_key_value", "blk.{b}.attn_qkv", change=interleaved),
     *both(f"{H}.self_attention.dense", "blk.{b}.attn_output"), *both(f"{H}.post_attention_layernorm", "blk.{b}.ffn_norm"),
     *both(f"{H}.mlp.dense_h_to_4h", "blk.{b}.ffn_up"), *both(f"{H}.mlp.dense_4h_to_h", "blk.{b}.ffn_down")],
    ["n_layer", "num_hidden_layers"], both("transformer.ln_f", "output_norm"))


def mpt_keys(config):
    attn = config.get("attn_config") or {}
    refuse(attn, attn_type="multihead_attention", qk_ln=False, clip_qkv=0, prefix_lm=False, alibi=True)
    refuse(config, no_bias=True, logit_scale=0)
    keys = layer_norm_keys(config, "gelu", "gelu", width=["d_model"], heads=["n_heads"], layers=["n_layers"], context=need(config, "max_seq_len"),
                           ff=config.get("expansion_ratio", 4) * need(config, "d_model"))
    keys["attention.max_alibi_bias"] = float(attn.get("alibi_bias_max", 8))
    return keys | {"attention.scale": float(attn["softmax_scale"])} if attn.get("softmax_scale") else keys


MPT = plain_arch(
    "mpt", "MptForCausalLM", mpt_keys, [Row("transformer.wte.weight", "token_embd.weight")],
    [Row(f"transformer.blocks.{{b}}.{hf}.weight", f"blk.{{b}}.{out}.weight") for hf, out in (
        ("norm_1", "attn_norm"), ("attn.Wqkv", "attn_qkv"), ("attn.out_proj", "attn_output"), ("norm_2", "ffn_norm"), ("ffn.up_proj", "ffn_up"),
        ("ffn.down_proj", "ffn_down"))],
    ["n_layers"], [Row("transformer.norm_f.weight", "output_norm.weight")])

# ---- Falcon -------------------------------------------------------------------------------------


def falcon_config(config):
    """Under the names that other families use."""
    names = {"num_attention_heads": "n_head", "num_hidden_layers": "n_layer"}
    config = {new: config[old] for new, old in names.items() if old in config} | config
    heads = need(config, "num_attention_heads")
    kv = config.get("num_kv_heads") if config.get("new_decoder_architecture") else 1 if config.get("multi_query", True) else heads
    return config | {"num_key_value_heads": kv or heads}


def falcon_keys(config):
    config = falcon_config(config)
    refuse(config, alibi=False, parallel_attn=True)
    keys = layer_norm_keys(config, activation({"activation": "gelu"} | config, "activation"), "gelu", width=["hidden_size"],
                           heads=["num_attention_heads"], layers=["num_hidden_layers"], context=config.get("max_position_embeddings") or 2048,
                           ff=config.get("ffn_hidden_size"))
    return keys | {"attention.head_count_kv": kv_heads(config)} | rope_keys(config)


def grouped(x, config):
    """Rows from the queries, key and value of each group to all queries, all keys, all values."""
    config = falcon_config(config)
    kv = kv_heads(config)
    group = need(config, "num_attention_heads") // kv
    x = x.reshape(kv, group + 2, -1, *x.shape[1:])
    return np.concatenate([part.reshape(-1, *x.shape[3:]) for part in (x[:, :group], x[:, group], x[:, group + 1])])


def falcon_rows(config):
    two = config.get("num_ln_in_parallel_attn") or (2 if config.get("new_decoder_architecture") else 1)
    norms = [("ln_mlp", "attn_norm"), ("ln_attn", "attn_norm_2")] if two == 2 else [("input_layernorm", "attn_norm")]
    return [*(row for hf, out in norms for row in both(f"{H}.{hf}", f"blk.{{b}}.{out}")),
            *both(f"{H}.self_attention.query_key_value", "blk.{b}.attn_qkv", True, grouped),
            *both(f"{H}.self_attention.dense", "blk.{b}.attn_output", True), *both(f"{H}.mlp.dense_h_to_4h", "blk.{b}.ffn_up", True),
            *both(f"{H}.mlp.dense_4h_to_h", "blk.{b}.ffn_down", True)]


FALCON = plain_arch("falcon", "FalconForCausalLM", falcon_keys, [Row("transformer.word_embeddings.weight", "token_embd.weight")], falcon_rows,
                    ["num_hidden_layers", "n_layer"], both("transformer.ln_f", "output_norm"))

ARCHS = (
    llama_arch("llama", "LlamaForCausalLM", "MistralForCausalLM", permute=True),
    llama_arch("qwen2", "Qwen2ForCausalLM"),
    llama_arch("qwen3", "Qwen3ForCausalLM", qk_norm=True),
    llama_arch("smollm3", "SmolLM3ForCausalLM", keys=smollm3_keys, tied=True, permute=True),
    llama_arch("phi3", "Phi3ForCausalLM", fused=True),
    llama_arch("gemma", "GemmaForCausalLM", keys=gemma_keys, tied=True, change=norm),
    llama_arch("gemma2", "Gemma2ForCausalLM", keys=lambda c: gemma_keys(c, 2), tied=True, change=norm, sandwich=True),
    llama_arch("gemma3", "Gemma3ForCausalLM", keys=lambda c: gemma_keys(c, 6), tied=True, change=norm, sandwich=True, qk_norm=True),
    FALCON,
    GPT2,
    BLOOM,
    MPT,
)
