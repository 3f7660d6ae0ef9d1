"""The Transformer of 2017 as a module built on torch.nn.Transformer saves it: the architecture "transformer", ours.

config.json: {"architectures": ["Transformer"], d_model, nhead, num_encoder_layers, num_decoder_layers, dim_feedforward, vocab_size,
max_positions, decoder_start_token_id, eos_token_id; activation (relu), norm_first (false), layer_norm_eps (1e-5), tie_word_embeddings (false)}.
Tensors: embedding.weight for source and target, times sqrt(d_model), plus sinusoids with sine and cosine side by side; transformer.* as
torch.nn.Transformer names them; generator.weight and .bias, the scores of the next token (generator.weight is left out where it is tied).
"""

from .errors import ConvertError
from .table import Arch, Row, need


def both(hf, gguf, **more):
    return [Row(f"{hf}.{part}", f"{gguf}.{part}", **more) for part in ("weight", "bias")]


def third(i):
    """Rows of the query, the key or the value of in_proj."""
    def cut(x, config):
        d = need(config, "d_model")
        if x.shape[0] != 3 * d:
            raise ValueError
        return x[i * d:(i + 1) * d]
    return cut


def attention(hf, gguf):
    parts = [Row(f"{hf}.in_proj_{part}", f"{gguf}_{w}.{part}", optional=part == "bias", change=third(i)) for i, w in enumerate("qkv")
             for part in ("weight", "bias")]
    return [*parts, Row(f"{hf}.out_proj.weight", f"{gguf}_o.weight"), Row(f"{hf}.out_proj.bias", f"{gguf}_o.bias", optional=True)]


def layer(stack, gguf, cross):
    def rows(config):
        hf, first = f"transformer.{stack}.layers.{{b}}", config.get("norm_first", False)
        norms = [("attn_norm", "attn_output_norm"), *([("cross_attn_norm", "cross_attn_output_norm")] if cross else []), ("ffn_norm", "layer_output_norm")]
        out = attention(f"{hf}.self_attn", f"{gguf}.attn")
        if cross:
            out += attention(f"{hf}.multihead_attn", f"{gguf}.cross_attn")
        for i, names in enumerate(norms):
            out += [Row(f"{hf}.norm{i + 1}.{part}", f"{gguf}.{names[not first]}.{part}", optional=part == "bias") for part in ("weight", "bias")]
        return out + [Row(f"{hf}.linear{i}.{part}", f"{gguf}.ffn_{w}.{part}", optional=part == "bias") for i, w in ((1, "up"), (2, "down"))
                      for part in ("weight", "bias")]
    return rows


def keys(config):
    if config.get("activation", "relu") not in ("relu", "gelu"):
        raise ConvertError(f"activation {config['activation']!r} is not known; torch.nn.Transformer has relu and gelu")
    return {
        "context_length": need(config, "max_positions"),
        "embedding_length": need(config, "d_model"),
        "feed_forward_length": need(config, "dim_feedforward"),
        "block_count": need(config, "num_encoder_layers"),
        "decoder_block_count": need(config, "num_decoder_layers"),
        "attention.head_count": need(config, "nhead"),
        "attention.layer_norm_epsilon": float(config.get("layer_norm_eps", 1e-5)),
        "decoder_start_token_id": need(config, "decoder_start_token_id"),
        "feed_forward_activation": config.get("activation", "relu"),
        "norm_place": "pre" if config.get("norm_first", False) else "post",
        "vocab_size": need(config, "vocab_size"),
    }


ARCHS = (Arch(
    classes=("Transformer",),
    name=lambda config: "transformer",
    keys=keys,
    stacks=(
        ((Row("embedding.weight", "token_embd.weight"),), None),
        (layer("encoder", "enc.blk.{b}", False), lambda c: need(c, "num_encoder_layers")),
        (both("transformer.encoder.norm", "enc.output_norm", optional=True), None),
        (layer("decoder", "dec.blk.{b}", True), lambda c: need(c, "num_decoder_layers")),
        ((*both("transformer.decoder.norm", "dec.output_norm", optional=True), Row("generator.weight", "output.weight"),
          Row("generator.bias", "output.bias", optional=True)), None),
    ),
    tied=lambda config: bool(config.get("tie_word_embeddings", False)),
    head="generator.weight",
    encoder_decoder=True,
),)
