"""Writes tests/data/tiny-encoder.gguf and tiny-fill.gguf: the golden BERT classifier and BERT with a small made-up WordPiece vocabulary, so
that texts go through them.

    python3 tests/parity/make_tiny_encoder.py      (needs what models/convert.py needs)
"""
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
WORDS = "the a of to in is it you that he was for on are with as his they be at one have this from or had by hot but some what there we can " \
        "out other were all your when up use word how said an each she which do their time if will way about many then them would write like".split()


def pieces():
    """The vocabulary, in the order of its ids."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return list(dict.fromkeys([*special, *LETTERS, *("##" + c for c in LETTERS), *".,;:!?'\"-()", *WORDS[6:], "##ing", "##ed", "##er"]))


def main():
    for golden, out in (("bert-classifier", "tiny-encoder"), ("bert", "tiny-fill")):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("config.json", "model.safetensors"):
                shutil.copy(ROOT / "tests/golden" / golden / name, folder)
            Path(folder, "vocab.txt").write_text("".join(p + "\n" for p in pieces()), encoding="utf-8")
            subprocess.run([sys.executable, ROOT / "models/convert.py", folder, "-o", ROOT / f"tests/data/{out}.gguf", "--type", "q8_0",
                            "--name", out], check=True)


if __name__ == "__main__":
    main()
