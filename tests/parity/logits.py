#!/usr/bin/env python3
"""Parity: the engine's scores and texts against recorded ones (tests/golden).

    logits.py [--loquat "build/loquat"] [--threads N] [--smollm2 FILE] [--gemma FILE] [--only CASE ...] [--fr-en-f32 FILE]

--loquat is a command line, so a build for another target is tested by the same cases. Cases: the tiny models, fr-en, smollm2,
gemma3-270m; the last two are skipped when their file is not there. Prints one line a check, the first tensor that differs where one does, and last
`N passed, N failed, N skipped`.
"""

import argparse
import json
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from gguf import GGUFReader

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models"))
from lib.checkpoint import Tensors  # noqa: E402
from reference import Run, first_difference  # noqa: E402

GOLDEN = ROOT / "tests/golden"
TOLERANCE = 1e-4  # float32 scores and states, absolute
PAIRS = ("t5-v1_1", "t5-v1_0", "bart", "marian", "transformer")
DECODERS = sorted(path.parent.name for path in GOLDEN.glob("*/layers.safetensors"))
LONGEST = 64      # new tokens of the recorded translations
Q8 = 0.1          # root mean square of what Q8_0 changes in scores, of that of the scores
HALF = 0.02       # scores recorded in float16, of size up to 32


class Report:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, ok, text):
        self.passed += bool(ok)
        self.failed += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {text}", flush=True)
        return ok

    def skip(self, text):
        self.skipped += 1
        print(f"skip {text}", flush=True)

    def run(self, cases, only):
        """Runs the cases, or only the named ones, prints the closing line and exits."""
        for name in only or cases:
            try:
                cases[name]()
            except (RuntimeError, OSError, ValueError, KeyError, subprocess.SubprocessError) as e:
                self.check(False, f"{name}: {e!r}")
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        sys.exit(self.failed > 0)


class Engine:
    """The command line under test."""

    def __init__(self, command, threads):
        self.command = shlex.split(command)
        self.threads = threads

    def run(self, *arguments, text=None):
        line = [*self.command, *map(str, arguments), "--threads", str(self.threads)]
        done = subprocess.run(line, input=text, capture_output=True, encoding="utf-8", timeout=600, check=False)
        if done.returncode:
            raise RuntimeError(f"{shlex.join(line)[:200]} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        return done.stdout

    def logits(self, model, ids, decoder_ids=None, probe=None):
        arguments = ["logits", "-m", model, "--ids", ",".join(map(str, ids))]
        if decoder_ids is not None:
            arguments += ["--decoder-ids", ",".join(map(str, decoder_ids))]
        if probe:
            arguments += ["--probe", probe]
        return np.array(json.loads(self.run(*arguments))["logits"], dtype=np.float32)

    def probed(self, model, ids, decoder_ids=None):
        """{name: array} of every tensor of one run."""
        with tempfile.TemporaryDirectory() as folder:
            self.logits(model, ids, decoder_ids, probe=folder)
            index = json.loads(Path(folder, "index.json").read_text())
            return {e["name"]: np.fromfile(Path(folder, e["name"] + ".f32"), "<f4").reshape(e["rows"], e["cols"]) for e in index}


def load(folder):
    return json.loads((folder / "expected.json").read_text(encoding="utf-8")), Tensors([folder / "expected.safetensors"])


def largest(a, b):
    return float(np.abs(a - b).max()) if a.shape == b.shape else float("inf")


def close(report, engine, what, got, want, tolerance, run):
    """One comparison. run = (model, ids, decoder ids) that made `got`; on failure its first tensor that differs from the reference is named."""
    difference = largest(got, want)
    if not report.check(difference <= tolerance, f"{what}: largest difference {difference:.2e}, allowed {tolerance:.0e}"):
        print(f"     {first_difference(run[0], run[1], run[2], engine.probed(*run), 1e-4)}", flush=True)


def encoder_state(probed):
    return next(x for name, x in probed.items() if name.startswith("enc.") and name.endswith(".norm"))


def encoder_decoder_case(report, engine, name):
    expected, tensors = load(GOLDEN / name)
    model = ROOT / f"models/tiny/{name}.gguf"
    states, scores = tensors.load("encoder_last_hidden_state"), tensors.load("decoder_logits_per_step")
    for row, (ids, mask) in enumerate(zip(expected["inputIds"], expected["attentionMask"])):
        ids, forced = ids[:sum(mask)], expected["greedyForcedIds"][row]
        probed = engine.probed(model, ids, forced[:1])
        close(report, engine, f"{name} row {row} encoder", encoder_state(probed), states[row][:len(ids)], TOLERANCE, (model, ids, forced[:1]))
        greedy = forced[:1]
        for step in range(len(forced) - 1):
            got = engine.logits(model, ids, forced[:step + 1])
            close(report, engine, f"{name} row {row} step {step}", got, scores[row][step], TOLERANCE, (model, ids, forced[:step + 1]))
            greedy.append(int(got.argmax()))
        report.check(greedy == forced, f"{name} row {row} greedy ids")


def quantised_case(report, engine, name, model, ids, want):
    """Scores of the model in Q8_0; rows that fit no block are stored in float16."""
    with tempfile.TemporaryDirectory() as folder:
        quantised = Path(folder, "q8_0.gguf")
        subprocess.run([*engine.command, "quantize", model, quantised, "q8_0"], check=True, capture_output=True)
        distance = rms(engine.logits(quantised, ids) - want) / rms(want)
    report.check(0 < distance <= Q8, f"{name} in Q8_0: scores lie {distance:.4f} of their size from float32, allowed {Q8}")


def decoder_case(report, engine, name):
    expected, tensors = load(GOLDEN / name)
    model = ROOT / f"models/tiny/{name}.gguf"
    for what, key in (("logits", "inputIds"), ("long_logits", "longInputIds")):
        ids, want = expected[key][0], tensors.load(what)[0]
        probed = engine.probed(model, ids)
        got = probed["logits"]
        # A run may score only the last position; then every prefix is a run of its own.
        if len(got) < len(ids):
            got = np.stack([engine.logits(model, ids[:n]) for n in range(1, len(ids) + 1)])
        close(report, engine, f"{name} {what}", got, want, TOLERANCE, (model, ids, None))
        if what == "logits":
            state = tensors.load("hidden_after_embedding")[0]
            close(report, engine, f"{name} embedding", probed["dec.0.in"], state, TOLERANCE, (model, ids, None))
            layers = Tensors([GOLDEN / name / "layers.safetensors"]).load("layers")
            worst = [largest(probed[f"dec.{i}.out"], layers[i]) for i in range(len(layers))]
            bad = next((f": the first that differs is {i}, by {x:.2e}" for i, x in enumerate(worst) if x > TOLERANCE), "")
            report.check(not bad, f"{name} {len(layers)} layers: largest difference {max(worst):.2e}, allowed {TOLERANCE:.0e}{bad}")
            last = next(x for n, x in reversed(probed.items()) if n.startswith("dec.") and n.endswith(".norm"))
            close(report, engine, f"{name} last hidden state", last, tensors.load("hidden_last")[0][-len(last):], TOLERANCE, (model, ids, None))
    quantised_case(report, engine, name, model, expected["inputIds"][0], tensors.load("logits")[0][-1])
    forced = expected["greedyForcedIds"][0]
    greedy = list(expected["inputIds"][0])
    while len(greedy) < len(forced):
        greedy.append(int(engine.logits(model, greedy).argmax()))
    report.check(greedy == forced, f"{name} greedy ids")


TINY = {"t5-v1_1": ("enc.blk.0.attn_v", "enc.0.attn"), "t5-v1_0": ("dec.blk.1.cross_attn_o", "dec.1.cross"),
        "llama-gqa": ("blk.1.ffn_down", "dec.1.ffn"), "qwen2": ("blk.0.attn_k", "dec.0.attn")}


def broken_copy(model, tensor, folder):
    """The model with one weight of one tensor changed."""
    raw = bytearray(model.read_bytes())
    at = next(int(t.data_offset) for t in GGUFReader(model).tensors if t.name == f"{tensor}.weight")
    raw[at:at + 4] = np.float32(np.frombuffer(raw[at:at + 4], "<f4")[0] + 3).tobytes()
    broken = Path(folder, "broken.gguf")
    broken.write_bytes(raw)
    return broken


def tensors_case(report, engine):
    """Every tensor on the way through the tiny models is the reference's; a model with one wrong weight is named by its first wrong tensor."""
    for name, (broken, first) in TINY.items():
        model, ids, decoder_ids = ROOT / f"models/tiny/{name}.gguf", [5, 9, 4, 17, 30, 2], [0, 8, 3] if name.startswith("t5") else None
        said = first_difference(model, ids, decoder_ids, engine.probed(model, ids, decoder_ids), TOLERANCE)
        found = re.fullmatch(r"none of the (\d+) probed tensors differs .*", said)
        report.check(found and int(found[1]) >= 9, f"{name} tensor by tensor: {said}")
        with tempfile.TemporaryDirectory() as folder:
            got = engine.probed(broken_copy(model, broken, folder), ids, decoder_ids)
        said = first_difference(model, ids, decoder_ids, got, TOLERANCE)
        report.check(said.startswith(f"first difference: {first}["), f"{name} with a wrong weight in {broken}: {said}")


def translations(engine, model, cases, *options):
    """Our text of each case, greedy unless options say otherwise, one run per direction with a line for each sentence."""
    texts = {}
    for to in sorted({c["to"] for c in cases}):
        lines = [c["text"] for c in cases if c["to"] == to]
        source = "fr" if to == "en" else "en"
        out = engine.run("translate", "-m", model, "--from", source, "--to", to, "--max-new-tokens", LONGEST, *options,
                         text="".join(line + "\n" for line in lines))
        texts |= {(to, line): result for line, result in zip(lines, out.split("\n"))}
    return [texts.get((c["to"], c["text"]), "") for c in cases]


def fr_en_case(report, engine, f32):
    expected, tensors = load(GOLDEN / "fr-en")
    cases = expected["cases"]
    for i, case in enumerate(cases[:3]):
        ids, steps = case["input_ids"], case["greedy_ids"][:-1]
        if not f32:
            break
        state = encoder_state(engine.probed(f32, ids, steps[:1]))
        close(report, engine, f"fr-en f32 sentence {i} encoder", state, tensors.load(f"encoder_{i}"), TOLERANCE, (f32, ids, steps[:1]))
        want = tensors.load(f"logits_{i}")
        for step in range(len(want)):
            close(report, engine, f"fr-en f32 sentence {i} step {step}", engine.logits(f32, ids, steps[:step + 1]), want[step], HALF,
                  (f32, ids, steps[:step + 1]))
    for model, name, least in ((f32, "f32", len(cases)), (ROOT / "models/fr-en.gguf", "q8_0", 32)):
        if not model:
            report.skip(f"fr-en {name}: no file given (--fr-en-f32)")
            continue
        got = translations(engine, model, cases)
        wrong = [(c, text) for c, text in zip(cases, got) if text != c["greedy"]]
        report.check(len(cases) - len(wrong) >= least, f"fr-en {name}: {len(cases) - len(wrong)} of {len(cases)} texts as recorded, at least {least}")
        for case, text in wrong:
            print(f"     {case['text']!r}: {text!r}, recorded {case['greedy']!r}")


def beams(engine, model, ids, longest):
    """(new ids, score) of the best of four beams."""
    out = json.loads(engine.run("generate", "-m", model, "--ids", ",".join(map(str, ids)), "--num-beams", 4, "--max-new-tokens", longest, "--json"))
    return out["ids"], out["score"]


def beams_case(report, engine, f32):
    """Four beams: recorded ids and scores of the tiny models and of fr-en's float32 weights; texts of the file that ships."""
    for name in TINY:
        expected, _ = load(GOLDEN / name)
        recorded, pair = expected["beam4"], name.startswith("t5")
        for row, ids in enumerate(expected["inputIds"]):
            ids = ids[:sum(expected["attentionMask"][row])] if pair else ids
            want = recorded["ids"][row][1 if pair else len(ids):]
            got, score = beams(engine, ROOT / f"models/tiny/{name}.gguf", ids, 12)
            away = abs(score - recorded["sequenceScores"][row])
            report.check(got == want and away <= TOLERANCE,
                         f"{name} row {row}: four beams, score {away:.1e} away" + ("" if got == want else f", ids {got}"))
    cases = load(GOLDEN / "fr-en")[0]["cases"]
    if f32:
        found = [beams(engine, f32, c["input_ids"], LONGEST) for c in cases]
        same = sum(ids == c["beam4_ids"][1:] and abs(score - c["beam4_score"]) <= TOLERANCE for c, (ids, score) in zip(cases, found))
        report.check(same == len(cases), f"fr-en f32: four beams, {same} of {len(cases)} ids and scores as recorded")
    else:
        report.skip("fr-en f32, four beams: no file given (--fr-en-f32)")
    texts = translations(engine, ROOT / "models/fr-en.gguf", cases, "--num-beams", 4)
    same = sum(text == c["beam4"] for c, text in zip(cases, texts))
    report.check(same >= 29, f"fr-en q8_0: four beams, {same} of {len(cases)} texts as float32 gave them, at least 29")


def decoded_case(report, engine):
    """models/fr-en.gguf with its weights decoded to float32, against numpy on the same numbers: every greedy id of every sentence. It says
    of the float engine on a real model what the float original (23 MB, not in the tree) would."""
    expected, _ = load(GOLDEN / "fr-en")
    quantised, reference = ROOT / "models/fr-en.gguf", Run(ROOT / "models/fr-en.gguf")
    with tempfile.TemporaryDirectory() as folder:
        model, same = Path(folder, "f32.gguf"), 0
        subprocess.run([*engine.command, "quantize", quantised, model, "f32"], check=True, capture_output=True)
        for i, case in enumerate(expected["cases"]):
            want, scores = reference.greedy(case["input_ids"], 1, 24)
            ids = ",".join(map(str, case["input_ids"]))
            got = json.loads(engine.run("generate", "-m", model, "--ids", ids, "--max-new-tokens", 24, "--json"))["ids"]
            same += got == want
            if got != want:
                print(f"     {case['text']!r}: {got}, numpy {want}")
            if i < 5:
                steps = [0, *want[:-1]]
                close(report, engine, f"fr-en decoded, sentence {i}, last step", engine.logits(model, case["input_ids"], steps), scores, TOLERANCE,
                      (model, case["input_ids"], steps))
    report.check(same == len(expected["cases"]), f"fr-en decoded to float32: {same} of {len(expected['cases'])} sentences with numpy's greedy ids")


def follows(got, recorded, count):
    """Whether ids are the recorded ones, which leave out the end-of-generation token that stopped them."""
    return got[:len(recorded)] == recorded[:count] and (len(recorded) >= count or len(got) <= len(recorded) + 1)


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


def real_case(report, engine, name, model, ids_only):
    """First greedy ids, and the distance of our scores to those of the float32 weights beside llama.cpp's on the same file. ids_only: prompts
    are given as the recorded ids."""
    if not model.is_file():
        report.skip(f"{name}: {model} is not there (make models, make models-gemma)")
        return
    followed, ours, theirs = 0, [], []
    prompts = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))["prompts"]
    for case in prompts:
        prompt = ["--ids", ",".join(map(str, case["ids"]))] if ids_only else ["--prompt", case["prompt"]]
        got = json.loads(engine.run("generate", "-m", model, *prompt, "--max-new-tokens", 24, "--json"))["ids"]
        agree = [kind for kind in ("q", "f32") if follows(got, case[kind]["greedy"], 24)]
        followed += bool(agree)
        print(f"     {case.get('user', case['prompt'])!r} follows {' and '.join(agree) or 'neither'}")
        logits, full, quantised = engine.logits(model, case["ids"]), dict(case["f32"]["top10"]), dict(case["q"]["top10"])
        ids = [i for i in full if i in quantised]
        ours.append([logits[i] - full[i] for i in ids])
        theirs.append([quantised[i] - full[i] for i in ids])
        print(f"     scores of {len(ids)} ids: {rms(ours[-1]):.4f} from float32, llama.cpp {rms(theirs[-1]):.4f}, "
              f"its whole row {case['q_vs_f32']['logit_rmse']:.4f}")
    report.check(followed >= 4, f"{name}: {followed} of {len(prompts)} prompts follow a recorded text for 24 tokens, at least 4")
    mine, other = rms(np.concatenate(ours)), rms(np.concatenate(theirs))
    report.check(mine <= other, f"{name}: scores lie {mine:.4f} from float32, llama.cpp's {other:.4f}")


def main():
    parser = argparse.ArgumentParser(description="Compare the engine with recorded outputs.")
    parser.add_argument("--loquat", default=str(ROOT / "build/loquat"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fr-en-f32", metavar="FILE", help="float32 conversion of fr-en's weights")
    parser.add_argument("--smollm2", metavar="FILE", type=Path, default=ROOT / "models/smollm2-135m-instruct-q4_1.gguf")
    parser.add_argument("--gemma", metavar="FILE", type=Path, default=ROOT / "models/gemma3-270m-q4_k_m.gguf")
    parser.add_argument("--only", nargs="+", default=[], metavar="CASE")
    args = parser.parse_args()
    engine, report = Engine(args.loquat, args.threads), Report()
    cases = {
        **{name: lambda name=name: encoder_decoder_case(report, engine, name) for name in PAIRS},
        **{name: lambda name=name: decoder_case(report, engine, name) for name in DECODERS},
        "tensors": lambda: tensors_case(report, engine),
        "fr-en": lambda: fr_en_case(report, engine, args.fr_en_f32),
        "beams": lambda: beams_case(report, engine, args.fr_en_f32),
        "fr-en-decoded": lambda: decoded_case(report, engine),
        "smollm2": lambda: real_case(report, engine, "smollm2", args.smollm2, False),
        "gemma3-270m": lambda: real_case(report, engine, "gemma3-270m", args.gemma, True),
    }
    report.run(cases, args.only)


if __name__ == "__main__":
    main()
