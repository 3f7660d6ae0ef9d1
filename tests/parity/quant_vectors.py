"""Writes tests/data/quant.bin: random and extreme blocks with what the Python package `gguf` makes of them.

    python3 tests/parity/quant_vectors.py tests/data/quant.bin        (needs gguf, numpy)

Little-endian. "LQQV", u32 records; each record: u32 type, u32 encode, u32 values, u32 bytes, then
float32 values[], u8 bytes[]. encode = 0: bytes decode to values; 1: values encode to bytes.
"""
import struct
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T, quants

# Byte offsets of the float16 scales in a block.
HALVES = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q2_K: [80, 82],
          T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208]}
ENCODED = [T.F16, T.BF16, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0]


def decode_records(rng):
    for t, halves in HALVES.items():
        values, size = GGML_QUANT_SIZES[t]
        n = 4 if values == 256 else 16
        blocks = rng.integers(0, 256, (n, size), dtype=np.uint8)
        blocks[0, :], blocks[1, :] = 0, 255  # every code at its least and its greatest
        for at in halves:
            scale = (rng.standard_normal(n) * 0.1).astype(np.float16)
            scale[0], scale[1], scale[2] = 1, -1, 3e-7  # the last: subnormal
            blocks[:, at:at + 2] = scale.view(np.uint8).reshape(n, 2)
        yield t, 0, quants.dequantize(blocks, t), blocks
    every = np.arange(0, 65536, 23, dtype=np.uint16)
    for t in (T.F16, T.BF16):
        x = quants.dequantize(every.view(np.uint8) if t == T.BF16 else every.view(np.float16), t)
        keep = np.isfinite(x)
        yield t, 0, x[keep], every[keep]


def encode_records(rng):
    x = rng.standard_normal((40, 32)).astype(np.float32)
    x[1] = 0
    x[2] = 0.75
    x[3] *= 1e-6
    x[4] *= 3000
    x[5] = -np.abs(x[5])
    x[6] = np.abs(x[6])
    x[7, :] = np.arange(32) - 15.5  # ties
    x[8, 5:] = 0
    for t in ENCODED:
        yield t, 1, x, quants.quantize(x, t)
    ties = ((np.arange(65536, dtype=np.uint32)[::61] << 13) + 0x38000000 + 0x1000).view(np.float32)
    odd = np.concatenate([ties, [65504, 65519.99, 65520, 1e30, np.inf, -np.inf, -0.0, 6e-8, 2.9e-8, 2.99e-8, -1e-30]])
    odd = odd.astype(np.float32)
    with np.errstate(over="ignore"):
        for t in (T.F16, T.BF16):
            yield t, 1, odd, quants.quantize(odd, t)


def main():
    rng = np.random.default_rng(20)
    records = [*decode_records(rng), *encode_records(rng)]
    with open(sys.argv[1], "wb") as f:
        f.write(b"LQQV" + struct.pack("<I", len(records)))
        for t, encode, values, blocks in records:
            values = np.ascontiguousarray(values, dtype=np.float32)
            raw = np.ascontiguousarray(blocks).tobytes()
            f.write(struct.pack("<4I", int(t), encode, values.size, len(raw)) + values.tobytes() + raw)


if __name__ == "__main__":
    main()
