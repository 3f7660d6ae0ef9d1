#!/usr/bin/env python3
"""Hugging Face folder -> GGUF.

    convert.py DIR -o OUT.gguf [--type q8_0] [--name NAME] [--license mit] [--languages fr,en]

DIR holds config.json, model.safetensors (or its shards and index) and, for models that take text, spiece.model or tokenizer.json;
without tokenizer files the result takes ids only. Needs the packages gguf and numpy. Keys beyond llama.cpp's are described in
lib/pairs.py, lib/decoders.py, lib/bert.py and here: generation.* (defaults of generate()), loquat.task, loquat.languages, loquat.language_token.
"""

import argparse
import sys
from pathlib import Path

from lib import arch as archs
from lib.checkpoint import open_folder
from lib.errors import ConvertError
from lib.tokenizer import first, open_tokenizer, translation_languages
from lib.writer import TYPES, find_type, write

# Scalars of generation_config.json that change what generate() does, with the type each is stored in.
GENERATION = {"max_new_tokens": int, "min_new_tokens": int, "max_length": int, "do_sample": bool, "temperature": float, "top_k": int,
              "top_p": float, "min_p": float, "repetition_penalty": float, "no_repeat_ngram_size": int, "num_beams": int,
              "length_penalty": float}


def generation_keys(generation, config, has_tokenizer):
    keys = {f"generation.{name}": kind(generation[name]) for name, kind in GENERATION.items() if generation.get(name) is not None}
    eos = generation.get("eos_token_id", config.get("eos_token_id"))
    ids = eos if isinstance(eos, list) else [] if eos is None else [eos]
    # One id is the tokenizer's; several, or one without a tokenizer, have no place there.
    if ids and (len(ids) > 1 or not has_tokenizer):
        keys["generation.eos_token_ids"] = ids
    return keys


def translation_keys(vocab, trained):
    """loquat.* keys of a model whose vocabulary has target-language pieces."""
    found = translation_languages(vocab) if vocab else []
    if trained and not found:
        raise ConvertError("--languages was given, but the vocabulary has no target-language pieces such as <2en>")
    unknown = [code for code in trained if code not in found]
    if unknown:
        raise ConvertError(f"--languages names {unknown[0]}, but the vocabulary has no piece <2{unknown[0]}>; it has {', '.join(found)}")
    if not found:
        return {}
    return {"loquat.task": "translate", "loquat.languages": trained or found, "loquat.language_token": "<2%s>"}


def convert(args):
    find_type(args.type)
    folder = Path(args.folder)
    config, generation, tensors = open_folder(folder)
    arch = archs.find(config)
    name = arch.name(config)
    keys = arch.keys(config)
    planned = archs.plan(arch, config, tensors)
    vocab = None if args.no_tokenizer else open_tokenizer(folder, config)
    general = {"name": args.name or folder.resolve().name, "license": args.license, "description": args.description,
               "source.url": args.source}
    metadata = {f"general.{key}": value for key, value in general.items() if value}
    metadata |= {f"{name}.{key}": value for key, value in keys.items()} | arch.side(folder, config)
    metadata |= generation_keys(generation, config, vocab is not None)
    if arch.encoder_decoder:
        metadata |= translation_keys(vocab, [c for c in args.languages.split(",") if c])
    elif args.languages:
        raise ConvertError(f"--languages is for translation models; {name} is none")
    write(args.out, name, metadata, vocab, planned, args.type, lambda text: print(f"note: {text}", file=sys.stderr))


def main():
    parser = argparse.ArgumentParser(description="Convert a Hugging Face model folder to GGUF.")
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument("-o", "--out", required=True, metavar="OUT.gguf")
    parser.add_argument("--type", default="f16", help=f"type of the matrices: {', '.join(TYPES)} (default f16)")
    parser.add_argument("--name", help="general.name; the folder's name if left out")
    parser.add_argument("--license", help="general.license, such as mit or apache-2.0")
    parser.add_argument("--description", help="general.description")
    parser.add_argument("--source", help="general.source.url")
    parser.add_argument("--languages", default="", help="codes the translation model was trained for, such as fr,en (default: all it has pieces for)")
    parser.add_argument("--no-tokenizer", action="store_true", help="leave the tokenizer out: the result takes ids only")
    try:
        convert(parser.parse_args())
    except (ConvertError, OSError) as e:
        sys.exit(f"convert.py: {e}")


if __name__ == "__main__":
    main()
