"""BERT and what is shaped like it: DistilBERT, RoBERTa, XLM-R, MiniLM; with the heads for masked words, sequences, tokens and spans.

Keys and tensors are those of llama.cpp's "bert". Ours beside them: the tensors cls.mlm, cls.mlm_norm, cls.token, cls.span and output.bias, the
keys bert.classifier.activation, bert.classifier.problem, loquat.embedding.normalize and loquat.task.
"""

import re

from .checkpoint import read_json
from .errors import ConvertError
from .table import Arch, Row, activation, need

TASKS = {"ForMaskedLM": "fill-mask", "ForSequenceClassification": "classify", "ForTokenClassification": "ner", "ForQuestionAnswering": "qa",
         "Model": "embed"}
POOLING = {"pooling_mode_mean_tokens": 1, "pooling_mode_cls_token": 2, "pooling_mode_lasttoken": 3}  # llama.cpp's numbers
KINDS = ("Bert", "DistilBert", "Roberta", "XLMRoberta")


def kind_of(config):
    return next(kind for kind in KINDS if config["architectures"][0].startswith(kind))


def task_of(config):
    return TASKS[config["architectures"][0].removeprefix(kind_of(config))]


def skipped_positions(config):
    """RoBERTa's first position is the one after the padding id: the rows before it are never used, and llama.cpp leaves them out too."""
    return config.get("pad_token_id", 1) + 1 if kind_of(config) in ("Roberta", "XLMRoberta") else 0


def labels(config):
    names = config.get("id2label") or {}
    return [names[str(i)] for i in range(len(names))] if names else ["LABEL_0", "LABEL_1"]


def head_keys(config):
    task = task_of(config)
    if task not in ("classify", "ner"):
        return {}
    keys = {"classifier.output_labels": labels(config)}
    if task == "classify":
        if kind_of(config) == "DistilBert":
            keys["classifier.activation"] = "relu"
        one = len(keys["classifier.output_labels"]) == 1
        keys["classifier.problem"] = (config.get("problem_type") or ("regression" if one else "single_label_classification")).removesuffix(
            "_classification")
    return keys


def bert_keys(config):
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise ConvertError(f"position_embedding_type {config['position_embedding_type']!r} is not known; known is absolute")
    if config.get("is_decoder"):
        raise ConvertError("is_decoder is set: this BERT is a decoder, which is not known")
    distil = kind_of(config) == "DistilBert"
    shape = zip(("embedding_length", "feed_forward_length", "block_count", "attention.head_count"),
                ("dim", "hidden_dim", "n_layers", "n_heads") if distil else
                ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"))
    return {
        "context_length": need(config, "max_position_embeddings") - skipped_positions(config),
        **{key: need(config, name) for key, name in shape},
        "attention.layer_norm_epsilon": float(config.get("layer_norm_eps", 1e-12)),
        "attention.causal": False,
        "feed_forward_activation": activation(config, "activation" if distil else "hidden_act"),
        "vocab_size": need(config, "vocab_size"),
        **head_keys(config),
    }


def layers(config):
    return config["n_layers"] if kind_of(config) == "DistilBert" else need(config, "num_hidden_layers")


def both(hf, gguf, **more):
    return [Row(f"{hf}.{part}", f"{gguf}.{part}", **more) for part in ("weight", "bias")]


# Hugging Face's names after `rename`; DistilBERT's are brought to BERT's there.
EMBEDDINGS = (
    Row("embeddings.word_embeddings.weight", "token_embd.weight"),
    Row("embeddings.position_embeddings.weight", "position_embd.weight", f32=True, skip=skipped_positions),
    Row("embeddings.token_type_embeddings.weight", "token_types.weight", f32=True, optional=True),
    *both("embeddings.LayerNorm", "token_embd_norm"),
)
LAYER = tuple(row for hf, gguf in (
    ("attention.self.query", "attn_q"), ("attention.self.key", "attn_k"), ("attention.self.value", "attn_v"),
    ("attention.output.dense", "attn_output"), ("attention.output.LayerNorm", "attn_output_norm"), ("intermediate.dense", "ffn_up"),
    ("output.dense", "ffn_down"), ("output.LayerNorm", "layer_output_norm")) for row in both(f"encoder.layer.{{b}}.{hf}", f"blk.{{b}}.{gguf}"))
HEADS = {
    "fill-mask": (*both("mlm.dense", "cls.mlm"), *both("mlm.norm", "cls.mlm_norm"), Row("mlm.decoder.weight", "output.weight", optional=True),
                  Row("mlm.bias", "output.bias")),
    "classify": (*both("pooler.dense", "cls"), *both("classifier", "cls.output")),
    "ner": both("classifier", "cls.token"),
    "qa": both("qa_outputs", "cls.span"),
    "embed": (),
}
NAMES = (  # (pattern, replacement), every one in turn
    (r"^(bert|distilbert|roberta)\.", ""), (r"LayerNorm\.gamma$", "LayerNorm.weight"), (r"LayerNorm\.beta$", "LayerNorm.bias"),
    # DistilBERT
    (r"^transformer\.layer\.", "encoder.layer."), (r"\.attention\.q_lin\.", ".attention.self.query."),
    (r"\.attention\.k_lin\.", ".attention.self.key."), (r"\.attention\.v_lin\.", ".attention.self.value."),
    (r"\.attention\.out_lin\.", ".attention.output.dense."),
    (r"\.sa_layer_norm\.", ".attention.output.LayerNorm."), (r"\.ffn\.lin1\.", ".intermediate.dense."), (r"\.ffn\.lin2\.", ".output.dense."),
    (r"\.output_layer_norm\.", ".output.LayerNorm."), (r"^pre_classifier\.", "pooler.dense."), (r"^vocab_transform\.", "mlm.dense."),
    (r"^vocab_layer_norm\.", "mlm.norm."), (r"^vocab_projector\.bias$", "mlm.bias"), (r"^vocab_projector\.weight$", "mlm.decoder.weight"),
    # BERT's masked words, RoBERTa's heads
    (r"^cls\.predictions\.transform\.dense\.", "mlm.dense."), (r"^cls\.predictions\.transform\.LayerNorm\.", "mlm.norm."),
    (r"^cls\.predictions\.", "mlm."), (r"^lm_head\.dense\.", "mlm.dense."), (r"^lm_head\.layer_norm\.", "mlm.norm."), (r"^lm_head\.", "mlm."),
    (r"^classifier\.dense\.", "pooler.dense."), (r"^classifier\.out_proj\.", "classifier."),
)


def rename(name):
    for pattern, to in NAMES:
        name = re.sub(pattern, to, name)
    return name


def bert_arch(task, suffix):
    unused = () if task == "classify" else ("pooler.dense.weight", "pooler.dense.bias")
    return Arch(
        classes=tuple(kind + suffix for kind in KINDS),
        name=lambda config: "bert",
        keys=bert_keys,
        stacks=((EMBEDDINGS, None), (LAYER, layers), (HEADS[task], None)),
        ignore=("embeddings.position_ids", "mlm.decoder.bias", "seq_relationship.weight", "seq_relationship.bias", *unused),
        tied=lambda config: config.get("tie_word_embeddings", True) is not False,
        head="mlm.decoder.weight",
        rename=rename,
        side=side_keys,
    )


def side_keys(folder, config):
    """Whole keys from what sentence-transformers puts beside a model: how token vectors become one, and whether it is made a unit vector."""
    task = task_of(config)
    keys = {"loquat.task": task}
    modules = read_json(folder, "modules.json") or []
    if task != "embed":
        return keys
    for module in modules:
        kind = module.get("type", "").rsplit(".", maxsplit=1)[-1]
        if kind == "Pooling":
            mode = read_json(folder, f"{module['path']}/config.json")
            wanted = [name for name, on in mode.items() if name.startswith("pooling_mode_") and on is True]
            if len(wanted) != 1 or wanted[0] not in POOLING:
                raise ConvertError(f"{module['path']}/config.json asks for {' and '.join(wanted) or 'no pooling'}; "
                                   f"one of {', '.join(POOLING)} is known")
            keys |= {"bert.pooling_type": POOLING[wanted[0]], "loquat.embedding.normalize": False}
        elif kind == "Normalize":
            keys["loquat.embedding.normalize"] = True
        elif kind != "Transformer":
            raise ConvertError(f"modules.json has a module {kind}, which is not known; known are Transformer, Pooling and Normalize")
    return keys


ARCHS = tuple(bert_arch(task, suffix) for suffix, task in TASKS.items())
