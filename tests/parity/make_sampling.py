#!/usr/bin/env python3
"""Records what transformers' logits processors make of a set of scores, into tests/data/sampling.json (read by tests/unit/test_sample.c).

    python3 -m venv /tmp/sampling && /tmp/sampling/bin/pip install transformers==5.24.0 torch==2.13.0 numpy
    /tmp/sampling/bin/python tests/parity/make_sampling.py

The processors and their order are those of GenerationMixin._get_logits_processor, called itself. Two choices:
- torch.sort is asked to be stable, because without it the order of equal scores (which top_p needs) depends on the CPU;
- a case whose kept tokens differ between float32 and float64 is left out: it hangs on the rounding of a sum. The number is printed.
"""
import itertools
import json
import math
import random
from pathlib import Path

import numpy as np
import torch
from transformers import GenerationConfig
from transformers.generation.utils import GenerationMixin

OUT = Path(__file__).resolve().parents[1] / "data/sampling.json"
EOS = [2, 5]
plain_sort = torch.sort
torch.sort = lambda x, **k: plain_sort(x, stable=True, **k)


def vectors():
    r = np.random.default_rng(7)
    yield "normal", r.normal(0, 3, 40)
    yield "flat", np.zeros(16)
    yield "ties", r.integers(-2, 3, 48) * 1.5
    yield "top_ties", np.array([1.0, 4, 4, 4, -1, 0, 2, 4])
    yield "peaked", np.array([20.0] + [0.0] * 30)
    yield "dropped", np.where(np.arange(24) % 3 == 0, -np.inf, r.normal(0, 2, 24))
    yield "negative", r.normal(-60, 4, 20)
    yield "large", r.normal(0, 900, 32)
    yield "one_alive", np.where(np.arange(9) == 3, 1.0, -np.inf)
    yield "wide", r.normal(0, 2.5, 1500)


OPTIONS = {
    "repetition_penalty": [1.0, 1.3, 0.5, 5.0],
    "min_new_tokens": [0, 3],
    "do_sample": [True, True, True, False],
    "temperature": [1.0, 0.7, 1.9, 0.01, 100.0],
    "top_k": [50, 0, 1, 5, 1000000],
    "top_p": [1.0, 0.9, 0.5, 0.25, 1e-6, 0.999, 0.0],
    "min_p": [None, 0.05, 0.5, 1.0, 0.0],
}


def processed(scores, o, history, n_new, dtype):
    c = GenerationConfig(**{k: v for k, v in o.items() if v is not None}, num_beams=1)
    c._eos_token_tensor = torch.tensor(EOS)
    owner = type("Owner", (GenerationMixin,), {"config": type("Config", (), {"is_encoder_decoder": False})()})()
    list_ = GenerationMixin._get_logits_processor(owner, c, input_ids_seq_length=len(history) - n_new, logits_processor=[], device="cpu")
    return list_(torch.tensor([history]), torch.tensor(np.asarray(scores)[None], dtype=dtype))[0].numpy()


def number(x):
    return None if x == -math.inf else float(f"{x:.9g}")


def main():
    random.seed(11)
    cases, left_out = [], 0
    table = {name: np.asarray(x, np.float32) for name, x in vectors()}
    single = [{k: v} for k, vs in OPTIONS.items() for v in vs] + [{"temperature": 0.7, "top_k": 20, "top_p": 0.9}]
    combined = [dict(zip(OPTIONS, c)) for c in random.sample(list(itertools.product(*OPTIONS.values())), 40)]
    for name, x in table.items():
        for o in (single + combined if name != "wide" else combined[:10]):
            o = {"do_sample": True, "top_k": 50, **o}
            if name == "wide" and o["do_sample"] and o["top_k"] in (0, 1000000):
                o["top_k"] = 30  # keeps the file small
            n_new = random.choice([0, 2, 3, 9])
            history = [random.randrange(len(x)) for _ in range(n_new + random.choice([1, 6]))] + []
            history += history[:2]
            got, exact = (processed(x, o, history, n_new, d) for d in (torch.float32, torch.float64))
            if not np.array_equal(np.isfinite(got), np.isfinite(exact)):
                left_out += 1
                continue
            kept = [int(i) for i in np.flatnonzero(np.isfinite(got))]
            if len(kept) > 200:
                continue
            cases.append({"scores": name, "options": {k: v for k, v in o.items() if v is not None}, "history": history, "n_new": n_new,
                          "kept": kept, "values": [number(got[i]) for i in kept],
                          "p": [number(p) for p in torch.tensor(got, dtype=torch.float64).softmax(-1)[kept]] if len(kept) <= 24 else []})
    record = {"eos": EOS, "scores": {k: [number(v) for v in x] for k, x in table.items()}, "cases": cases}
    OUT.write_text(json.dumps(record, separators=(",", ":")).replace('{"scores":"', '\n{"scores":"') + "\n")
    print(f"{len(cases)} cases, {left_out} left out, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
