"""What a row of the table of architectures is made of, and what the rows share."""

from dataclasses import dataclass
from typing import Callable

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
    skip: Callable = None   # config -> rows at the beginning that are left out


@dataclass(frozen=True)
class Arch:
    classes: tuple                      # Hugging Face class names
    name: Callable                      # config -> general.architecture
    keys: Callable                      # config -> {key suffix: value}
    stacks: tuple                       # (rows or config -> rows, config -> layers); layers None for rows outside the stacks
    ignore: tuple = ()                  # Hugging Face tensors that repeat others or are constants, by how their names end
    tied: Callable = lambda config: False  # config -> True: `head` is not written
    head: str = "lm_head.weight"
    extra: Callable = lambda config: {}  # config -> {gguf name: computed float32 tensor}
    encoder_decoder: bool = False
    rename: Callable = None             # Hugging Face's name -> the name that rows, ignore and head use
    side: Callable = lambda folder, config: {}  # whole metadata keys from other files of the folder


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
