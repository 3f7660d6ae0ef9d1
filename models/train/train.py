"""Train the translator: python train.py --corpus FOLDER --tokenizer spm.model --out RUN --minutes 60 [--init model.safetensors]

Resumes from RUN/checkpoint.pt when that is there, at any moment, on the batches that an uninterrupted run would have seen. The learning
rate follows progress (0..1): each step advances it by that step's share of the time left until the budget ends, so the decay always
completes in time, whatever other work, pauses and resumptions take. Weights are bfloat16 with float32 masters, on CPU and CUDA alike.
"""
import argparse
import json
import os
import signal
import time

import sentencepiece
import torch

import data
import evaluate
import export
from model import Config, SmoothedCrossEntropy, Translator


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--corpus', required=True)
    p.add_argument('--tokenizer', required=True)
    p.add_argument('--out', required=True, help='folder of the checkpoint and of the log')
    p.add_argument('--minutes', type=float, required=True, help='time budget of this call, evaluation and pauses included')
    p.add_argument('--init', help='safetensors with Hugging Face T5 names to start from')
    p.add_argument('--rate', type=float, default=2e-3, help='peak learning rate')
    p.add_argument('--warmup', type=int, default=200, help='steps')
    p.add_argument('--smoothing', type=float, default=0.1)
    p.add_argument('--tokens', type=int, default=3072, help='padded tokens a batch, of the longer side')
    p.add_argument('--threads', type=int, default=os.cpu_count(), help='at most; beside other work fewer may do more, which is measured as it goes')
    p.add_argument('--layers', default='6+2', help='encoder+decoder')
    p.add_argument('--d-model', type=int, default=256)
    p.add_argument('--d-ff', type=int, default=768)
    p.add_argument('--dropout', type=float, default=0.0)
    p.add_argument('--compile', action='store_true')
    p.add_argument('--drop', help='file of pairs to leave out (evaluate.py --score)')
    p.add_argument('--pause', default='/tmp/pause-training', help='training sleeps while this file exists')
    p.add_argument('--save-every', type=float, default=4, help='minutes between checkpoints')
    p.add_argument('--eval-every', type=float, default=12, help='minutes between scores on a slice of the dev sets')
    p.add_argument('--seed', type=int, default=1)
    return p.parse_args()


class Run:
    """Model, masters, optimiser, average and batch stream; everything that a checkpoint holds."""

    def __init__(self, a):
        self.a = a
        self.device = 'cuda' if torch.cuda.is_available() else 'cpu'
        self.tokenizer = sentencepiece.SentencePieceProcessor(model_file=a.tokenizer)
        self.path = os.path.join(a.out, 'checkpoint.pt')
        saved = torch.load(self.path, map_location='cpu') if os.path.exists(self.path) else None
        enc, dec = map(int, a.layers.split('+'))
        config = Config(vocab=self.tokenizer.get_piece_size(), d_model=a.d_model, d_ff=a.d_ff, heads=a.d_model // 32, encoder_layers=enc,
                        decoder_layers=dec, dropout=a.dropout)
        torch.manual_seed(a.seed)
        if saved:
            config = Config(**saved['config'])
        model = Translator(config)
        if a.init and not saved:
            export.load(model, a.init)
        if saved:
            model.load_state_dict(saved['master'])
        self.names = [n for n, _ in model.named_parameters()]
        self.master = [p.detach().clone().float().to(self.device) for p in model.parameters()]
        self.average = [p.clone() for p in self.master]
        self.model = model.to(self.device).to(torch.bfloat16)
        self.forward = torch.compile(self.model, dynamic=True) if a.compile else self.model
        groups = [{'params': [p for p in self.master if p.dim() > 1], 'weight_decay': 0.01},
                  {'params': [p for p in self.master if p.dim() == 1], 'weight_decay': 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), fused=True)
        self.step, self.progress, self.seconds, stream = 0, 0.0, 0.0, None
        if saved:
            self.average = [saved['average'][n].to(self.device) for n in self.names]
            self.optimizer.load_state_dict(saved['optimizer'])
            self.step, self.progress, self.seconds, stream = saved['step'], saved['progress'], saved['seconds'], saved['stream']
            torch.set_rng_state(saved['random'])
        drop = {tuple(line.rstrip('\n').split('\t')[:2]) for line in open(a.drop, encoding='utf8')} if a.drop else None
        self.sources = data.load_train(a.corpus, drop)
        self.stream = data.Stream(self.sources, self.tokenizer, seed=a.seed, tokens=a.tokens, state=stream)

    def save(self):
        state = {'master': dict(zip(self.names, self.master)), 'average': dict(zip(self.names, self.average)), 'config': self.model.c.dict(),
                 'optimizer': self.optimizer.state_dict(), 'step': self.step, 'progress': self.progress, 'seconds': self.seconds,
                 'stream': self.stream.state(), 'random': torch.get_rng_state()}
        torch.save(state, self.path + '.tmp')
        os.replace(self.path + '.tmp', self.path)

    def rate(self):
        """Warm-up by steps, a short plateau, then linear to zero at progress 1."""
        return self.a.rate * min(1.0, (self.step + 1) / self.a.warmup) * min(1.0, (1 - self.progress) / 0.85)

    def train_step(self):
        """-> (sum of the negative log-likelihood, target tokens, pairs)"""
        for group in self.optimizer.param_groups:
            group['lr'] = self.rate()
        source, fed, target = (torch.from_numpy(x).to(self.device) for x in self.stream(self.progress))
        states = self.forward(source, fed)
        real = target != 0
        loss = SmoothedCrossEntropy.apply(states[real], self.model.embedding.weight, target[real], self.a.smoothing)
        loss.backward()
        for master, p in zip(self.master, self.model.parameters()):
            master.grad = p.grad.float()
        torch.nn.utils.clip_grad_norm_(self.master, 1.0)
        self.optimizer.step()
        with torch.no_grad():
            for master, p in zip(self.master, self.model.parameters()):
                p.copy_(master)
                p.grad = None
            self.step += 1
            if self.step % 8 == 0:
                keep = min(0.998, self.step / (self.step + 100)) ** 8
                torch._foreach_lerp_(self.average, self.master, 1 - keep)
        tokens = int(real.sum())
        return loss.item() * tokens, tokens, len(source)

    def averaged(self):
        """The averaged weights as a float32 model."""
        model = Translator(self.model.c)
        model.load_state_dict(dict(zip(self.names, self.average)))
        return model.to(self.device).eval()


def wait_while(path):
    """Sleep while the pause file exists -> seconds slept."""
    begin = time.time()
    while os.path.exists(path):
        time.sleep(2)
    return time.time() - begin


class Threads:
    """Chooses between `most` threads and one fewer: on a busy machine a step waits for its slowest thread."""
    WINDOW, LOOK_AGAIN = 12, 10  # steps between choices; every so many choices the other count is measured again

    def __init__(self, most):
        self.counts, self.speed, self.turn, self.tokens, self.seconds = sorted({most, max(1, most - 1)}), {}, 0, 0, 0.0
        self.now = most
        torch.set_num_threads(most)

    def after_step(self, tokens, seconds, step):
        self.tokens, self.seconds = self.tokens + tokens, self.seconds + seconds
        if step % self.WINDOW or len(self.counts) == 1:
            return
        self.speed[self.now] = self.tokens / self.seconds
        self.turn, self.tokens, self.seconds = self.turn + 1, 0, 0.0
        other = next(c for c in self.counts if c != self.now)
        if other not in self.speed or self.speed[other] > self.speed[self.now] or self.turn % self.LOOK_AGAIN == 0:
            self.now = other
            torch.set_num_threads(other)


def dev_scores(run, lines=200):
    model = run.averaged().to(torch.bfloat16)
    return {name: [round(evaluate.chrf(*evaluate.translate_dev(model, run.tokenizer, data.load_dev(run.a.corpus, name, lines), to)), 2)
                   for to in ('en', 'fr')] for name in ('slice_tatoeba', 'newstest2013')}


def main():
    a = arguments()
    os.makedirs(a.out, exist_ok=True)
    threads, stop = Threads(a.threads), []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))  # checkpoint, then end
    end = time.time() + a.minutes * 60
    run = Run(a)
    log = open(os.path.join(a.out, 'log.jsonl'), 'a', encoding='utf8')
    print(f'{sum(p.numel() for p in run.master) / 1e6:.1f} M weights, {sum(map(len, run.sources.values()))} pairs, from step {run.step}', flush=True)
    saved = scored = reported = time.time()
    loss = tokens = pairs = paused = 0
    run.model.train()
    while run.progress < 0.9999 and time.time() < end and not stop:
        paused += wait_while(a.pause)
        begin = time.time()
        nll, n, rows = run.train_step()
        loss, tokens, pairs = loss + nll, tokens + n, pairs + rows
        took = time.time() - begin
        run.seconds += took
        threads.after_step(n, took, run.step)
        run.progress += (1 - run.progress) * min(1.0, took / max(took, end - begin))
        if time.time() - reported > 60:
            line = {'step': run.step, 'progress': round(run.progress, 4), 'minutes': round(run.seconds / 60, 1), 'nll': round(loss / tokens, 3),
                    'tokens_s': round(tokens / (time.time() - reported)), 'pairs_s': round(pairs / (time.time() - reported)),
                    'rate': round(run.rate(), 6), 'threads': threads.now, 'speed': {c: round(s) for c, s in threads.speed.items()},
                    'paused': round(paused), 'left_min': round((end - time.time()) / 60, 1)}
            if time.time() - scored > a.eval_every * 60:
                line['chrf'] = dev_scores(run)
                run.model.train()
                scored = time.time()
            print(json.dumps(line), file=log, flush=True)
            print(json.dumps(line), flush=True)
            loss = tokens = pairs = paused = 0
            reported = time.time()
        if time.time() - saved > a.save_every * 60:
            run.save()
            saved = time.time()
    run.save()
    if stop:
        return
    print(json.dumps({'done': run.step, 'progress': run.progress, 'chrf': dev_scores(run)}), flush=True)


if __name__ == '__main__':
    main()
