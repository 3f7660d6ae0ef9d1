#!/usr/bin/env python3
"""Records what transformers' beam search and logits processors give on the tiny golden models, into tests/data/beams.json (read by
tests/unit/test_beam.c).

    python3 -m venv /tmp/beams && /tmp/beams/bin/pip install transformers==5.23.0 torch==2.13.0
    /tmp/beams/bin/python tests/parity/make_beams.py

Each case is one call of generate() in float32. It is made again in float64: a case whose hypotheses differ hangs on a rounding and is left
out; the number is printed. The tiny models hardly ever end by themselves, so most cases name tokens that they like as ends.
"""
import json
import random
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, T5ForConditionalGeneration
from transformers.utils import logging

ROOT = Path(__file__).resolve().parents[1]
MODELS = {"t5-v1_1": T5ForConditionalGeneration, "t5-v1_0": T5ForConditionalGeneration, "llama-gqa": AutoModelForCausalLM,
          "qwen2": AutoModelForCausalLM}
PROMPTS = 3
MIXED = 25


def run(model, ids, options):
    out = model.generate(torch.tensor([ids]), return_dict_in_generate=True, output_scores=True, do_sample=False, top_k=None, top_p=None,
                         temperature=None, **options)
    start = 1 if model.config.is_encoder_decoder else len(ids)
    ends = options["eos_token_id"]
    sequences = []
    for i, row in enumerate(out.sequences[:, start:].tolist()):
        n = next((k + 1 for k, id in enumerate(row) if id in ends), len(row))
        sequences.append({"ids": row[:n]})
        if options["num_beams"] > 1:
            sequences[-1]["score"] = float(f"{float(out.sequences_scores[i]):.8g}")
    return sequences


def liked(model, ids):
    """Tokens that the model's hypotheses hold, the most frequent first."""
    rows = run(model, ids, {"num_beams": 8, "num_return_sequences": 8, "max_new_tokens": 12, "eos_token_id": [1]})
    every = [id for r in rows for id in r["ids"]]
    found = sorted(set(every), key=lambda id: (-every.count(id), id))
    return found + [id for id in range(20, 30) if id not in found], rows


def single(like, rows, source):
    """One option at a time."""
    first = [r["ids"][0] for r in rows]
    yield from ({"num_beams": n} for n in (1, 2, 3, 5, 8))
    yield from ({"num_beams": 4, "length_penalty": x, "early_stopping": e} for x in (-1.0, 0.0, 0.6, 1.0, 2.0) for e in (False, True, "never"))
    for n in (1, 4):
        yield from ({"num_beams": n, "no_repeat_ngram_size": k} for k in (1, 2, 3))
        yield from ({"num_beams": n, "encoder_no_repeat_ngram_size": k} for k in (1, 2, 3))
        yield from ({"num_beams": n, "repetition_penalty": x} for x in (0.6, 1.4, 3.0))
        yield from ({"num_beams": n, "min_new_tokens": k} for k in (3, 8, 12))
        yield {"num_beams": n, "bad_words_ids": [[like[1]], [like[2]]]}
        yield {"num_beams": n, "bad_words_ids": [rows[0]["ids"][:2], rows[1]["ids"][2:5], [like[3]]]}
        yield {"num_beams": n, "forced_bos_token_id": source[1]}
        yield {"num_beams": n, "forced_eos_token_id": [like[0]]}
        yield {"num_beams": n, "forced_eos_token_id": [7]}
        yield {"num_beams": n, "suppress_tokens": like[1:6]}
        yield {"num_beams": n, "begin_suppress_tokens": first[:3]}
        yield {"num_beams": n, "begin_suppress_tokens": first[:3] + like[:4], "forced_bos_token_id": source[2]}


def mixed(like, rows, source):
    """Several options at once."""
    choices = {"num_beams": [1, 2, 4, 6], "length_penalty": [None, 0.3, 1.7, -0.5], "early_stopping": [None, True, "never"],
               "no_repeat_ngram_size": [None, None, 2, 4], "encoder_no_repeat_ngram_size": [None, None, 2], "repetition_penalty": [None, 1.2, 0.9],
               "min_new_tokens": [None, None, 4], "bad_words_ids": [None, [[like[2]], rows[0]["ids"][1:3]]],
               "forced_bos_token_id": [None, None, source[0]], "forced_eos_token_id": [None, None, [like[1]]],
               "suppress_tokens": [None, None, like[2:4]], "begin_suppress_tokens": [None, None, [rows[0]["ids"][0]]]}
    for _ in range(MIXED):
        yield {k: v for k, vs in choices.items() if (v := random.choice(vs)) is not None}


def main():
    random.seed(5)
    torch.set_num_threads(1)  # these models are too small to share
    logging.set_verbosity_error()
    cases, left_out = [], 0
    for name, kind in MODELS.items():
        folder = ROOT / "golden" / name
        model, exact = kind.from_pretrained(folder, dtype=torch.float32).eval(), kind.from_pretrained(folder, dtype=torch.float64).eval()
        vocabulary = model.config.vocab_size
        prompts = [[random.randrange(3, vocabulary) for _ in range(n)] for n in (5, 11, 2)][:PROMPTS]
        prompts[1] += prompts[1][2:6]  # n-grams that repeat
        for p, ids in enumerate(prompts):
            like, rows = liked(model, ids)
            wanted = list(single(like, rows, ids)) if p == 0 else []
            for o in wanted + list(mixed(like, rows, ids + ids)):
                o["eos_token_id"] = random.choice([[1], [like[0]], [like[0], like[3]], [like[2], like[5], like[7]]])
                o["max_new_tokens"] = random.choice([12, 12, 20, 5])
                o["num_return_sequences"] = o["num_beams"] if random.random() < 0.6 else 1
                o["min_new_tokens"] = min(o.get("min_new_tokens", 0), o["max_new_tokens"])
                if not o["min_new_tokens"]:
                    del o["min_new_tokens"]
                got, again = run(model, ids, o), run(exact, ids, o)
                if [r["ids"] for r in got] != [r["ids"] for r in again]:
                    left_out += 1
                    continue
                cases.append({"model": name, "prompt": ids, "options": o, "sequences": got})
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    out = ROOT / "data/beams.json"
    out.write_text(f"[\n{lines}\n]\n")
    print(f"{len(cases)} cases, {left_out} left out, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
