"""Metadata and tensors -> a GGUF v3 file, one tensor in memory at a time, under a temporary name until it is whole."""

import os

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFValueType as Kind
from gguf import quants

from .errors import ConvertError

# general.file_type of a file whose matrices are of this type.
TYPES = {
    "f32": (Type.F32, gguf.LlamaFileType.ALL_F32), "f16": (Type.F16, gguf.LlamaFileType.MOSTLY_F16),
    "bf16": (Type.BF16, gguf.LlamaFileType.MOSTLY_BF16), "q8_0": (Type.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    "q4_0": (Type.Q4_0, gguf.LlamaFileType.MOSTLY_Q4_0), "q4_1": (Type.Q4_1, gguf.LlamaFileType.MOSTLY_Q4_1),
    "q5_0": (Type.Q5_0, gguf.LlamaFileType.MOSTLY_Q5_0), "q5_1": (Type.Q5_1, gguf.LlamaFileType.MOSTLY_Q5_1),
}
BY_LOQUAT = ("q4_k", "q6_k")


def find_type(name):
    if name.lower() in TYPES:
        return TYPES[name.lower()]
    if name.lower() in BY_LOQUAT:
        raise ConvertError(f"this converter does not write {name}; convert with --type f16, then run `loquat quantize`")
    raise ConvertError(f"type {name!r} is not known; known are {', '.join((*TYPES, *BY_LOQUAT))}")


def tensor_type(planned, wanted):
    """The type one tensor is stored in: norms, biases and small tables stay F32, rows that do not fit blocks become F16."""
    if planned.f32 or len(planned.shape) < 2:
        return Type.F32
    block = gguf.GGML_QUANT_SIZES[wanted][0]
    return Type.F16 if planned.shape[-1] % block else wanted


def add_value(writer, key, value):
    """Writes a key with the type its Python value calls for: counts as u32, arrays by their elements."""
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value) if value >= 0 else writer.add_int32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    elif isinstance(value, bytes):
        writer.add_key_value(key, list(value), Kind.ARRAY, Kind.UINT8)
    else:
        kind = {str: Kind.STRING, float: Kind.FLOAT32, int: Kind.INT32, bool: Kind.BOOL}[type(value[0])]
        writer.add_key_value(key, value, Kind.ARRAY, kind)


def add_vocab(writer, vocab):
    writer.add_tokenizer_model(vocab.model)
    for key, value in vocab.keys.items():
        add_value(writer, key if key.startswith("loquat.") else f"tokenizer.ggml.{key}", value)
    add_value(writer, "tokenizer.ggml.tokens", vocab.tokens)
    add_value(writer, "tokenizer.ggml.token_type", vocab.types)
    if vocab.scores:
        add_value(writer, "tokenizer.ggml.scores", vocab.scores)
    if vocab.merges:
        add_value(writer, "tokenizer.ggml.merges", vocab.merges)
    if vocab.chat_template:
        writer.add_chat_template(vocab.chat_template)


def encode(planned, kind):
    x = np.ascontiguousarray(planned.load())
    if kind == Type.F16 and np.abs(x).max(initial=0) > 65504:
        raise ConvertError(f"tensor {planned.name} holds values beyond float16's 65504; use --type bf16 or f32")
    return quants.quantize(x, kind)


def write(path, arch_name, metadata, vocab, tensors, type_name, note):
    """Writes the file. metadata: {full key: value}. note(text) tells of tensors stored in another type than asked for."""
    wanted, file_type = find_type(type_name)
    kinds = [tensor_type(t, wanted) for t in tensors]
    odd = [t.name for t, k in zip(tensors, kinds) if k == Type.F16 != wanted]
    if odd:
        note(f"{len(odd)} matrices have rows that {type_name} blocks do not fit and are stored as F16, the first is {odd[0]}")
    temporary = f"{path}.part"
    try:
        writer = gguf.GGUFWriter(temporary, arch_name)
        writer.add_type("model")
        for key, value in metadata.items():
            add_value(writer, key, value)
        writer.add_file_type(file_type)
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        if vocab:
            add_vocab(writer, vocab)
        for t, kind in zip(tensors, kinds):
            rows, row = int(np.prod(t.shape[:-1])), t.shape[-1]
            block, size = gguf.GGML_QUANT_SIZES[kind]
            writer.add_tensor_info(t.name, t.shape, np.dtype(np.float32), rows * row // block * size, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for t, kind in zip(tensors, kinds):
            writer.write_tensor_data(encode(t, kind))
        writer.close()
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
