"""Writes the seed corpus of the chat template fuzz target: the statements of the parity tests and the real templates with a chat.

    python3 tests/fuzz/make_template_corpus.py tests/fuzz/corpus/template
"""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "parity"))
from template_lines import EXPRESSIONS, STATEMENTS, VARIABLES  # noqa: E402


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    variables = b"\xff" + json.dumps(VARIABLES, ensure_ascii=False).encode()
    for i in range(0, len(STATEMENTS), 4):
        (out / f"statements{i:03d}").write_bytes("\n".join(STATEMENTS[i:i + 4]).encode() + variables)
    for i, line in enumerate(EXPRESSIONS.strip().split("\n")):
        (out / f"expressions{i:03d}").write_bytes("".join("{{ %s }}" % x for x in line.split(" | ")).encode() + variables)
    for path in (ROOT / "data/templates").glob("*.jinja"):
        (out / path.stem).write_bytes(path.read_bytes())


if __name__ == "__main__":
    main()
