#!/usr/bin/env python3
"""Writes golden folders of tiny seeded decoders: what PyTorch computes with them in float32 on a CPU. Nothing here is trained.

    make_golden.py tests/golden [NAME ...]     a folder for each family below, or for those named
    make_golden.py tests/golden --layers NAME  layers.safetensors only, of a folder that is there

Made with transformers==5.23.0 and torch==2.13.0 (CPU); they are needed here only, `make test` reads what is recorded.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

COMMON = {"vocab_size": 250, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
          "max_position_embeddings": 96, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "tie_word_embeddings": False}
GEMMA = COMMON | {"head_dim": 16, "tie_word_embeddings": True}
YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 24}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 24}
# name: (config class, settings)
FAMILIES = {
    "qwen3": ("Qwen3Config", COMMON | {"head_dim": 16}),
    "mistral-window": ("MistralConfig", COMMON | {"sliding_window": 12, "head_dim": 8}),
    "llama-linear": ("LlamaConfig", COMMON | {"rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0},
                                              "attention_bias": True, "mlp_bias": True}),
    "llama-yarn": ("LlamaConfig", COMMON | {"rope_parameters": YARN}),
    "llama-yarn-set": ("LlamaConfig", COMMON | {"rope_parameters": YARN | {"attention_factor": 0.8, "beta_fast": 16.0, "beta_slow": 2.0}}),
    "llama3-rope": ("LlamaConfig", COMMON | {"rope_parameters": LLAMA3}),
    "llama-dynamic": ("LlamaConfig", COMMON | {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}}),
    "gemma": ("GemmaConfig", GEMMA | {"num_key_value_heads": 1}),
    "gemma2": ("Gemma2Config", GEMMA | {"sliding_window": 12, "num_hidden_layers": 4, "query_pre_attn_scalar": 8, "attn_logit_softcapping": 2.0,
                                        "final_logit_softcapping": 1.5}),
    "phi3": ("Phi3Config", COMMON | {"sliding_window": 12, "partial_rotary_factor": 0.5, "original_max_position_embeddings": 96}),
    "falcon": ("FalconConfig", {**COMMON, "ffn_hidden_size": 128, "multi_query": True, "parallel_attn": True, "bias": False, "alibi": False,
                                "new_decoder_architecture": False, "tie_word_embeddings": True}),
    "falcon-new": ("FalconConfig", {**COMMON, "ffn_hidden_size": 128, "num_kv_heads": 2, "parallel_attn": True, "bias": True, "alibi": False,
                                    "new_decoder_architecture": True, "tie_word_embeddings": True}),
    "smollm3": ("SmolLM3Config", COMMON | {"num_hidden_layers": 4, "no_rope_layer_interval": 4, "tie_word_embeddings": True}),
}


def random_weights(model, seed):
    """Weights large enough that every part matters; signs in the last norm keep greedy output from being one token repeated."""
    draw = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        x = torch.randn(p.shape, generator=draw)
        if "norm" in name or ".ln_" in name:
            one = 0.0 if "gemma" in model.config.model_type else 1.0
            p.data = (one if name.endswith("weight") else 0.0) + 0.2 * x
        elif p.dim() < 2:
            p.data = 0.3 * x
        else:
            embed = 0.1 if "gemma" in model.config.model_type else 0.5  # Gemma scales them by sqrt(d)
            p.data = x * (embed if "embed" in name else 1.2 * p.shape[1] ** -0.5)
    for name, p in model.named_parameters():
        if name in ("model.norm.weight", "transformer.ln_f.weight"):
            sign = torch.sign(torch.randn(p.shape, generator=draw))
            p.data = sign * (1 + p.data.abs()) - 1 if "gemma" in model.config.model_type else p.data.abs() * sign * 2 + p.data
    return model.eval()


def blocks(model):
    body = model.base_model
    return next(getattr(body, name) for name in ("layers", "h", "blocks") if hasattr(body, name))


def states(model, ids):
    """(logits, embeddings, what each layer gives, the last state after the final norm), each without the batch dimension."""
    outs = []
    hooks = [b.register_forward_hook(lambda m, i, o: outs.append((o[0] if isinstance(o, tuple) else o)[0].detach().clone())) for b in blocks(model)]
    with torch.no_grad():
        out = model(torch.tensor([ids]), output_hidden_states=True, use_cache=False)
    for hook in hooks:
        hook.remove()
    return out.logits[0], out.hidden_states[0][0], torch.stack(outs), out.hidden_states[-1][0]


def greedy(model, ids, steps):
    """ids with `steps` greedy ones, and the smallest gap between the best two scores."""
    ids, margin = list(ids), float("inf")
    for _ in range(steps):
        with torch.no_grad():
            top = model(torch.tensor([ids]), use_cache=False).logits[0, -1].topk(2)
        margin = min(margin, float(top.values[0] - top.values[1]))
        ids.append(int(top.indices[0]))
    return ids, margin


def write_layers(model, ids, folder):
    save_file({"layers": states(model, ids)[2].contiguous()}, folder / "layers.safetensors")


def make(name, root):
    kind, settings = FAMILIES[name]
    config = getattr(transformers, kind)(**settings)
    ids = torch.randint(3, config.vocab_size, (81,), generator=torch.Generator().manual_seed(7)).tolist()
    short, long = ids[:11], ids[11:]
    for seed in range(100):
        model = random_weights(AutoModelForCausalLM.from_config(config, attn_implementation="eager"), seed)
        forced, margin = greedy(model, short, 12)
        if margin > 0.02 and len(set(forced[11:])) > 6:
            break
    folder = root / name
    model.save_pretrained(folder)
    logits, embedded, _, last = states(model, short)
    save_file({"logits": logits[None].contiguous(), "hidden_after_embedding": embedded[None].contiguous(), "hidden_last": last[None].contiguous(),
               "long_logits": states(model, long)[0][None].contiguous()}, folder / "expected.safetensors")
    (folder / "expected.json").write_text(json.dumps({"inputIds": [short], "greedyForcedIds": [forced], "longInputIds": [long], "tolerance": 1e-4,
                                                      "minGreedyMargin": round(margin, 5)}))
    write_layers(model, short, folder)
    print(f"{name}: seed {seed}, margin {margin:.3f}, greedy {forced[11:]}, scores of size {float(logits.abs().mean()):.2f}")


def main():
    root, *names = sys.argv[1:]
    root = Path(root)
    if names[:1] == ["--layers"]:
        for name in names[1:]:
            model = AutoModelForCausalLM.from_pretrained(root / name, attn_implementation="eager").eval()
            write_layers(model, json.loads((root / name / "expected.json").read_text())["inputIds"][0], root / name)
        return
    for name in names or FAMILIES:
        make(name, root)


if __name__ == "__main__":
    main()
