#!/usr/bin/env python3
"""Writes tests/golden/transformer: a tiny seeded Transformer of 2017 built on torch.nn.Transformer, and what it computes in float32.

    make_transformer.py tests/golden/transformer

Made with torch==2.13.0 (CPU), needed here only. Nothing is trained. The state dict is what a textbook module saves (models/README.md).
"""

import json
import math
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

CONFIG = {"architectures": ["Transformer"], "d_model": 48, "nhead": 4, "num_encoder_layers": 2, "num_decoder_layers": 2, "dim_feedforward": 96,
          "activation": "relu", "norm_first": False, "layer_norm_eps": 1e-5, "max_positions": 64, "vocab_size": 300, "tie_word_embeddings": False,
          "decoder_start_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}


class Transformer(torch.nn.Module):
    def __init__(self, c):
        super().__init__()
        self.d = c["d_model"]
        self.embedding = torch.nn.Embedding(c["vocab_size"], self.d)
        self.transformer = torch.nn.Transformer(self.d, c["nhead"], c["num_encoder_layers"], c["num_decoder_layers"], c["dim_feedforward"], 0.0,
                                                c["activation"], layer_norm_eps=c["layer_norm_eps"], batch_first=True)
        self.generator = torch.nn.Linear(self.d, c["vocab_size"])

    def embed(self, ids):
        at = torch.arange(ids.shape[1], dtype=torch.float64)[:, None]
        angle = at / 10000 ** (torch.arange(0, self.d, 2, dtype=torch.float64) / self.d)
        places = torch.stack([angle.sin(), angle.cos()], 2).reshape(ids.shape[1], self.d)
        return self.embedding(ids) * math.sqrt(self.d) + places.float()

    def encode(self, ids, padded):
        return self.transformer.encoder(self.embed(ids), src_key_padding_mask=padded)

    def decode(self, ids, memory, padded):
        causal = torch.triu(torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool), 1)
        return self.generator(self.transformer.decoder(self.embed(ids), memory, tgt_mask=causal, memory_key_padding_mask=padded))


def seeded(seed):
    torch.manual_seed(seed)
    m = Transformer(CONFIG).eval()
    for name, p in m.named_parameters():
        p.data = torch.randn(p.shape) * (0.2 if p.dim() < 2 else 0.4 if "embedding" in name else 1.3 * p.shape[1] ** -0.5)
        if "norm" in name and name.endswith("weight"):
            p.data += 1
    return m


def run(seed, ids, padded, steps):
    """(the smallest gap between the best two scores, greedy ids, their scores, encoder states, module)"""
    m, margin = seeded(seed), float("inf")
    with torch.no_grad():
        memory = m.encode(ids, padded)
        out = torch.full((len(ids), 1), CONFIG["decoder_start_token_id"])
        for _ in range(steps):
            scores = m.decode(out, memory, padded)
            best = scores[:, -1].topk(2).values
            margin = min(margin, float((best[:, 0] - best[:, 1]).min()))
            out = torch.cat([out, scores[:, -1:].argmax(2)], 1)
    return margin, out, scores, memory, m


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    sizes, pad, steps = (9, 14, 6), CONFIG["pad_token_id"], 10
    draw = torch.Generator().manual_seed(7)
    ids = torch.full((3, max(sizes)), pad)
    for row, n in enumerate(sizes):
        ids[row, :n] = torch.randint(3, CONFIG["vocab_size"], (n,), generator=draw)
        ids[row, n - 1] = CONFIG["eos_token_id"]
    padded = ids == pad
    tried = [run(seed, ids, padded, steps) for seed in range(40)]
    varied = [t for t in tried if len(set(t[1].flatten().tolist())) > 8]
    margin, out, scores, memory, m = max(varied, key=lambda t: t[0])
    save_file({k: v.contiguous() for k, v in m.state_dict().items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    save_file({"encoder_last_hidden_state": memory, "decoder_logits_per_step": scores.contiguous()}, folder / "expected.safetensors")
    (folder / "expected.json").write_text(json.dumps({"inputIds": ids.tolist(), "attentionMask": (~padded).int().tolist(),
                                                      "greedyForcedIds": out.tolist(), "tolerance": 1e-4, "minGreedyMargin": round(margin, 5)}))
    print(f"margin {margin:.3f}, {out.tolist()}, {sorted(m.state_dict())}")


if __name__ == "__main__":
    main()
