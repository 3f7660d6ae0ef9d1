"""Checkpoint -> a Hugging Face T5 folder (float32 or float16 safetensors, config, tokenizer), ready for models/convert.py.

    export.py RUN/checkpoint.pt OUT --tokenizer spm.model [--half]
    export.py models/fr-en.gguf OUT                       the shipped GGUF back to such a folder, to train on from

T5 has no 1/sqrt(d_kv) and no sqrt(d_model): they are folded into the query and the shared matrices here.
"""
import argparse
import json
import os
import shutil
import struct
import sys

import torch
from safetensors.torch import load_file, save_file

from model import Config, Translator


def names(c):
    """(our name, Hugging Face's name, factor from ours to theirs) of every tensor."""
    query = c.d_kv ** -0.5
    yield 'embedding.weight', 'shared.weight', c.d_model ** 0.5
    for side, layers in (('encoder', c.encoder_layers), ('decoder', c.decoder_layers)):
        for i in range(layers):
            ours, theirs = f'{side}.{i}.', f'{side}.block.{i}.layer.'
            parts = [('attention', 'norm_self', 'SelfAttention')] + [('cross', 'norm_cross', 'EncDecAttention')] * (side == 'decoder')
            for n, (attention, norm, name) in enumerate(parts):
                for x in 'qkvo':
                    yield f'{ours}{attention}.{x}.weight', f'{theirs}{n}.{name}.{x}.weight', query if x == 'q' else 1.0
                yield f'{ours}{norm}.weight', f'{theirs}{n}.layer_norm.weight', 1.0
            for x in ('wi_0', 'wi_1', 'wo'):
                yield f'{ours}ff.{x}.weight', f'{theirs}{len(parts)}.DenseReluDense.{x}.weight', 1.0
            yield f'{ours}norm_ff.weight', f'{theirs}{len(parts)}.layer_norm.weight', 1.0
        yield f'{side}_bias.weight', f'{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight', 1.0
        yield f'{side}_norm.weight', f'{side}.final_layer_norm.weight', 1.0


def load(model, path):
    """Fill model from a safetensors file with Hugging Face's names, undoing the folding."""
    theirs = load_file(path)
    model.load_state_dict({ours: theirs[name].float() / factor for ours, name, factor in names(model.c)})


def hf_config(c):
    return {'architectures': ['T5ForConditionalGeneration'], 'model_type': 't5', 'vocab_size': c.vocab, 'd_model': c.d_model, 'd_kv': c.d_kv,
            'd_ff': c.d_ff, 'num_layers': c.encoder_layers, 'num_decoder_layers': c.decoder_layers, 'num_heads': c.heads,
            'relative_attention_num_buckets': c.buckets, 'relative_attention_max_distance': c.max_distance, 'dropout_rate': 0.1,
            'layer_norm_epsilon': 1e-6, 'feed_forward_proj': 'gated-gelu', 'is_encoder_decoder': True, 'use_cache': True, 'pad_token_id': 0,
            'eos_token_id': 1, 'decoder_start_token_id': 0, 'tie_word_embeddings': True}


def write_folder(tensors, config, out):
    save_file(tensors, os.path.join(out, 'model.safetensors'), metadata={'format': 'pt'})
    with open(os.path.join(out, 'config.json'), 'w', encoding='utf8') as f:
        json.dump(hf_config(config), f, indent=1)
    with open(os.path.join(out, 'generation_config.json'), 'w', encoding='utf8') as f:
        json.dump({'decoder_start_token_id': 0, 'eos_token_id': 1, 'pad_token_id': 0, 'max_new_tokens': 128}, f, indent=1)


def export(weights, config, tokenizer, out, half):
    os.makedirs(out, exist_ok=True)
    kind = torch.float16 if half else torch.float32
    tensors = {theirs: (weights[ours].float() * factor).to(kind).contiguous() for ours, theirs, factor in names(config)}
    write_folder(tensors, config, out)
    shutil.copy(tokenizer, os.path.join(out, 'spiece.model'))


# ---- from the shipped GGUF ----

def protobuf(number, wire, value):
    """One field of a protobuf message: an int (wire 0), a float (5) or bytes (2)."""
    def varint(n):
        out = bytearray()
        while n > 127:
            out.append(n & 127 | 128)
            n >>= 7
        return bytes(out + bytes([n]))
    return varint(number << 3 | wire) + (varint(value) if wire == 0 else struct.pack('<f', value) if wire == 5 else varint(len(value)) + value)


def gguf_tokenizer(get):
    """The SentencePiece model (as bytes) whose pieces, scores and normaliser a GGUF holds; get(key) reads a tokenizer.ggml key."""
    pieces = zip(get('tokens'), get('scores'), get('token_type'))
    out = b''.join(protobuf(1, 2, protobuf(1, 2, text.encode()) + protobuf(2, 5, score) + protobuf(3, 0, kind)) for text, score, kind in pieces)
    ids = ((40, 'unknown_token_id'), (42, 'eos_token_id'), (43, 'padding_token_id'))
    trainer = protobuf(3, 0, 1) + protobuf(35, 0, 1) + b''.join(protobuf(n, 0, get(key)) for n, key in ids)
    trainer += protobuf(41, 0, (1 << 64) - 1)  # no <s>: -1
    return out + protobuf(2, 2, trainer) + protobuf(3, 2, protobuf(2, 2, bytes(get('precompiled_charsmap'))))


def from_gguf(path, out):
    """A GGUF that models/convert.py wrote, as the Hugging Face folder that it came from (its matrices as exact as its type)."""
    import gguf
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
    from lib.arch import T5
    reader = gguf.GGUFReader(path)
    get = lambda key: reader.fields[key].contents()
    c = Config(vocab=get('t5.vocab_size'), d_model=get('t5.embedding_length'), d_kv=get('t5.attention.key_length'),
               d_ff=get('t5.feed_forward_length'), heads=get('t5.attention.head_count'), encoder_layers=get('t5.block_count'),
               decoder_layers=get('t5.decoder_block_count'), buckets=get('t5.attention.relative_buckets_count'),
               max_distance=get('t5.attention.relative_max_distance'))
    rename = {row.gguf.format(b=b): row.hf.format(b=b) for rows, _ in T5.stacks for b in range(max(c.encoder_layers, c.decoder_layers))
              for row in rows if not row.hf.endswith('.wi.weight')}
    tensors = {rename[t.name]: torch.from_numpy(gguf.dequantize(t.data, t.tensor_type).copy()) for t in reader.tensors}
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, 'spiece.model'), 'wb') as f:
        f.write(gguf_tokenizer(lambda key: get('tokenizer.ggml.' + key)))
    write_folder(tensors, c, out)


def load_checkpoint(path, which='average'):
    """-> Translator in float32, ready to evaluate."""
    saved = torch.load(path, map_location='cpu')
    model = Translator(Config(**saved['config']))
    model.load_state_dict(saved[which])
    return model.eval()


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('checkpoint', help='checkpoint.pt, or a GGUF')
    p.add_argument('out')
    p.add_argument('--tokenizer', help='for a checkpoint: its SentencePiece model')
    p.add_argument('--weights', choices=['average', 'master'], default='average')
    p.add_argument('--half', action='store_true', help='store float16')
    a = p.parse_args()
    if a.checkpoint.endswith('.gguf'):
        from_gguf(a.checkpoint, a.out)
        return
    if not a.tokenizer:
        p.error('--tokenizer is needed with a checkpoint')
    model = load_checkpoint(a.checkpoint, a.weights)
    export(model.state_dict(), model.c, a.tokenizer, a.out, a.half)


if __name__ == '__main__':
    main()
