"""What an architecture is to the converter: its GGUF keys and a table of tensor names. The families stand in families.py.

Key and tensor names are llama.cpp's where it has the architecture; keys beside them are ours: they say what llama.cpp leaves to its code.
"""

from dataclasses import dataclass, field
from typing import Callable

import numpy as np

from .errors import ConvertError

ACTIVATIONS = {"relu": "relu", "silu": "silu", "swish": "silu", "gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh",
               "gelu_fast": "gelu_tanh", "quick_gelu": "quick_gelu"}


@dataclass(frozen=True)
class Row:
    """One tensor, or one per layer where the names hold {b}."""

    hf: str
    gguf: str
    optional: bool = False  # absent in some checkpoints: left out then
    f32: bool = False       # never quantised (a 1-D tensor never is)
    change: Callable = None  # (array, config) -> the array to write


@dataclass(frozen=True)
class Arch:
    classes: tuple                      # Hugging Face class names
    name: Callable                      # config -> general.architecture
    keys: Callable                      # config -> {key suffix: value}
    stacks: tuple                       # (rows, config -> layers); layers None for rows outside the stacks
    ignore: tuple = ()                  # Hugging Face tensors that repeat others or are constants, by how their names end
    tied: Callable = lambda config: False  # config -> True: `head` is not written
    head: str = "lm_head.weight"
    prefix: str = ""                    # of Hugging Face names; older checkpoints are without
    extra: Callable = lambda config: {}  # config -> {gguf name: computed float32 tensor}
    encoder_decoder: bool = False


def need(config, *names):
    """The first of the settings `names` that config.json has."""
    for name in names:
        if config.get(name) is not None:
            return config[name]
    raise ConvertError(f"config.json has no {names[0]}")


def activation(config, *names):
    """The engine's name of an activation."""
    given = need(config, *names)
    if given not in ACTIVATIONS:
        raise ConvertError(f"{names[0]} {given!r} is not known; known are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[given]


def refuse(config, **harmless):
    """Raises ConvertError when a setting has another value than the harmless one or none at all."""
    for name, value in harmless.items():
        if config.get(name) not in (None, value):
            raise ConvertError(f"config.json has {name} = {config[name]!r}, which is not supported")


@dataclass
class Planned:
    """One tensor of the output, loaded only when it is written."""

    name: str
    shape: tuple
    load: Callable = field(repr=False)
    f32: bool = False


def plan(arch, config, tensors):
    """Every tensor to write, in order. Missing and left-over tensors are errors that name them."""
    planned, used = [], set()
    for rows, layers in arch.stacks:
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
    if hf not in tensors.names():
        hf = hf.removeprefix(arch.prefix)
    if row.hf == arch.head and arch.tied(config):
        used.add(hf)
        return None
    if hf not in tensors.names():
        if row.optional:
            return None
        raise ConvertError(f"the checkpoint has no tensor {row.hf.format(b=b)}")
    used.add(hf)
    shape = tuple(tensors.shape(hf))
    if not row.change:
        return Planned(gguf, shape, lambda: tensors.load(hf), row.f32)
    try:
        shape = row.change(np.broadcast_to(np.float32(0), shape), config).shape
    except ValueError:
        raise ConvertError(f"the tensor {hf} is {' x '.join(map(str, shape))}, which is not what config.json says") from None
    return Planned(gguf, shape, lambda: row.change(tensors.load(hf), config), row.f32)
