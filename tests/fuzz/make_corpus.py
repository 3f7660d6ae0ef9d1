"""Writes the seed corpus of the GGUF fuzz target: small good files and one file per known way to lie.

    python3 tests/fuzz/make_corpus.py tests/fuzz/corpus/gguf
"""
import os
import struct
import sys

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)


def text(s):
    b = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(b)) + b


def kv(key, vtype, raw):
    return text(key) + struct.pack("<I", vtype) + raw


def u32(key, v):
    return kv(key, U32, struct.pack("<I", v))


def array(key, etype, n, raw):
    return kv(key, ARRAY, struct.pack("<IQ", etype, n) + raw)


def tensor(name, vtype, dims, offset):
    return text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, vtype, offset)


def file(kvs=(), tensors=(), data=0, version=3, n_kv=None, n_tensors=None, align=32, magic=b"GGUF"):
    head = magic + struct.pack("<IQQ", version, len(tensors) if n_tensors is None else n_tensors,
                               len(kvs) if n_kv is None else n_kv)
    head += b"".join(kvs) + b"".join(tensors)
    if data:
        head += bytes(-len(head) % align)
    return head + b"\x3c" * data


EVERY = [kv("u8", U8, b"\xc8"), kv("i8", I8, b"\xc8"), kv("u16", U16, b"\0\x90"), kv("i16", I16, b"\0\x90"),
         u32("u32", 4000000000), kv("i32", I32, b"\xfe\xff\xff\xff"), kv("f32", F32, struct.pack("<f", 1.5)),
         kv("yes", BOOL, b"\1"), kv("general.architecture", STRING, text("llama")), kv("u64", U64, b"\xff" * 8),
         kv("i64", I64, b"\xfb" + b"\xff" * 7), kv("f64", F64, struct.pack("<d", 2)),
         array("tokenizer.ggml.tokens", STRING, 3, text("a") + text("") + text("<0x-1>")),
         array("nums", I16, 2, b"\1\0\xff\xff")]
T = tensor("t", 0, [8, 1], 0)

FILES = {
    "good": file(EVERY, [tensor("w", 0, [4, 3], 0), tensor("q", 8, [32], 64)], 98),
    "good_v2": file(EVERY[:4], [T], 32, version=2),
    "good_align64": file([u32("general.alignment", 64)], [T, tensor("u", 12, [256], 64)], 208, align=64),
    "good_no_tensors": file(EVERY),
    "empty": b"",
    "html": b"<!DOCTYPE html><title>404</title>",
    "zip": b"PK\3\4" + bytes(20),
    "safetensors": struct.pack("<Q", 2) + b"{}",
    "v1": file([], version=1),
    "big_endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
    "n_kv_overflow": file(n_kv=2**64 // 48 + 1),
    "n_tensors_huge": file(n_tensors=2**63),
    "key_len": file([struct.pack("<Q", 2**64 - 1) + b"key"]),
    "string_len": file([kv("k", STRING, struct.pack("<Q", 2**61))]),
    "array_len": file([array("k", F64, 2**61, b"")]),
    "array_of_strings_len": file([array("k", STRING, 2, text("a") + struct.pack("<Q", 2**63))]),
    "array_of_arrays": file([array("k", ARRAY, 1, bytes(12))]),
    "array_type": file([array("k", 13, 1, bytes(8))]),
    "value_type": file([kv("k", 13, bytes(8))]),
    "bool_2": file([kv("k", BOOL, b"\2")]),
    "same_key": file([u32("k", 1), u32("k", 2)]),
    "alignment_0": file([u32("general.alignment", 0)], [T], 32),
    "alignment_3": file([u32("general.alignment", 3)], [T], 32),
    "alignment_2g": file([u32("general.alignment", 2**31)], [T], 32),
    "n_dims_0": file([], [text("t") + bytes(24)], 32),
    "n_dims_5": file([], [tensor("t", 0, [1] * 5, 0)], 32),
    "dim_0": file([], [tensor("t", 0, [8, 0], 0)], 32),
    "dims_overflow": file([], [tensor("t", 0, [2**32, 2**32], 0)], 32),
    "bytes_overflow": file([], [tensor("t", 0, [2**62], 0)], 32),
    "row_no_block": file([], [tensor("t", 8, [33], 0)], 64),
    "type_removed": file([], [tensor("t", 4, [32], 0)], 64),
    "type_unknown": file([], [tensor("t", 99, [32], 0)], 64),
    "offset_misaligned": file([], [tensor("t", 0, [8], 4)], 64),
    "offset_overflow": file([], [tensor("t", 0, [8], 2**64 - 32)], 64),
    "overlap": file([], [T, tensor("u", 0, [8], 0)], 64),
    "same_name": file([], [T, tensor("t", 0, [8], 32)], 64),
    "name_long": file([], [tensor("n" * 300, 0, [8], 0)], 32),
    "data_short": file([], [tensor("t", 0, [64], 0)], 100),
}


def main():
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, raw in FILES.items():
        with open(os.path.join(sys.argv[1], name), "wb") as f:
            f.write(raw)


if __name__ == "__main__":
    main()
