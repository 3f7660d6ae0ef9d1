#!/usr/bin/env python3
"""Writes tests/golden/bert-ner and bert-qa: tiny seeded BERTs with a head for tokens and for spans, a small vocabulary, and what PyTorch and
the pipelines of transformers make of some texts.

    make_heads.py tests/golden

Made with transformers==5.23.0 and torch==2.13.0 (CPU), needed here only. Nothing is trained.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from make_tiny_encoder import pieces
from safetensors.torch import save_file

SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64}
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
TEXTS = ["What was that, he said?", "I would like to write them all, but how?", "Été is hot; 人工 was  then...", "they had 42 words for it (some were about time)",
         "you", "it's unwriteable, said each one"]
QUESTIONS = [("what was it?", TEXTS[1]), ("how hot is it?", TEXTS[2]), ("who?", TEXTS[3]), ("when", "you")]


def build(kind, tokenizer, **more):
    config = transformers.BertConfig(vocab_size=len(tokenizer), pad_token_id=0, **SHAPE, **more)
    torch.manual_seed(5)
    model = getattr(transformers, kind)(config).eval()
    draw = torch.Generator().manual_seed(11)
    for name, p in model.named_parameters():
        x = torch.randn(p.shape, generator=draw)
        p.data = x * (0.2 if p.dim() < 2 else 0.5 if "embeddings" in name else 1.4 * p.shape[1] ** -0.5)
        if "LayerNorm.weight" in name:
            p.data += 1
    return model


def answer(model, tokenizer, question, context, top):
    """The rule of the question-answering pipeline that transformers had until version 4: softmax over the first token and the context's, a
    span's score the product, at most 15 tokens, whole words."""
    inputs = tokenizer(question, context, return_tensors="pt")
    with torch.no_grad():
        out = model(**inputs)
    mine = torch.tensor([s == 1 or i == 0 for i, s in enumerate(inputs.sequence_ids(0))])
    start, end = (torch.softmax(x[0].double().masked_fill(~mine, -torch.inf), 0) for x in (out.start_logits, out.end_logits))
    start[0] = end[0] = 0
    scores = torch.outer(start, end).triu().tril(14)
    found = {}
    for at in scores.flatten().argsort(descending=True).tolist():
        i, k = divmod(at, len(start))
        if not scores[i, k] or len(found) == top:
            break
        place = inputs.word_to_chars(0, inputs.token_to_word(0, i), 1)[0], inputs.word_to_chars(0, inputs.token_to_word(0, k), 1)[1]
        found.setdefault(place, float(scores[i, k]))
    return [{"score": s, "start": a, "end": b, "answer": context[a:b]} for (a, b), s in found.items()]


def write(folder, model, inputs, results):
    model.save_pretrained(folder)
    with torch.no_grad():
        out = model(**inputs)
    scores = torch.stack([out.start_logits, out.end_logits], 2) if "start_logits" in out else out.logits
    save_file({"logits": scores.contiguous()}, folder / "expected.safetensors")
    (folder / "vocab.txt").write_text("".join(p + "\n" for p in pieces()), encoding="utf-8")
    (folder / "expected.json").write_text(json.dumps({"inputIds": inputs["input_ids"].tolist(), "attentionMask": inputs["attention_mask"].tolist(),
                                                      "token_type_ids": inputs["token_type_ids"].tolist(), "results": results}))


def main():
    root = Path(sys.argv[1])
    tokenizer = transformers.BertTokenizerFast(vocab={p: i for i, p in enumerate(pieces())}, do_lower_case=True)
    ner = build("BertForTokenClassification", tokenizer, id2label=dict(enumerate(LABELS)), label2id={n: i for i, n in enumerate(LABELS)})
    pipe = transformers.pipeline("token-classification", model=ner, tokenizer=tokenizer, aggregation_strategy="first")
    found = [[{k: (float(v) if k == "score" else v) for k, v in e.items()} for e in pipe(t)] for t in TEXTS]
    write(root / "bert-ner", ner, tokenizer(TEXTS[:2], padding=True, return_tensors="pt"), [{"text": t, "entities": e} for t, e in zip(TEXTS, found)])
    qa = build("BertForQuestionAnswering", tokenizer)
    inputs = tokenizer(*map(list, zip(*QUESTIONS[:2])), padding=True, return_tensors="pt")
    answers = [answer(qa, tokenizer, q, c, 3) for q, c in QUESTIONS]
    write(root / "bert-qa", qa, inputs, [{"question": q, "context": c, "answers": a} for (q, c), a in zip(QUESTIONS, answers)])


if __name__ == "__main__":
    main()
