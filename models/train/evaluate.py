"""Score a translator: python evaluate.py --corpus FOLDER [--checkpoint RUN/checkpoint.pt --tokenizer spm.model] [--gguf FILE] ...

BLEU and chrF by sacreBLEU, signatures printed, both directions, on dev sets of the corpus folder; --cases scores the behaviour table too.
Systems, side by side: PyTorch weights (greedy, --beams N), a GGUF through build/loquat (greedy, the only search it has yet), and with
--system NAME 'COMMAND' any program that turns lines of {from} into lines of {to}. --score writes the pairs that the weights find absurd.
"""
import argparse
import json
import os
import re
import subprocess

import numpy as np
import sentencepiece
import torch
import torch.nn.functional as F
from sacrebleu.metrics import BLEU, CHRF

import data
import export
from model import beam, greedy

SETS = ('slice_tatoeba', 'long_everyday', 'newstest2013')
HERE = os.path.dirname(os.path.abspath(__file__))
ENGINE = os.path.join(HERE, '..', '..', 'build', 'loquat')


def translate(model, tokenizer, texts, to, beams=1, batch=64):
    """Translations of texts into 'en' or 'fr', in order; each text whole, however many sentences it has."""
    tag, device = tokenizer.piece_to_id(f'<2{to}>'), next(model.parameters()).device
    ids = [[tag, *row[:126], 1] for row in tokenizer.encode(texts)]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    out = [''] * len(ids)
    for at in range(0, len(order), batch):
        rows = order[at:at + batch]
        source = torch.from_numpy(data.pad([ids[i] for i in rows])).to(device)
        for i, pieces in zip(rows, beam(model, source, beams) if beams > 1 else greedy(model, source)):
            out[i] = tokenizer.decode(pieces)
    return out


def torch_system(model, tokenizer, beams):
    return lambda texts, to: translate(model, tokenizer, texts, to, beams)


def command_system(command):
    """A program fed one text a line; {from} and {to} in the command stand for the languages."""
    def run(texts, to):
        words = [w.replace('{from}', 'fr' if to == 'en' else 'en').replace('{to}', to) for w in command]
        done = subprocess.run(words, input=''.join(t + '\n' for t in texts), capture_output=True, encoding='utf8', check=False)
        lines = done.stdout.split('\n')[:-1]
        if done.returncode or len(lines) != len(texts):
            raise SystemExit(f'{" ".join(words)}: exit {done.returncode}, {len(lines)} lines for {len(texts)}: {done.stderr[-300:]}')
        return lines
    return run


def sides(pairs, to):
    return ([fr for _, fr in pairs], [en for en, _ in pairs]) if to == 'en' else ([en for en, _ in pairs], [fr for _, fr in pairs])


def translate_dev(model, tokenizer, pairs, to):
    source, reference = sides(pairs, to)
    return translate(model, tokenizer, source, to), reference


def chrf(out, reference):
    return CHRF().corpus_score(out, [reference]).score


def score_set(name, system, pairs, signatures):
    line = {'system': name, 'lines': len(pairs)}
    for to in ('en', 'fr'):
        source, reference = sides(pairs, to)
        out = system(source, to)
        for metric in (BLEU(), CHRF()):
            line[f'{type(metric).__name__} {"fr-en" if to == "en" else "en-fr"}'] = round(metric.corpus_score(out, [reference]).score, 1)
            signatures[type(metric).__name__] = metric.get_signature().format()
    return line


# ---- the behaviour table ----

def plain(text):
    """Case, quotes, spaces and final punctuation aside: what does not make a translation wrong."""
    text = text.translate(str.maketrans('’«»“”\u202f\xa0', '\'""""  ')).lower()
    return re.sub(r'\s+', ' ', re.sub(r' +([?!:;,.])', r'\1', text)).strip(' .!?;…')


def read_cases(path):
    """[(language wanted, category, source, pattern)]; pattern: a regular expression for the whole plain() answer, without case."""
    with open(path, encoding='utf8') as f:
        rows = [line.rstrip('\n').split('\t') for line in f if line.strip() and not line.startswith('#')]
    for row in rows:
        if len(row) != 4 or row[0] not in ('en', 'fr'):
            raise SystemExit(f'{path}: want "en|fr TAB category TAB source TAB accepted", got {row}')
    return [(to, category, source, re.compile(accepted, re.I)) for to, category, source, accepted in rows]


def loops(text):
    """True when a phrase of one to four words comes three times in a row."""
    return re.search(r'\b(\w+(?:\W+\w+){0,3})(?:\W+\1\b){2}', text, re.I) is not None


def score_cases(path, system):
    cases, failed, by_category = read_cases(path), [], {}
    for to in ('en', 'fr'):
        rows = [c for c in cases if c[0] == to]
        for (_, category, source, accepted), out in zip(rows, system([c[2] for c in rows], to)):
            good = accepted.fullmatch(plain(out)) is not None and (loops(source) or not loops(out))
            right, count = by_category.get(category, (0, 0))
            by_category[category] = right + good, count + 1
            if not good:
                failed.append((to, category, source, out))
    return len(cases) - len(failed), len(cases), by_category, failed


# ---- filtering by the model ----

@torch.no_grad()
def pair_losses(model, tokenizer, pairs, to, batch=128):
    """Mean negative log-likelihood a piece of each pair's target side."""
    tag, (source, target) = tokenizer.piece_to_id(f'<2{to}>'), sides(pairs, to)
    rows = [([tag, *s[:126], 1], [*t[:126], 1]) for s, t in zip(tokenizer.encode(source), tokenizer.encode(target))]
    order, out = sorted(range(len(rows)), key=lambda i: len(rows[i][0]) + len(rows[i][1])), np.zeros(len(rows))
    for at in range(0, len(order), batch):
        part = order[at:at + batch]
        s, t = (torch.from_numpy(data.pad([rows[i][k] for i in part])) for k in (0, 1))
        states = model(s, F.pad(t[:, :-1], (1, 0)))
        loss = F.cross_entropy(model.logits(states).float().transpose(1, 2), t, reduction='none', ignore_index=0)
        out[part] = (loss.sum(1) / (t != 0).sum(1)).numpy()
    return out


def write_absurd(model, tokenizer, corpus, path, share=0.04):
    """The worst share of each source, by the mean of both directions' losses: mostly misaligned pairs."""
    with open(path, 'w', encoding='utf8') as f:
        for name, pairs in data.load_train(corpus).items():
            losses = pair_losses(model, tokenizer, pairs, 'en') + pair_losses(model, tokenizer, pairs, 'fr')
            for i in np.argsort(-losses)[:int(share * len(pairs))]:
                f.write('\t'.join(pairs[i]) + f'\t{name}\t{losses[i] / 2:.2f}\n')


def systems(a):
    found = {}
    if a.checkpoint:
        tokenizer = sentencepiece.SentencePieceProcessor(model_file=a.tokenizer)
        model = export.load_checkpoint(a.checkpoint)
        found['torch greedy'] = torch_system(model, tokenizer, 1)
        if a.beams > 1:
            found[f'torch beam {a.beams}'] = torch_system(model, tokenizer, a.beams)
        if a.score:
            write_absurd(model.to(torch.bfloat16), tokenizer, a.corpus, a.score)
    for path in a.gguf:
        found[os.path.basename(path)] = command_system([ENGINE, 'translate', '-m', path, '--from', '{from}', '--to', '{to}',
                                                        '--threads', str(a.threads)])
    for name, command in a.system:
        found[name] = command_system(command.split())
    return found


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--corpus', required=True)
    p.add_argument('--checkpoint')
    p.add_argument('--tokenizer')
    p.add_argument('--beams', type=int, default=1, help='also by beam search of this width (PyTorch)')
    p.add_argument('--gguf', action='append', default=[])
    p.add_argument('--system', action='append', nargs=2, default=[], metavar=('NAME', 'COMMAND'))
    p.add_argument('--sets', nargs='*', default=SETS)
    p.add_argument('--lines', type=int, help='the first N lines of each set')
    p.add_argument('--cases', nargs='?', const=os.path.join(HERE, 'cases.tsv'))
    p.add_argument('--show', action='store_true', help='print the cases that fail')
    p.add_argument('--score', metavar='FILE', help='write the most absurd training pairs, for train.py --drop')
    p.add_argument('--threads', type=int, default=os.cpu_count())
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    signatures = {}
    for name, system in systems(a).items():
        for dev in a.sets:
            pairs = data.load_dev(a.corpus, dev, a.lines)
            print(dev, json.dumps(score_set(name, system, pairs, signatures)) if pairs else 'has no pairs', flush=True)
        if a.cases:
            right, count, by_category, failed = score_cases(a.cases, system)
            print(f'cases {name}: {right} of {count} right ({100 * right / count:.1f} %);',
                  ', '.join(f'{c} {r}/{n}' for c, (r, n) in sorted(by_category.items())), flush=True)
            for row in failed if a.show else []:
                print('  wrong: ' + ' | '.join(row))
    for name, signature in signatures.items():
        print(f'{name}: {signature}')


if __name__ == '__main__':
    main()
