#!/usr/bin/env python3
"""Parity of encoder models: states, scores and vectors against recorded ones (tests/golden).

    encoders.py [--loquat "build/loquat"] [--threads N] [--minilm FILE] [--only CASE ...]

The tiny models in float32 and in Q8_0, and all-MiniLM-L6-v2 (FILE: its float32 conversion) against its recorded vectors; the latter is
skipped when the file is not there. Last line: `N passed, N failed, N skipped`.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from logits import GOLDEN, ROOT, TOLERANCE, Engine, Report, largest, load

TINY = ("bert", "bert-classifier", "distilbert", "roberta")
QUANTISED = 0.02   # Q8_0 of the tiny models against float32: share of the largest score
UNIT = 2e-6        # recorded vectors have six decimals


def rows(expected):
    """(ids, types) of each row without its padding."""
    for i, (ids, mask) in enumerate(zip(expected["inputIds"], expected["attentionMask"])):
        types = expected.get("token_type_ids")
        yield ids[:sum(mask)], types[i][:sum(mask)] if types else None


def probed(engine, model, ids, types):
    """{name: array} of every tensor on the way, and the scores."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["logits", "-m", model, "--ids", ",".join(map(str, ids)), "--probe", folder]
        if types:
            arguments += ["--types", ",".join(map(str, types))]
        scores = np.array(json.loads(engine.run(*arguments))["logits"], np.float32)
        index = json.loads(Path(folder, "index.json").read_text())
        return {e["name"]: np.fromfile(Path(folder, e["name"] + ".f32"), "<f4").reshape(e["rows"], e["cols"]) for e in index}, scores


def tiny_case(report, engine, name):
    expected, tensors = load(GOLDEN / name)
    want = {key: tensors.load(key) for key in ("hidden_after_embedding", "last_hidden_state", "logits")}
    model = ROOT / f"models/tiny/{name}.gguf"
    for i, (ids, types) in enumerate(rows(expected)):
        got, scores = probed(engine, model, ids, types)
        whole = want["logits"].ndim == 2
        for what, x, w in (("embeddings", got["enc.0.in"], want["hidden_after_embedding"][i][:len(ids)]),
                           ("states", got["enc.1.out"], want["last_hidden_state"][i][:len(ids)]),
                           ("scores", scores, want["logits"][i][None] if whole else want["logits"][i][:len(ids)])):
            difference = largest(x, w)
            report.check(difference <= TOLERANCE, f"{name} row {i} {what}: largest difference {difference:.2e}, allowed {TOLERANCE:.0e}")


def quantised_case(report, engine):
    """Q8_0: how far scores move."""
    for name in TINY:
        expected, tensors = load(GOLDEN / name)
        with tempfile.TemporaryDirectory() as folder:
            small = Path(folder, "q8.gguf")
            subprocess.run([*engine.command, "quantize", ROOT / f"models/tiny/{name}.gguf", small, "q8_0"], check=True, capture_output=True)
            for i, (ids, types) in enumerate(rows(expected)):
                _, scores = probed(engine, small, ids, types)
                want = tensors.load("logits")[i]
                want = want[None] if want.ndim == 1 else want[:len(ids)]
                share = largest(scores, want) / float(np.abs(want).max())
                report.check(0 < share <= QUANTISED, f"{name} Q8_0 row {i}: scores move by {share:.2%} of the largest, allowed {QUANTISED:.0%}")


def heads_case(report, engine, name):
    """Scores of tokens and spans, and what is made of them: the entities and answers of a text."""
    expected, tensors = load(GOLDEN / name)
    model, want = ROOT / f"models/tiny/{name}.gguf", tensors.load("logits")
    for i, (ids, types) in enumerate(rows(expected)):
        _, scores = probed(engine, model, ids, types)
        difference = largest(scores, want[i][:len(ids)])
        report.check(difference <= TOLERANCE, f"{name} row {i} scores: largest difference {difference:.2e}, allowed {TOLERANCE:.0e}")
    for r in expected["results"]:
        if name == "bert-qa":
            got = json.loads(engine.run("qa", "-m", model, "--top", 3, "--question", r["question"], r["context"]))
            right = [(a["start"], a["end"], a["answer"]) for a in got] == [(a["start"], a["end"], a["answer"]) for a in r["answers"]]
            wanted = r["answers"]
        else:
            got = json.loads(engine.run("ner", "-m", model, r["text"]))
            wanted = r["entities"]
            right = [(e["start"], e["end"], e["entity"]) for e in got] == [(e["start"], e["end"], e["entity_group"]) for e in wanted]
            right = right and all(e["word"] == r["text"][e["start"]:e["end"]] for e in got)
        near = len(got) == len(wanted) and all(abs(a["score"] - b["score"]) < 1e-5 for a, b in zip(got, wanted))
        report.check(right and near, f"{name} {r.get('text') or r['question']!r}: {len(wanted)} results as recorded")
        if not (right and near):
            print(f"     ours {got}\n     recorded {wanted}")


def vectors(engine, model, sentences):
    out = engine.run("embed", "-m", model, text="".join(s + "\n" for s in sentences))
    return np.array([json.loads(line) for line in out.splitlines()], np.float32)


def minilm_case(report, engine, model):
    golden = json.loads((GOLDEN / "minilm.json").read_text(encoding="utf-8"))
    want = np.array(golden["vectors"], np.float32)
    got = vectors(engine, model, golden["sentences"])
    report.check(largest(got, want) <= UNIT, f"MiniLM float32: largest difference {largest(got, want):.1e}, allowed {UNIT:.0e}")
    one_by_one = np.concatenate([vectors(engine, model, [s]) for s in golden["sentences"]])
    report.check(np.array_equal(got, one_by_one), "MiniLM: five sentences at once give what each gives alone")
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder, "q8.gguf")
        subprocess.run([*engine.command, "quantize", model, small, "q8_0"], check=True, capture_output=True)
        cosine = (vectors(engine, small, golden["sentences"]) * want).sum(1)
    best = max(golden["cosineOfOthers"]["tjs q8"])
    report.check(cosine.min() > 0.999, f"MiniLM Q8_0: least cosine with the recorded vectors {cosine.min():.5f} (8-bit of others at best {best:.4f})")
    ranked = json.loads(engine.run("rank", "-m", model, "--json", "Who led the teachers' walkout?", *golden["sentences"]))
    report.check(ranked[0]["index"] == 1, f"MiniLM ranks the retired teacher's strike first: {ranked[0]['text']!r}")


def main():
    parser = argparse.ArgumentParser(description="Compare encoder models with recorded outputs.")
    parser.add_argument("--loquat", default=str(ROOT / "build/loquat"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--minilm", metavar="FILE", type=Path, default=ROOT / "build/test/minilm-f32.gguf")
    parser.add_argument("--only", nargs="+", default=[], metavar="CASE")
    args = parser.parse_args()
    engine, report = Engine(args.loquat, args.threads), Report()
    cases = {name: lambda name=name: tiny_case(report, engine, name) for name in TINY}
    cases |= {name: lambda name=name: heads_case(report, engine, name) for name in ("bert-ner", "bert-qa")}
    cases["quantised"] = lambda: quantised_case(report, engine)
    cases["minilm"] = lambda: minilm_case(report, engine, args.minilm) if args.minilm.is_file() else report.skip(
        f"MiniLM: {args.minilm} is not there (models/minilm.py --type f32 -o FILE makes it)")
    report.run(cases, args.only)


if __name__ == "__main__":
    main()
