#!/usr/bin/env python3
"""Writes fr-en/ anew for other weights: make_fr_en.py FOLDER [--out DIR]

FOLDER is the Hugging Face folder (float32 or float16) that models/fr-en.gguf was made from (models/train/export.py). The sentences are those of
the expected.json that is there. Made with transformers 5.23.0, torch 2.13.0, sentencepiece 0.2.3, safetensors 0.8.0.
"""

import argparse
import json
from pathlib import Path

import sentencepiece
import torch
from safetensors.torch import save_file
from transformers import T5ForConditionalGeneration

HERE = Path(__file__).resolve().parent / "fr-en"
BY = ("transformers T5ForConditionalGeneration on model.safetensors widened to float32; sentencepiece ids with the tag first and </s> (1) last; "
      "decoder starts with <pad> (0)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=HERE)
    args = parser.parse_args()
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(args.folder / "spiece.model"))
    model = T5ForConditionalGeneration.from_pretrained(args.folder, dtype=torch.float32).eval()
    cases, tensors = [], {}
    for i, old in enumerate(json.loads((HERE / "expected.json").read_text(encoding="utf-8"))["cases"]):
        ids = [tokenizer.piece_to_id(f"<2{old['to']}>"), *tokenizer.encode(old["text"]), 1]
        row = torch.tensor([ids])
        greedy = model.generate(row, max_new_tokens=64, num_beams=1, do_sample=False, return_dict_in_generate=True, output_logits=True)
        beam = model.generate(row, max_new_tokens=64, num_beams=4, do_sample=False, length_penalty=1.0, return_dict_in_generate=True,
                              output_scores=True)
        plain, wide = greedy.sequences[0].tolist(), beam.sequences[0].tolist()
        text = lambda out: tokenizer.decode([t for t in out if t > 1])
        cases.append({"to": old["to"], "text": old["text"], "pieces": tokenizer.encode(old["text"], out_type=str), "input_ids": ids,
                      "greedy_ids": plain, "greedy": text(plain), "beam4_ids": wide, "beam4": text(wide),
                      "beam4_score": round(beam.sequences_scores[0].item(), 5)})
        if i < 3:
            tensors[f"encoder_{i}"] = model.encoder(row).last_hidden_state[0].detach().contiguous()
            tensors[f"logits_{i}"] = torch.stack([step[0] for step in greedy.logits]).half().contiguous()
    (args.out / "expected.json").write_text(json.dumps({"by": BY, "cases": cases}, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    save_file(tensors, args.out / "expected.safetensors")


if __name__ == "__main__":
    main()
