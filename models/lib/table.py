"""What a row of the table of architectures is made of."""

from dataclasses import dataclass
from typing import Callable

from .errors import ConvertError


@dataclass(frozen=True)
class Row:
    """One tensor, or one per layer where the names hold {b}."""

    hf: str
    gguf: str
    optional: bool = False  # absent in some checkpoints: left out then
    f32: bool = False       # never quantised (a 1-D tensor never is)
    heads: str = ""         # the key function that says how many heads to permute for RoPE; "" = as it is
    skip: Callable = None   # config -> rows at the beginning that are left out


@dataclass(frozen=True)
class Arch:
    classes: tuple                      # Hugging Face class names
    name: Callable                      # config -> general.architecture
    keys: Callable                      # config -> {key suffix: value}
    stacks: tuple                       # (rows, config -> layers); layers None for rows outside the stacks
    ignore: tuple = ()                  # Hugging Face tensors that repeat others or are constants
    tied: Callable = lambda config: False  # config -> True: `head` is not written
    head: str = "lm_head.weight"
    extra: Callable = lambda config: {}  # config -> {gguf name: computed float32 tensor}
    encoder_decoder: bool = False
    rename: Callable = None             # Hugging Face's name -> the name that rows, ignore and head use
    side: Callable = lambda folder, config: {}  # whole metadata keys from other files of the folder


def need(config, key):
    if config.get(key) is None:
        raise ConvertError(f"config.json has no {key}")
    return config[key]
