"""A plain numpy forward of a model from its GGUF file, in float64: every tensor the engine can be probed for, and greedy translation.

Says where a run that differs begins to differ, and what a quantised file says when its weights are decoded.
Names: {enc,dec}.<layer>.{in,attn,cross,ffn,out}, {enc,dec}.<layers>.norm, logits;
attn, cross and ffn are what each part adds to the residual stream.
T5: Raffel 2020, with the buckets of Mesh TensorFlow; LLaMA: Touvron 2023; RoPE: Su 2021.
"""

import math

import gguf
import numpy as np


class Weights:
    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.fields = reader.fields
        self.tensors = {t.name: t for t in reader.tensors}
        self.arch = self.fields["general.architecture"].contents()
        self.decoded = {}

    def key(self, name, default=None):
        field = self.fields.get(f"{self.arch}.{name}")
        return default if field is None else field.contents()

    def get(self, name):
        t = self.tensors.get(name)
        if t is not None and name not in self.decoded:
            self.decoded[name] = gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float64)
        return self.decoded.get(name)

    def apply(self, name, x):
        y = x @ self.get(name + ".weight").T
        bias = self.get(name + ".bias")
        return y if bias is None else y + bias


def rms_norm(x, weight, eps):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * weight


def buckets(queries, keys, count, longest, two_sided):
    """T5's bucket of each query-key distance, [queries, keys]."""
    distance = np.arange(keys)[None, :] - np.arange(queries)[:, None]
    base = np.zeros_like(distance)
    if two_sided:
        count //= 2
        base = (distance > 0) * count
        distance = np.abs(distance)
    else:
        distance = np.maximum(-distance, 0)
    exact = count // 2
    scale = np.log(np.maximum(distance, 1).astype(np.float32) / np.float32(exact)) / np.float32(math.log(longest / exact))
    far = np.minimum(exact + (scale * np.float32(count - exact)).astype(int), count - 1)
    return base + np.where(distance < exact, distance, far)


def attend(q, k, v, heads, kv_heads, scale, bias, causal):
    """Multi-head attention of rows q over rows k, v; [rows, heads * width] each."""
    split = lambda x, n: x.reshape(len(x), n, -1).swapaxes(0, 1)  # noqa: E731
    q, k, v = split(q, heads), *(np.repeat(split(x, kv_heads), heads // kv_heads, axis=0) for x in (k, v))
    scores = q @ k.swapaxes(1, 2) * scale + bias
    if causal:
        scores = np.where(np.tril(np.ones(scores.shape[1:], bool)), scores, -np.inf)
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return (scores / scores.sum(axis=-1, keepdims=True) @ v).swapaxes(0, 1).reshape(q.shape[1], -1)


def rotate(x, heads, theta, pairs):
    """RoPE. pairs: the two numbers of a rotation stand side by side; else half a head apart."""
    x = x.reshape(len(x), heads, -1)
    half = x.shape[-1] // 2
    angle = np.arange(len(x))[:, None] * theta ** (-np.arange(half) / half)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    a, b = (slice(0, None, 2), slice(1, None, 2)) if pairs else (slice(0, half), slice(half, None))
    out = np.empty_like(x)
    out[..., a], out[..., b] = x[..., a] * cos - x[..., b] * sin, x[..., a] * sin + x[..., b] * cos
    return out.reshape(len(x), -1)


ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3))),
    "silu": lambda x: x / (1 + np.exp(-x)),
}


class Run:
    """Runs a model, keeping every tensor in `probed`."""

    def __init__(self, path):
        self.w = Weights(path)
        self.probed = {}
        self.eps = self.w.key("attention.layer_norm_rms_epsilon")
        self.heads = self.w.key("attention.head_count")
        self.t5 = self.w.arch == "t5"

    def knows(self):
        """Whether the model is one of those that this file computes."""
        others = ("rope.scaling.type", "attention.sliding_window")
        return self.w.arch in ("t5", "llama", "qwen2") and not any(self.w.key(k) for k in others) and "rope_freqs.weight" not in self.w.tensors

    def attention(self, name, x, over, bias, causal):
        """One attention block's addition to the stream; x is normed, `over` what it attends to."""
        w = self.w
        q, k, v = w.apply(f"{name}_q", x), w.apply(f"{name}_k", over), w.apply(f"{name}_v", over)
        if self.t5:
            return w.apply(f"{name}_o", attend(q, k, v, self.heads, self.heads, 1.0, bias, causal))
        kv = w.key("attention.head_count_kv")
        q, k = (rotate(y, n, w.key("rope.freq_base"), w.arch == "llama") for y, n in ((q, self.heads), (k, kv)))
        return w.apply(f"{name}_output", attend(q, k, v, self.heads, kv, (q.shape[1] // self.heads) ** -0.5, 0.0, causal))

    def ffn(self, name, x):
        act = ACTIVATIONS[self.w.key("feed_forward_activation", "silu")]
        up = self.w.apply(f"{name}_up", x)
        gated = self.w.get(f"{name}_gate.weight") is not None
        return self.w.apply(f"{name}_down", act(self.w.apply(f"{name}_gate", x)) * up if gated else act(up))

    def stack(self, kind, prefix, layers, ids, memory):
        """One stack over ids; returns its normed rows."""
        w, causal = self.w, kind == "dec"
        x = w.get("token_embd.weight")[ids]
        bias = 0.0
        if self.t5:
            table = w.get(f"{prefix}blk.0.attn_rel_b.weight")
            place = buckets(len(ids), len(ids), w.key("attention.relative_buckets_count"), w.key("attention.relative_max_distance"), not causal)
            bias = table[place].transpose(2, 0, 1)
        self.probed[f"{kind}.0.in"] = x
        for b in range(layers):
            name = f"{prefix}blk.{b}"
            norm = lambda part: rms_norm(x, w.get(f"{name}.{part}_norm.weight"), self.eps)  # noqa: B023, E731
            x = x + self.keep(f"{kind}.{b}.attn", self.attention(f"{name}.attn", (h := norm("attn")), h, bias, causal))
            if memory is not None:
                x = x + self.keep(f"{kind}.{b}.cross", self.attention(f"{name}.cross_attn", norm("cross_attn"), memory, 0.0, False))
            x = x + self.keep(f"{kind}.{b}.ffn", self.ffn(f"{name}.ffn", norm("ffn")))
            self.keep(f"{kind}.{b}.out", x)
        return self.keep(f"{kind}.{layers}.norm", rms_norm(x, w.get(f"{prefix}output_norm.weight"), self.eps))

    def keep(self, name, x):
        self.probed[name] = x
        return x

    def scores(self, x):
        head = self.w.get("output.weight" if "output.weight" in self.w.tensors else "token_embd.weight")
        return (x * self.w.key("logit_scale", 1.0)) @ head.T

    def greedy(self, ids, eos, longest):
        """New ids of an encoder-decoder, EOS the last unless `longest` comes first, and the scores of the last step."""
        w, out = self.w, [self.w.key("decoder_start_token_id")]
        memory = self.stack("enc", "enc.", w.key("block_count"), ids, None)
        while len(out) <= longest and out[-1] != eos:
            scores = self.scores(self.stack("dec", "dec.", w.key("decoder_block_count"), out, memory)[-1])
            out.append(int(scores.argmax()))
        return out[1:], scores

    def run(self, ids, decoder_ids):
        w = self.w
        if self.t5:
            memory = self.stack("enc", "enc.", w.key("block_count"), ids, None)
            x = self.stack("dec", "dec.", w.key("decoder_block_count"), decoder_ids, memory)
        else:
            x = self.stack("dec", "", w.key("block_count"), ids, None)
        self.probed["logits"] = self.scores(x)
        return self.probed


def first_difference(model, ids, decoder_ids, got, tolerance):
    """A sentence on the first tensor of `got` (in the order of computation) that lies further than tolerance from the reference."""
    reference = Run(model)
    if not reference.knows():
        return f"the numpy reference does not run such a {reference.w.arch}; the recorded layers say where it begins"
    want = reference.run(ids, decoder_ids)
    shared = [name for name in want if name in got]
    for name in shared:
        a, b = got[name], want[name][-len(got[name]):]
        if a.shape != b.shape:
            return f"first difference: {name} has shape {a.shape}, the reference {b.shape}"
        if np.abs(a - b).max() > tolerance or not np.isfinite(a).all():
            row, col = np.unravel_index(np.nanargmax(np.abs(a - b)), a.shape)
            return f"first difference: {name}[{row}, {col}] is {a[row, col]:.6f}, the reference {b[row, col]:.6f}"
    return f"none of the {len(shared)} probed tensors differs from the reference by more than {tolerance:.0e}"
