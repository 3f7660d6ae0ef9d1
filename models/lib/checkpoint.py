"""A Hugging Face folder: its JSON files and its safetensors weights, one tensor in memory at a time.

Format: the safetensors header is a u64 length and a JSON object {name: {dtype, shape, data_offsets}}; data follow it.
bfloat16 has no numpy type, so the bytes are read here and widened to float32.
"""

import json
from pathlib import Path

import numpy as np

from .errors import ConvertError

DTYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2"), "F64": np.dtype("<f8")}


class Tensors:
    """The tensors of one .safetensors file or of all the shards of an index, by name."""

    def __init__(self, files):
        self._where = {}
        for path in files:
            for name, entry in read_header(path).items():
                if name in self._where:
                    raise ConvertError(f"tensor {name} stands in more than one file of {path.parent}")
                self._where[name] = entry

    def names(self):
        return self._where.keys()

    def shape(self, name):
        return self._where[name]["shape"]

    def load(self, name):
        """The tensor as float32; raises ConvertError for an integer type or a value that is not finite."""
        entry = self._where[name]
        dtype = DTYPES.get(entry["dtype"])
        if dtype is None:
            raise ConvertError(f"tensor {name} has type {entry['dtype']}; weights must be one of {', '.join(DTYPES)}")
        raw = np.memmap(entry["path"], dtype=np.uint8, mode="r", offset=entry["begin"], shape=(entry["bytes"],))
        values = np.frombuffer(raw.tobytes(), dtype=dtype)
        if entry["dtype"] == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        values = values.astype(np.float32).reshape(entry["shape"])
        if not np.isfinite(values).all():
            raise ConvertError(f"tensor {name} holds a value that is not a finite number")
        return values


def read_header(path):
    """{name: {dtype, shape, path, begin, bytes}}, every offset checked against the file's size."""
    size = path.stat().st_size
    with path.open("rb") as f:
        length = int.from_bytes(f.read(8), "little")
        if size < 8 or length > size - 8:
            raise ConvertError(f"{path} is no safetensors file, or it is cut short")
        try:
            header = json.loads(f.read(length))
        except ValueError:
            raise ConvertError(f"{path} has a header that is not JSON, so it is no safetensors file") from None
    entries = {}
    for name, e in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in e["data_offsets"])
        item = DTYPES[e["dtype"]].itemsize if e["dtype"] in DTYPES else None
        if end > size or begin > end or (item and int(np.prod(e["shape"])) * item != end - begin):
            raise ConvertError(f"{path} is cut short or damaged: the data of tensor {name} do not fit")
        entries[name] = {"dtype": e["dtype"], "shape": e["shape"], "path": path, "begin": begin, "bytes": end - begin}
    return entries


def read_json(folder, name):
    """The parsed file, or {} when the folder has none."""
    path = folder / name
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as e:
        raise ConvertError(f"{path} is not valid JSON: {e}") from None


def open_weights(folder):
    index = read_json(folder, "model.safetensors.index.json")
    if index:
        files = [folder / f for f in sorted(set(index.get("weight_map", {}).values()))]
    else:
        files = [folder / "model.safetensors"]
    for path in files:
        if not path.is_file():
            raise ConvertError(f"{path} is missing: convert.py reads safetensors weights (model.safetensors or the shards of its index)")
    return Tensors(files)


def open_folder(folder):
    """(config, generation config, Tensors) of a model folder."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ConvertError(f"{folder} is not a folder")
    config = read_json(folder, "config.json")
    if not config:
        raise ConvertError(f"{folder} has no config.json")
    return config, read_json(folder, "generation_config.json"), open_weights(folder)
