"""Every family the converter knows. A new one is one more Arch in decoders.py, pairs.py or encoders.py (models/README.md)."""

from .decoders import DECODERS
from .errors import ConvertError
from .pairs import PAIRS

ARCHS = (*PAIRS, *DECODERS)


def find(config):
    """The Arch of a config.json."""
    classes = config.get("architectures") or ["(none)"]
    for arch in ARCHS:
        if classes[0] in arch.classes:
            return arch
    known = ", ".join(c for arch in ARCHS for c in arch.classes)
    raise ConvertError(f"architecture {classes[0]} is not known; known are {known}")
