#!/usr/bin/env python3
"""The converter: the committed conversions are what it writes today, every type decodes near its source, tokenizers, every refusal."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import gguf
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden"
sys.path.insert(0, str(ROOT / "models"))
from lib import tokenizer  # noqa: E402
from lib.checkpoint import Tensors  # noqa: E402
from lib.decoders import llama3_factors, permute_rows, window_keys  # noqa: E402
from lib.errors import ConvertError  # noqa: E402


def save(path, tensors):
    """A safetensors file from {name: (dtype, array)}."""
    header, data = {}, b""
    for name, (dtype, x) in tensors.items():
        raw = x.tobytes()
        header[name] = {"dtype": dtype, "shape": list(x.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    head = json.dumps(header).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + data)


class Case(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def model(self, name="llama-gqa", **config):
        """A copy of a golden model with config.json changed (None: key removed)."""
        folder = self.folder / "model"
        folder.mkdir()
        for file in ("model.safetensors", "generation_config.json"):
            if (GOLDEN / name / file).is_file():
                (folder / file).write_bytes((GOLDEN / name / file).read_bytes())
        merged = json.loads((GOLDEN / name / "config.json").read_text()) | config
        (folder / "config.json").write_text(json.dumps({k: v for k, v in merged.items() if v is not None}))
        return folder

    def convert(self, folder, *arguments):
        out = self.folder / "out.gguf"
        done = subprocess.run([sys.executable, str(ROOT / "models/convert.py"), str(folder), "-o", str(out), *arguments],
                              capture_output=True, encoding="utf-8", check=False)
        return out, done

    def converted(self, folder, *arguments):
        out, done = self.convert(folder, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return gguf.GGUFReader(out), done.stderr

    def refused(self, folder, pattern, *arguments):
        (self.folder / "out.gguf").unlink(missing_ok=True)
        out, done = self.convert(folder, *arguments)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, f"^convert.py: .*{pattern}.*\n$")
        self.assertFalse(list(self.folder.glob("out.gguf*")))


class Conversions(Case):
    def test_committed_files_are_what_it_writes(self):
        for file in sorted((ROOT / "models/tiny").glob("*.gguf")):
            name = file.stem
            out, done = self.convert(GOLDEN / name, "--type", "f32")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(out.read_bytes(), file.read_bytes(), name)

    def test_manifest_describes_the_included_model(self):
        import hashlib
        for model in json.loads((ROOT / "models/manifest.json").read_text(encoding="utf-8"))["models"]:
            if model.get("included"):
                data = (ROOT / "models" / model["file"]).read_bytes()
                self.assertEqual((len(data), hashlib.sha256(data).hexdigest()), (model["bytes"], model["sha256"]))

    def test_each_type_decodes_near_its_source(self):
        source = Tensors([GOLDEN / "t5-v1_0/model.safetensors"]).load("decoder.block.1.layer.2.DenseReluDense.wo.weight")
        for kind, bound in {"f16": 1e-3, "bf16": 5e-3, "q8_0": 0.01, "q5_1": 0.05, "q5_0": 0.07, "q4_1": 0.1, "q4_0": 0.15}.items():
            reader, _ = self.converted(GOLDEN / "t5-v1_0", "--type", kind)
            tensor = next(t for t in reader.tensors if t.name == "dec.blk.1.ffn_down.weight")
            self.assertEqual(tensor.tensor_type.name.lower(), kind)
            error = np.abs(gguf.quants.dequantize(tensor.data, tensor.tensor_type) - source).max() / np.abs(source).max()
            self.assertLess(error, bound, kind)

    def test_rows_that_fit_no_block_become_f16_with_a_note(self):
        reader, note = self.converted(GOLDEN / "t5-v1_0", "--type", "q8_0")
        kinds = {t.name: t.tensor_type.name for t in reader.tensors}
        self.assertEqual(kinds["token_embd.weight"], "F16")  # rows of 48
        self.assertEqual(kinds["dec.blk.0.ffn_down.weight"], "Q8_0")  # rows of 96
        self.assertEqual(kinds["enc.blk.0.attn_rel_b.weight"], "F32")
        self.assertIn("stored as F16", note)

    def test_shards_and_bfloat16(self):
        whole, folder = Tensors([GOLDEN / "qwen2/model.safetensors"]), self.model("qwen2")
        (folder / "model.safetensors").unlink()
        names, weight_map = sorted(whole.names()), {}
        for part in range(2):
            file = f"model-{part}.safetensors"
            halves = {n: ("BF16", (whole.load(n).view(np.uint32) >> 16).astype(np.uint16)) for n in names[part::2]}
            save(folder / file, halves)
            weight_map |= dict.fromkeys(halves, file)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
        reader, _ = self.converted(folder, "--type", "f32")
        got = next(t.data for t in reader.tensors if t.name == "token_embd.weight")
        want = (whole.load("model.embed_tokens.weight").view(np.uint32) & 0xFFFF0000).view(np.float32)
        self.assertTrue(np.array_equal(got, want))

    def test_generation_settings(self):
        folder = self.model()
        (folder / "generation_config.json").write_text('{"temperature": 1, "top_k": 5, "do_sample": true, "eos_token_id": [2, 7], "cache": "x"}')
        reader, _ = self.converted(folder)
        got = {k: f.contents() for k, f in reader.fields.items() if k.startswith("generation.")}
        self.assertEqual(got, {"generation.temperature": 1.0, "generation.top_k": 5, "generation.do_sample": True, "generation.eos_token_ids": [2, 7]})

    def test_rope_scaling(self):
        scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
        config = {"rope_parameters": None, "rope_scaling": scaling, "rope_theta": 10000.0, "head_dim": 8}
        reader, _ = self.converted(self.model(**config))
        factors = next(t.data for t in reader.tensors if t.name == "rope_freqs.weight")
        self.assertTrue(np.array_equal(factors, llama3_factors(config)["rope_freqs.weight"]))
        self.assertEqual(factors[0], 1.0)    # wavelength 6.3, below 64 / 4: kept
        self.assertEqual(factors[-1], 8.0)   # wavelength 6283, above 64 / 1: divided

    def test_sliding_windows(self):
        kinds = ["sliding_attention", "full_attention"]
        for config, want in (({"sliding_window": 32}, (32, None)), ({"sliding_window": 32, "layer_types": kinds}, (32, 2)),
                             ({"sliding_window": 32, "layer_types": kinds[::-1]}, (32, [False, True])),
                             ({"sliding_window": 32, "use_sliding_window": False}, (None, None)),
                             ({"sliding_window": 32, "max_window_layers": 1}, (32, [False, True]))):
            self.assertEqual(tuple(window_keys({"num_hidden_layers": 2} | config).get(f"attention.sliding_window{x}") for x in ("", "_pattern")), want)
        reader, _ = self.converted(self.model(sliding_window=32, layer_types=kinds[::-1]))
        self.assertEqual(reader.fields["llama.context_length"].contents(), 128)
        self.assertEqual(reader.fields["llama.attention.sliding_window_pattern"].contents(), [False, True])

    def test_permutation_puts_rotation_pairs_side_by_side(self):
        self.assertEqual(permute_rows(np.arange(8), 2).tolist(), [0, 2, 1, 3, 4, 6, 5, 7])


class Encoders(Case):
    """BERT and its like (lib/bert.py)."""

    def keys(self, folder, *arguments):
        reader, _ = self.converted(folder, "--type", "f32", *arguments)
        return {k: f.contents() for k, f in reader.fields.items()}

    def test_every_tensor_is_there_under_one_name(self):
        for name in ("bert", "bert-classifier", "distilbert", "roberta"):
            source = Tensors([GOLDEN / name / "model.safetensors"])
            values = [source.load(n) for n in source.names()]
            reader = gguf.GGUFReader(ROOT / f"models/tiny/{name}.gguf")
            self.assertEqual(len(reader.tensors), len(values), name)
            for t in reader.tensors:
                data = t.data
                if name == "roberta" and t.name == "position_embd.weight":  # the padding id's rows are left out
                    self.assertTrue(any(np.array_equal(v[2:], data) for v in values if len(v) == 64))
                else:
                    self.assertTrue(any(v.shape == data.shape and np.array_equal(v, data) for v in values), t.name)

    def test_positions_after_the_padding_id(self):
        self.assertEqual(self.keys(self.model("roberta"))["bert.context_length"], 62)
        path = self.folder / "model/config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"pad_token_id": 99}))
        self.refused(self.folder / "model", "64 rows, and the first 100 are left out")

    def test_old_names_of_norms(self):
        folder = self.model("bert")
        source = Tensors([folder / "model.safetensors"])
        old = {n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): ("F32", source.load(n))
               for n in source.names()}
        save(folder / "model.safetensors", old)
        out, done = self.convert(folder, "--type", "f32", "--name", "bert")
        self.assertEqual((done.returncode, out.read_bytes()), (0, (ROOT / "models/tiny/bert.gguf").read_bytes()), done.stderr)
        name = "bert.embeddings.LayerNorm.weight"
        save(folder / "model.safetensors", old | {name: ("F32", source.load(name))})
        self.refused(folder, "both are embeddings.LayerNorm.weight")

    def test_sentence_transformers_folder(self):
        folder = self.model("bert", architectures=["BertModel"])
        source = Tensors([folder / "model.safetensors"])
        bare = {n.removeprefix("bert."): ("F32", source.load(n)) for n in source.names() if n.startswith("bert.")}
        pooler = {"pooler.dense.weight": ("F32", np.zeros((48, 48), np.float32)), "pooler.dense.bias": ("F32", np.zeros(48, np.float32))}
        save(folder / "model.safetensors", bare | pooler)
        self.assertNotIn("bert.pooling_type", self.keys(folder))
        modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"}
                   for path, kind in (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))]
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / "1_Pooling").mkdir()
        for number, name in ((1, "mean_tokens"), (2, "cls_token"), (3, "lasttoken")):
            (folder / "1_Pooling/config.json").write_text(json.dumps({f"pooling_mode_{name}": True, "pooling_mode_max_tokens": False}))
            keys = self.keys(folder)
            self.assertEqual((keys["bert.pooling_type"], keys["loquat.embedding.normalize"], keys["loquat.task"]), (number, True, "embed"))
        (folder / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode_max_tokens": True}))
        self.refused(folder, "asks for pooling_mode_max_tokens")
        (folder / "modules.json").write_text(json.dumps([*modules, {"path": "3", "type": "x.Dense"}]))
        (folder / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
        self.refused(folder, "has a module Dense")

    def test_labels(self):
        keys = self.keys(self.model("bert-classifier", id2label={"0": "no", "1": "yes", "2": "maybe"}))
        self.assertEqual((keys["bert.classifier.output_labels"], keys["bert.classifier.problem"], keys["loquat.task"]),
                         (["no", "yes", "maybe"], "single_label", "classify"))

    def test_refusals(self):
        self.refused(self.model("bert", hidden_act="mish"), "hidden_act 'mish' is not known")
        path = self.folder / "model/config.json"
        config = json.loads((GOLDEN / "bert/config.json").read_text())
        for changes, pattern in (({"position_embedding_type": "relative_key"}, "relative_key"), ({"is_decoder": True}, "is_decoder"),
                                 ({"architectures": ["BertForTokenClassification"]}, "no tensor classifier.weight")):
            path.write_text(json.dumps(config | changes))
            self.refused(self.folder / "model", pattern)


class Textbook(Case):
    """torch.nn.Transformer (lib/transformer.py)."""

    def test_fused_projections_are_parted_and_nothing_is_lost(self):
        source = Tensors([GOLDEN / "transformer/model.safetensors"])
        got = {t.name: t.data for t in gguf.GGUFReader(ROOT / "models/tiny/transformer.gguf").tensors}
        whole = source.load("transformer.decoder.layers.1.multihead_attn.in_proj_weight")
        self.assertTrue(np.array_equal(np.concatenate([got[f"dec.blk.1.cross_attn_{w}.weight"] for w in "qkv"]), whole))
        self.assertEqual(sum(x.size for x in got.values()), sum(source.load(n).size for n in source.names()))

    def test_norms_first_tied_and_without_biases(self):
        folder = self.model("transformer", norm_first=True, tie_word_embeddings=True, activation="gelu")
        source = Tensors([folder / "model.safetensors"])
        kept = {n: ("F32", source.load(n)) for n in source.names() if "bias" not in n and n != "generator.weight"}
        save(folder / "model.safetensors", kept)
        reader, _ = self.converted(folder, "--type", "f32")
        names = [t.name for t in reader.tensors]
        self.assertTrue({"enc.blk.0.attn_norm.weight", "dec.blk.1.cross_attn_norm.weight", "dec.blk.0.ffn_norm.weight"} <= set(names))
        self.assertFalse([n for n in names if "bias" in n or n == "output.weight"])
        self.assertEqual(reader.fields["transformer.norm_place"].contents(), "pre")

    def test_refusals(self):
        self.refused(self.model("transformer", activation="tanh"), "relu and gelu")
        folder = self.folder / "model"
        (folder / "config.json").write_text(json.dumps(json.loads((GOLDEN / "transformer/config.json").read_text()) | {"d_model": 24}))
        self.refused(folder, "in_proj_weight is 144 x 48, which is not what config.json says")


class Refusals(Case):
    def test_architecture(self):
        self.refused(self.model(architectures=["MambaForCausalLM"]), "MambaForCausalLM is not known; known are T5ForConditionalGeneration, .*LlamaForCausalLM, .*BertModel")

    def test_types(self):
        self.refused(self.model(), "`loquat quantize`", "--type", "q4_k")
        self.refused(self.folder / "model", "type 'q9' is not known; known are f32", "--type", "q9")

    def test_folders(self):
        self.refused(self.folder / "none", "is not a folder")
        self.refused(self.folder, "no config.json")
        folder = self.model()
        (folder / "model.safetensors").unlink()
        self.refused(folder, "model.safetensors is missing")
        (folder / "config.json").write_text("{")
        self.refused(folder, "not valid JSON")

    def test_damaged_weights(self):
        folder = self.model()
        data = (folder / "model.safetensors").read_bytes()
        for cut in (0, 7, 100, len(data) - 1):
            (folder / "model.safetensors").write_bytes(data[:cut])
            self.refused(folder, "cut short")
        (folder / "model.safetensors").write_bytes(b"<!doctype html><p>not found</p>")
        self.refused(folder, "no safetensors file")

    def test_tensors(self):
        whole = Tensors([GOLDEN / "llama-gqa/model.safetensors"])
        folder, tensors = self.model(), {n: ("F32", whole.load(n)) for n in whole.names()}
        for change, pattern in (({"model.norm.weight": None}, "no tensor model.norm.weight"),
                                ({"model.layers.0.self_attn.q_norm.weight": ("F32", np.ones(8, np.float32))}, "no place in llama, the first is .*q_norm"),
                                ({"model.norm.weight": ("F32", np.full(48, np.nan, np.float32))}, "model.norm.weight holds a value that is not"),
                                ({"lm_head.weight": ("I8", np.zeros((500, 48), np.int8))}, "lm_head.weight has type I8"),
                                ({"lm_head.weight": ("F32", np.full((500, 48), 1e6, np.float32))}, "beyond float16")):
            save(folder / "model.safetensors", {n: t for n, t in (tensors | change).items() if t})
            self.refused(folder, pattern)

    def test_settings(self):
        self.refused(self.model(hidden_act="swoosh"), "hidden_act.* 'swoosh' is not known; known are relu")

    def test_rope(self):
        self.refused(self.model(rope_parameters={"rope_type": "longrope"}), "'longrope' is not known")

    def test_languages(self):
        self.refused(GOLDEN / "t5-v1_0", "no target-language pieces", "--languages", "fr")
        self.refused(GOLDEN / "qwen2", "--languages is for translation models; qwen2 is none", "--languages", "fr")


# ---- tokenizers ---------------------------------------------------------------------------------

LLAMA3 = {"type": "Sequence", "pretokenizers": [
    {"type": "Split", "pattern": {"Regex": tokenizer.SPLIT_LLAMA3}, "behavior": "Isolated", "invert": False}, {"type": "ByteLevel", "use_regex": False}]}
QWEN2 = json.loads(json.dumps(LLAMA3).replace("{1,3}", ""))
SMOLLM = {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, {"type": "ByteLevel", "use_regex": True}]}


def varint(n):
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)


def message(*fields):
    """Protobuf bytes of (number, value) pairs: ints as varints, bytes and strings with their length."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value & (1 << 64) - 1)
        else:
            value = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


class Tokenizers(Case):
    def test_pre_tokenizers(self):
        for spec, name in ((LLAMA3, "llama-bpe"), (QWEN2, "qwen2"), (SMOLLM, "smollm"), ({"type": "ByteLevel", "use_regex": True}, "gpt-2")):
            self.assertEqual(tokenizer.pre_tokenizer(spec), name)
        for spec in (None, {"type": "Metaspace"}, {"type": "ByteLevel", "add_prefix_space": True}, {"type": "Sequence", "pretokenizers": []}):
            self.assertRaisesRegex(ConvertError, "is not known; known are those of GPT-2", tokenizer.pre_tokenizer, spec)

    def bpe(self, **changes):
        model = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]}
        data = {"model": model, "pre_tokenizer": SMOLLM, "added_tokens": [{"id": 3, "content": "<s>", "special": True}, {"id": 5, "content": "<u>"}]}
        (self.folder / "tokenizer.json").write_text(json.dumps(data | changes))
        (self.folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "pad_token": {"content": "<u>"}, "chat_template": "T"}))

    def test_byte_level_bpe(self):
        self.bpe(post_processor={"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]})
        vocab = tokenizer.open_tokenizer(self.folder, {"vocab_size": 7, "eos_token_id": [2, 3]})
        self.assertEqual(vocab.tokens, ["a", "b", "ab", "<s>", "[PAD4]", "<u>", "[PAD6]"])
        self.assertEqual(vocab.types, [1, 1, 1, 3, 5, 4, 5])
        self.assertEqual((vocab.merges, vocab.chat_template), (["a b"], "T"))
        self.assertEqual(vocab.keys, {"pre": "smollm", "add_space_prefix": False, "add_bos_token": True, "add_eos_token": False,
                                      "bos_token_id": 3, "eos_token_id": 2, "padding_token_id": 5})

    def test_what_names_do_not_say_becomes_keys(self):
        flags = [{"id": 3, "content": "<m>", "lstrip": True, "rstrip": True}, {"id": 4, "content": "e\u0301", "normalized": True}]
        self.bpe(normalizer={"type": "NFC"}, added_tokens=flags)
        vocab = tokenizer.open_tokenizer(self.folder, {})
        self.assertEqual(vocab.tokens[4], "\u00e9")  # matched in normalised text
        self.assertEqual({k: v for k, v in vocab.keys.items() if k.startswith("loquat.")}, {
            "loquat.tokenizer.lstrip": [3], "loquat.tokenizer.rstrip": [3], "loquat.tokenizer.normalized": [4], "loquat.tokenizer.nfc": True})
        model = {"type": "BPE", "vocab": {"a": 0}, "merges": [], "ignore_merges": True}
        self.bpe(pre_tokenizer=LLAMA3, model=model, added_tokens=[])
        self.assertFalse([k for k in tokenizer.open_tokenizer(self.folder, {}).keys if k.startswith("loquat.")])
        self.bpe(pre_tokenizer=LLAMA3, model=model | {"ignore_merges": False}, added_tokens=[])
        self.assertIs(tokenizer.open_tokenizer(self.folder, {}).keys["loquat.tokenizer.ignore_merges"], False)
        self.bpe(pre_tokenizer=QWEN2)
        self.assertIs(tokenizer.open_tokenizer(self.folder, {}).keys["loquat.tokenizer.nfc"], False)

    def test_what_cannot_be_mapped_is_refused_by_name(self):
        model = {"type": "BPE", "vocab": {"a": 0}, "merges": []}
        two = [{"SpecialToken": {"id": "<s>"}}, {"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]
        for changes, pattern in (
                ({"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}}, "normalizer NFC \\+ Lowercase"),
                ({"decoder": {"type": "WordPiece"}}, "decoder WordPiece"),
                ({"post_processor": {"type": "BertProcessing"}}, "post_processor BertProcessing"),
                ({"post_processor": {"type": "TemplateProcessing", "single": two}}, "more than one token before or after"),
                ({"added_tokens": [{"id": 3, "content": "<w>", "single_word": True}]}, "'<w>' of tokenizer.json is single_word"),
                ({"model": model | {"dropout": 0.1}}, "dropout = 0.1"),
                ({"model": model | {"end_of_word_suffix": "</w>"}}, "end_of_word_suffix = '</w>'"),
                ({"model": model | {"continuing_subword_prefix": "##"}}, "continuing_subword_prefix = '##'"),
                ({"model": model | {"unk_token": "<unk>"}}, "unk_token = '<unk>'")):
            self.bpe(**changes)
            with self.subTest(pattern):
                self.assertRaisesRegex(ConvertError, pattern, tokenizer.open_tokenizer, self.folder, {})

    def test_more_tokens_than_rows_are_refused(self):
        self.bpe()
        self.assertRaisesRegex(ConvertError, "6 tokens, the model's vocab_size is 5", tokenizer.open_tokenizer, self.folder, {"vocab_size": 5})

    def test_other_models_are_refused(self):
        self.bpe(model={"type": "Unigram"})
        self.assertRaisesRegex(ConvertError, "a Unigram model", tokenizer.open_tokenizer, self.folder, {})

    def test_sentencepiece(self):
        pieces = [message((1, p), (3, kind)) for p, kind in (("<pad>", 3), ("</s>", 3), ("<unk>", 2), ("<2fr>", 4), ("▁a", 1))]
        spec = message((40, 2), (41, -1), (42, 1), (43, 0))
        (self.folder / "spiece.model").write_bytes(message(*((1, p) for p in pieces), (2, spec), (3, message((2, b"map"), (4, 0)))))
        (self.folder / "added_tokens.json").write_text('{"<extra_id_0>": 5}')
        vocab = tokenizer.open_tokenizer(self.folder, {"vocab_size": 7})
        self.assertEqual(vocab.tokens, ["<pad>", "</s>", "<unk>", "<2fr>", "▁a", "<extra_id_0>", "[PAD6]"])
        self.assertEqual(vocab.types, [3, 3, 2, 4, 1, 4, 5])
        self.assertEqual(vocab.keys, {"unknown_token_id": 2, "eos_token_id": 1, "padding_token_id": 0, "add_space_prefix": True,
                                      "remove_extra_whitespaces": False, "add_bos_token": False, "add_eos_token": True, "precompiled_charsmap": b"map"})
        self.assertEqual(tokenizer.translation_languages(vocab), ["fr"])

    def test_sentencepiece_flags(self):
        spec, pieces = message((40, 0), (24, 1)), message((1, "<unk>"), (3, 2))
        (self.folder / "spiece.model").write_bytes(message((1, pieces), (2, spec), (3, message((5, 0)))))
        keys = tokenizer.open_tokenizer(self.folder, {}).keys
        self.assertEqual((keys["escape_whitespaces"], keys["treat_whitespace_as_suffix"]), (False, True))
        for extra, pattern in (((2, message((44, " ?? "))), "unk_surface"), ((5, message((2, b"map"))), "denormalizer_spec")):
            (self.folder / "spiece.model").write_bytes(message((1, pieces), (2, spec), extra))
            self.assertRaisesRegex(ConvertError, pattern, tokenizer.open_tokenizer, self.folder, {})

    def test_roberta_ends(self):
        self.bpe(post_processor={"type": "RobertaProcessing", "cls": ["<s>", 3], "sep": ["<u>", 5]})
        keys = tokenizer.open_tokenizer(self.folder, {}).keys
        self.assertEqual((keys["add_bos_token"], keys["add_eos_token"]), (True, True))

    def test_sentencepiece_bpe(self):
        pieces = [message((1, p), (3, kind)) for p, kind in (("<unk>", 2), ("<s>", 3), ("</s>", 3), ("▁a", 1))]
        (self.folder / "tokenizer.model").write_bytes(message(*((1, p) for p in pieces), (2, message((3, 2), (40, 0), (41, 1), (42, 2)))))
        vocab = tokenizer.open_tokenizer(self.folder, {})
        self.assertEqual((vocab.model, vocab.keys["add_bos_token"], vocab.keys["add_eos_token"]), ("llama", True, False))
        (self.folder / "tokenizer_config.json").write_text('{"add_bos_token": false}')
        self.assertIs(tokenizer.open_tokenizer(self.folder, {}).keys["add_bos_token"], False)

    def test_xlm_r_numbers_its_own_way(self):
        pieces = [message((1, p), (3, kind)) for p, kind in (("<unk>", 2), ("<s>", 3), ("</s>", 3), (",", 1), ("▁a", 1))]
        (self.folder / "sentencepiece.bpe.model").write_bytes(message(*((1, p) for p in pieces)))
        vocab = tokenizer.open_tokenizer(self.folder, {"model_type": "xlm-roberta", "vocab_size": 7})
        self.assertEqual(vocab.tokens, ["<s>", "<pad>", "</s>", "<unk>", ",", "▁a", "<mask>"])
        self.assertEqual((vocab.types, len(vocab.scores)), ([3, 3, 3, 2, 1, 1, 3], 7))
        wanted = {"bos_token_id": 0, "eos_token_id": 2, "unknown_token_id": 3, "mask_token_id": 6, "add_bos_token": True, "add_eos_token": True}
        self.assertEqual({k: vocab.keys[k] for k in wanted}, wanted)
        (self.folder / "sentencepiece.bpe.model").write_bytes(message(*((1, p) for p in pieces[1:])))
        self.assertRaisesRegex(ConvertError, "begins with <unk>", tokenizer.open_tokenizer, self.folder, {"model_type": "xlm-roberta"})

    def wordpiece(self, **changes):
        data = {"model": {"type": "WordPiece", "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "un": 3, "##able": 4}}, "decoder": {"type": "WordPiece"},
                "normalizer": {"type": "BertNormalizer", "lowercase": True, "strip_accents": None, "clean_text": True, "handle_chinese_chars": True},
                "pre_tokenizer": {"type": "BertPreTokenizer"},
                "added_tokens": [{"id": i, "content": t, "special": True} for i, t in enumerate(("[UNK]", "[CLS]", "[SEP]"))]}
        (self.folder / "tokenizer.json").write_text(json.dumps(data | changes))

    def test_wordpiece(self):
        self.wordpiece()
        vocab = tokenizer.open_tokenizer(self.folder, {"vocab_size": 6})
        self.assertEqual((vocab.model, vocab.tokens), ("bert", ["[UNK]", "[CLS]", "[SEP]", "▁un", "able", "[PAD5]"]))
        self.assertEqual(vocab.types, [3, 3, 3, 1, 1, 5])
        self.assertEqual(vocab.keys, {"add_bos_token": True, "add_eos_token": True, "unknown_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
                                      "seperator_token_id": 2})
        (self.folder / "tokenizer.json").unlink()
        (self.folder / "vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\nun\n##able\n")
        (self.folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
        listed = tokenizer.open_tokenizer(self.folder, {"vocab_size": 6})
        self.assertEqual((listed.tokens, listed.types), (vocab.tokens, vocab.types))
        self.assertEqual({k: v for k, v in listed.keys.items() if "loquat" in k}, {"loquat.tokenizer.lowercase": False})

    def test_wordpiece_refusals(self):
        vocab = {"[UNK]": 0, "a": 1}
        for changes, pattern in (({"model": {"type": "WordPiece", "vocab": vocab, "max_input_chars_per_word": 50}}, "max_input_chars_per_word"),
                                 ({"normalizer": {"type": "Lowercase"}}, "Lowercase, BertPreTokenizer"),
                                 ({"model": {"type": "WordPiece", "vocab": {"a": 0}}, "added_tokens": []}, "no unknown token"),
                                 ({"added_tokens": [{"id": 5, "content": "<w>", "single_word": True}]}, "single_word")):
            self.wordpiece(**changes)
            with self.subTest(pattern):
                self.assertRaisesRegex(ConvertError, pattern, tokenizer.open_tokenizer, self.folder, {})

    def test_damaged_or_other_sentencepiece(self):
        for data, pattern in ((b"\x0a\xff", "cut short"), (message((2, message((3, 3)))), "SentencePiece word model")):
            (self.folder / "spiece.model").write_bytes(data)
            self.assertRaisesRegex(ConvertError, pattern, tokenizer.open_tokenizer, self.folder, {})


if __name__ == "__main__":
    unittest.main()
