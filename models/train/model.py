"""The translation model: T5 v1.1's shape (pre-norm RMSNorm, gated GELU, relative position bias, tied embeddings).

T5 leaves attention unscaled and gives its embeddings unit variance, which trains badly under Adam: attention saturates and
cross-attention never forms. Here the factors 1/sqrt(d_kv) and sqrt(d_model) stand in the graph; export.py folds them into the query and
the shared matrices, which gives T5's arithmetic exactly.
"""
import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn

PAD, EOS = 0, 1


@dataclass
class Config:
    vocab: int = 16000
    d_model: int = 256
    d_kv: int = 32
    d_ff: int = 768
    heads: int = 8
    encoder_layers: int = 6
    decoder_layers: int = 2
    buckets: int = 32
    max_distance: int = 128
    dropout: float = 0.0

    def dict(self):
        return asdict(self)


class RMSNorm(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d))

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, 1e-6)


def linear(d_in, d_out):
    layer = nn.Linear(d_in, d_out, bias=False)
    nn.init.normal_(layer.weight, 0, d_in ** -0.5)
    return layer


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        inner = c.heads * c.d_kv
        self.heads, self.d_kv = c.heads, c.d_kv
        self.q, self.k, self.v = linear(c.d_model, inner), linear(c.d_model, inner), linear(c.d_model, inner)
        self.o = linear(inner, c.d_model)

    def forward(self, x, memory, bias):
        """x[B,T,d] attends to memory[B,S,d]; bias broadcasts to [B,heads,T,S] and carries both position and mask."""
        split = lambda y: y.view(y.shape[0], y.shape[1], self.heads, self.d_kv).transpose(1, 2)
        # Written out: the fused kernel has no gradient for the bias, and its fallback computes in float32.
        q, k, v = split(self.q(x) * self.d_kv ** -0.5), split(self.k(memory)), split(self.v(memory))
        weights = torch.softmax(torch.matmul(q, k.transpose(-1, -2)) + bias, -1)
        return self.o(torch.matmul(weights, v).transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.wi_0, self.wi_1, self.wo = linear(c.d_model, c.d_ff), linear(c.d_model, c.d_ff), linear(c.d_ff, c.d_model)

    def forward(self, x):
        return self.wo(F.gelu(self.wi_0(x), approximate='tanh') * self.wi_1(x))


class Block(nn.Module):
    def __init__(self, c, cross):
        super().__init__()
        self.norm_self, self.attention = RMSNorm(c.d_model), Attention(c)
        if cross:
            self.norm_cross, self.cross = RMSNorm(c.d_model), Attention(c)
        self.norm_ff, self.ff = RMSNorm(c.d_model), FeedForward(c)
        self.drop = nn.Dropout(c.dropout)

    def forward(self, x, bias, memory=None, memory_bias=None):
        h = self.norm_self(x)
        x = x + self.drop(self.attention(h, h, bias))
        if memory is not None:
            x = x + self.drop(self.cross(self.norm_cross(x), memory, memory_bias))
        return x + self.drop(self.ff(self.norm_ff(x)))


def relative_bucket(distance, both_ways, buckets, max_distance):
    """T5's bucket of (key position - query position): exact when near, logarithmic when far."""
    base = torch.zeros_like(distance)
    if both_ways:
        buckets //= 2
        base = (distance > 0).long() * buckets
        distance = distance.abs()
    else:
        distance = (-distance).clamp(min=0)
    exact = buckets // 2
    far = exact + (torch.log(distance.float().clamp(min=1) / exact) / math.log(max_distance / exact) * (buckets - exact)).long()
    return base + torch.where(distance < exact, distance, far.clamp(max=buckets - 1))


class Translator(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embedding = nn.Embedding(c.vocab, c.d_model)
        nn.init.normal_(self.embedding.weight, 0, c.d_model ** -0.5)
        self.encoder = nn.ModuleList(Block(c, False) for _ in range(c.encoder_layers))
        self.decoder = nn.ModuleList(Block(c, True) for _ in range(c.decoder_layers))
        self.encoder_norm, self.decoder_norm = RMSNorm(c.d_model), RMSNorm(c.d_model)
        self.encoder_bias, self.decoder_bias = nn.Embedding(c.buckets, c.heads), nn.Embedding(c.buckets, c.heads)
        for e in (self.encoder_bias, self.decoder_bias):
            nn.init.normal_(e.weight, 0, 0.1)
        self.drop = nn.Dropout(c.dropout)

    def position_bias(self, length, table, both_ways):
        at = torch.arange(length, device=table.weight.device)
        bucket = relative_bucket(at[None, :] - at[:, None], both_ways, self.c.buckets, self.c.max_distance)
        return table(bucket).permute(2, 0, 1)[None]

    def embed(self, ids):
        return self.drop(self.embedding(ids) * self.c.d_model ** 0.5)

    def encode(self, source):
        """source[B,S] ids, 0 = padding -> memory[B,S,d] and the mask that attention to it needs, [B,1,1,S]."""
        x = self.embed(source)
        mask = torch.zeros(source.shape, dtype=x.dtype, device=x.device).masked_fill(source == PAD, -1e9)[:, None, None, :]
        bias = self.position_bias(source.shape[1], self.encoder_bias, True) + mask
        for block in self.encoder:
            x = block(x, bias)
        return self.drop(self.encoder_norm(x)), mask

    def decode(self, target, memory, mask):
        """target[B,T] ids as fed (starting with <pad>) -> states[B,T,d]; logits(states) are the scores of the next piece."""
        n = target.shape[1]
        x = self.embed(target)
        future = torch.ones(n, n, dtype=torch.bool, device=x.device).triu(1)
        bias = self.position_bias(n, self.decoder_bias, False).masked_fill(future, -1e9)
        for block in self.decoder:
            x = block(x, bias, memory, mask)
        return self.drop(self.decoder_norm(x))

    def forward(self, source, target):
        return self.decode(target, *self.encode(source))

    def logits(self, states):
        return F.linear(states, self.embedding.weight)


class SmoothedCrossEntropy(torch.autograd.Function):
    """Mean cross-entropy with label smoothing over a large vocabulary, computing its own gradient a chunk at a time.

    The [tokens, vocabulary] matrix never exists as a whole nor in float32: a chunk's softmax becomes its gradient in place. The uniform
    part of the smoothing has a constant gradient, added once. Returns the plain (unsmoothed) mean, as what it logs.
    """
    CHUNK = 1024

    @staticmethod
    def forward(ctx, states, weight, target, smoothing):
        n, vocab = states.shape[0], weight.shape[0]
        grad_states = torch.empty_like(states)
        grad_weight = torch.zeros(weight.shape, dtype=torch.float32, device=weight.device)
        total = 0.0
        for i in range(0, n, SmoothedCrossEntropy.CHUNK):
            h, t = states[i:i + SmoothedCrossEntropy.CHUNK], target[i:i + SmoothedCrossEntropy.CHUNK, None]
            p = torch.softmax(h @ weight.t(), -1)
            total -= p.gather(1, t).float().clamp(min=1e-30).log().sum().item()
            p.scatter_add_(1, t, torch.full_like(t, smoothing - 1, dtype=p.dtype))
            grad_states[i:i + len(h)] = p @ weight
            grad_weight += p.t() @ h
        uniform = smoothing / vocab
        grad_states -= uniform * weight.float().sum(0).to(states.dtype)
        grad_weight -= uniform * states.float().sum(0)
        ctx.save_for_backward(grad_states / n, (grad_weight / n).to(weight.dtype))
        return torch.tensor(total / n)

    @staticmethod
    def backward(ctx, _):
        grad_states, grad_weight = ctx.saved_tensors
        return grad_states, grad_weight, None, None


@torch.no_grad()
def greedy(model, source, limit=None):
    """Ids of the best next piece, step by step, for each row of source[B,S]; rows end before </s>."""
    memory, mask = model.encode(source)
    limit = limit or min(2 * source.shape[1] + 10, 128)
    target = torch.zeros(len(source), 1, dtype=torch.long, device=source.device)
    done = torch.zeros(len(source), dtype=torch.bool, device=source.device)
    for _ in range(limit):
        best = model.logits(model.decode(target, memory, mask)[:, -1]).argmax(-1).masked_fill(done, PAD)
        target = torch.cat([target, best[:, None]], 1)
        done |= best == EOS
        if done.all():
            break
    return [[t for t in row[1:] if t > EOS] for row in target.tolist()]


@torch.no_grad()
def beam(model, source, width=4, limit=None):
    """As greedy, by beam search: the best of `width` running hypotheses, scores divided by length (as transformers does)."""
    memory, mask = model.encode(source)
    rows, limit = len(source), limit or min(2 * source.shape[1] + 10, 128)
    memory, mask = memory.repeat_interleave(width, 0), mask.repeat_interleave(width, 0)
    target = torch.zeros(rows * width, 1, dtype=torch.long, device=source.device)
    score = torch.full((rows, width), -1e9, device=source.device)
    score[:, 0] = 0  # all beams start equal: count one
    best = [(-1e9, [])] * rows
    for length in range(1, limit + 1):
        step = torch.log_softmax(model.logits(model.decode(target, memory, mask)[:, -1]).float(), -1)
        vocab = step.shape[-1]
        top, at = (score[:, :, None] + step.view(rows, width, vocab)).flatten(1).topk(2 * width)
        parent, piece = at // vocab, at % vocab
        ends = piece == EOS
        for row, rank in ends[:, :width].nonzero().tolist():
            final = top[row, rank].item() / length
            if final > best[row][0]:
                best[row] = final, target[row * width + parent[row, rank], 1:].tolist()
        keep = top.masked_fill(ends, -1e9).topk(width).indices
        score, parent, piece = top.gather(1, keep), parent.gather(1, keep), piece.gather(1, keep)
        flat = (parent + torch.arange(rows, device=source.device)[:, None] * width).flatten()
        target = torch.cat([target[flat], piece.view(-1, 1)], 1)
        if all(b[0] >= s / length for b, s in zip(best, score[:, 0].tolist())):
            break
    return [b[1] or [t for t in target[i * width, 1:].tolist() if t > EOS] for i, b in enumerate(best)]
