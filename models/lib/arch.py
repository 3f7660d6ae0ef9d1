"""The table of architectures and its use: a checkpoint -> the tensors to write. A new family is one more Arch in decoders.py, pairs.py or
bert.py (models/README.md).

Key and tensor names are llama.cpp's where it has the architecture; keys beside them are ours: they say what llama.cpp leaves to its code.
"""

from dataclasses import dataclass, field
from typing import Callable

import numpy as np

from . import bert, decoders, pairs, transformer
from .errors import ConvertError

ARCHS = (*pairs.ARCHS, *transformer.ARCHS, *decoders.ARCHS, *bert.ARCHS)


def find(config):
    """The Arch of a config.json."""
    classes = config.get("architectures") or ["(none)"]
    for arch in ARCHS:
        if classes[0] in arch.classes:
            return arch
    known = ", ".join(c for arch in ARCHS for c in arch.classes)
    raise ConvertError(f"architecture {classes[0]} is not known; known are {known}")


@dataclass
class Planned:
    """One tensor of the output, loaded only when it is written."""

    name: str
    shape: tuple
    load: Callable = field(repr=False)
    f32: bool = False


class Renamed:
    """The tensors of a checkpoint under other names."""

    def __init__(self, tensors, rename):
        self._tensors, self._names = tensors, {}
        for name in tensors.names():
            if self._names.setdefault(rename(name), name) != name:
                raise ConvertError(f"tensors {self._names[rename(name)]} and {name} both are {rename(name)}")

    def names(self):
        return self._names.keys()

    def shape(self, name):
        return self._tensors.shape(self._names[name])

    def load(self, name):
        return self._tensors.load(self._names[name])


def plan(arch, config, tensors):
    """Every tensor to write, in order. Missing and left-over tensors are errors that name them."""
    planned, used = [], set()
    if arch.rename:
        tensors = Renamed(tensors, arch.rename)
    for rows, layers in arch.stacks:
        rows = rows(config) if callable(rows) else rows
        for b in range(layers(config) if layers else 1):
            planned += [p for row in rows if (p := plan_row(row, b, arch, config, tensors, used))]
    names = [p.name for p in planned]
    gaps = [n for n in tensors.names() if n not in used and not any(n.endswith(i) for i in arch.ignore)]
    if gaps:
        raise ConvertError(f"{len(gaps)} tensors have no place in {arch.name(config)}, the first is {gaps[0]}")
    if arch.encoder_decoder:
        # Each feed-forward needs its widening matrix, whichever of the two names it came under.
        for p in planned:
            if p.name.endswith("ffn_down.weight") and p.name.replace("ffn_down", "ffn_up") not in names:
                raise ConvertError(f"the checkpoint has no tensor for {p.name.replace('ffn_down', 'ffn_up')}")
    for name, value in arch.extra(config).items():
        planned.append(Planned(name, value.shape, lambda value=value: value, f32=True))
    return planned


def plan_row(row, b, arch, config, tensors, used):
    hf, gguf = row.hf.format(b=b), row.gguf.format(b=b)
    if row.hf == arch.head and arch.tied(config):
        used.add(hf)
        return None
    if hf not in tensors.names():
        if row.optional:
            return None
        raise ConvertError(f"the checkpoint has no tensor {hf}")
    used.add(hf)
    shape = tuple(tensors.shape(hf))
    if row.skip and (first := row.skip(config)):
        if first >= shape[0]:
            raise ConvertError(f"tensor {hf} has {shape[0]} rows, and the first {first} are left out")
        return Planned(gguf, (shape[0] - first, *shape[1:]), lambda: tensors.load(hf)[first:], row.f32)
    if not row.change:
        return Planned(gguf, shape, lambda: tensors.load(hf), row.f32)
    try:
        shape = row.change(np.broadcast_to(np.float32(0), shape), config).shape
    except ValueError:
        raise ConvertError(f"the tensor {hf} is {' x '.join(map(str, shape))}, which is not what config.json says") from None
    return Planned(gguf, shape, lambda: row.change(tensors.load(hf), config), row.f32)
