"""Corpus folder -> cleaned pairs -> noised, tokenised, length-bucketed batches.

The folder holds train/NAME.tsv.xz and dev/NAME.tsv.xz, each line `English TAB French`. Mixing weights are shares of one pass over a
source, at the start and at the end of training: general text first, everyday speech last.
"""
import glob
import lzma
import os
import random
import re
import unicodedata

import numpy as np

MIX = {  # source: (at the start, at the end)
    'tatoeba': (2, 4), 'storybooks': (2, 3), 'books': (2, 1.5), 'newsdev': (1.5, 1.5), 'europarl_sample': (1.5, 1), 'pawsx': (1, .7),
    'bovary': (.7, .4), 'bible': (.5, .2), 'pixel_dungeon': (.7, .7), 'mozilla_www': (1, 1), 'thunderbird': (.4, .4),
    'canada_laws': (.06, .03),  # formal and long: or it dominates
}
REST = (.15, .06)
MAX_PIECES = 64
MOST_PAIRS = 150_000  # of one source
ENGLISH = set('the of and to is that was for with are this you not be have it on at by from they he she we what an or if can will'.split())
FRENCH = set('le la les de des du et est que une un pour dans qui pas sur avec vous il elle nous je ce au aux sont en se ou par plus'.split())
WORD = re.compile(r"[^\W\d_]+")


def read_pairs(path):
    with lzma.open(path, 'rt', encoding='utf8') as f:
        for line in f:
            sides = line.rstrip('\n').split('\t')
            if len(sides) == 2:
                yield tuple(unicodedata.normalize('NFC', s).strip() for s in sides)


def sane(en, fr):
    """False for what cannot be a translation: a side empty or far longer, untranslated, or in the other side's language."""
    if not (0 < len(en) < 500 and 0 < len(fr) < 500):
        return False
    longer, shorter = max(len(en), len(fr)), min(len(en), len(fr))
    if longer > 2.2 * shorter + 12:
        return False
    e, f = WORD.findall(en.lower()), WORD.findall(fr.lower())
    if en == fr and len(e) > 3:
        return False
    count = lambda words, of: sum(w in of for w in words)
    return count(e, FRENCH) <= count(e, ENGLISH) + 1 and count(f, ENGLISH) <= count(f, FRENCH) + 1


def load_train(folder, drop=None):
    """{source: [(en, fr)]}, cleaned, without duplicates; drop: a set of (en, fr) that a model scored as absurd (evaluate.py --score)."""
    seen, sources = set(drop or ()), {}
    for path in sorted(glob.glob(os.path.join(folder, 'train', '*.tsv.xz'))):
        kept = []
        for pair in read_pairs(path):
            if pair not in seen and sane(*pair):
                seen.add(pair)
                kept.append(pair)
                if len(kept) == MOST_PAIRS:
                    break
        sources[os.path.basename(path)[:-len('.tsv.xz')]] = kept
    if not sources:
        raise SystemExit(f'{folder}: no train/*.tsv.xz; set CORPUS to a folder with train/NAME.tsv.xz and dev/NAME.tsv.xz')
    return sources


def load_dev(folder, name, lines=None):
    """The pairs of a dev set; 'long_everyday' is made of the everyday sets' sentences of 15 words and more (verse, marked by " / ", aside)."""
    if name == 'long_everyday':
        pairs = [p for s in ('slice_tatoeba', 'laser_tatoeba') for p in load_dev(folder, s)]
        return [p for p in pairs if len(p[0].split()) >= 15 and ' / ' not in p[0]][:lines]
    return list(read_pairs(os.path.join(folder, 'dev', name + '.tsv.xz')))[:lines]


# ---- noise: what people type ----

# Greek, Cyrillic, Hebrew, Arabic, kana, Chinese, Hangul
SCRIPTS = [(0x3b1, 0x3c9), (0x430, 0x44f), (0x5d0, 0x5ea), (0x627, 0x64a), (0x3041, 0x3093), (0x4e00, 0x9fa5), (0xac00, 0xd7a3)]
EMOJI = '😀😂😊😉😍🙂👍🎉❤🙏🔥😢🤔🚀✨'
JOINS = [(', and ', ', et '), (', but ', ', mais '), (' and ', ' et '), (' but ', ' mais '), ('; ', ' ; '), (', so ', ', donc ')]
LOWER_FIRST = {'en': set('The This That These Those He She It We You They My Your His Her Our Their There A An'.split()),
               'fr': set('Le La Les Ce Cet Cette Ces Il Elle On Nous Vous Ils Elles Je Tu Mon Ma Mes Ton Ta Tes Son Sa Ses Notre Votre Un Une Des'
                         .split())}


def strip_accents(text):
    return ''.join(ch for ch in unicodedata.normalize('NFD', text) if not unicodedata.combining(ch))


def lower_start(text, language):
    head = text.split(' ', 1)[0].split("'")[0]
    return text[0].lower() + text[1:] if head in LOWER_FIRST[language] or text[:2] in ("J'", "C'", "L'") else text


def join(first, second, rng):
    """Two short pairs as one long one: a clause each where that is safe, else two sentences."""
    (en1, fr1), (en2, fr2) = first, second
    if all(s.endswith('.') for s in (en1, fr1, en2, fr2)) and rng.random() < .6:
        low = lower_start(en2, 'en'), lower_start(fr2, 'fr')
        if (low[0] != en2 or en2.startswith(('I ', "I'"))) and low[1] != fr2:
            en_join, fr_join = rng.choice(JOINS)
            return en1[:-1] + en_join + low[0], fr1[:-1] + fr_join + low[1]
    return en1 + ' ' + en2, fr1 + ' ' + fr2


def token_to_copy(rng):
    """Something that stays as it is: a number, an address, a file name, an identifier, a name, another script."""
    n = rng.randrange(10 ** rng.randint(1, 6))
    if rng.random() < .2:
        first, last = rng.choice(SCRIPTS)
        return ''.join(chr(rng.randint(first, last)) for _ in range(rng.randint(2, 6)))
    word = lambda: ''.join(rng.choice('abcdefghijklmnopqrstuvwxyz') for _ in range(rng.randint(3, 8)))
    domain, suffix = rng.choice(['com', 'org', 'fr']), rng.choice(['txt', 'pdf', 'py', 'js'])
    return rng.choice([str(n), f'https://www.{word()}.{domain}/{word()}', f'{word()}@{word()}.{domain}', f'{word()}.{suffix}', f'{word()}_{word()}',
                       f'#{n}', f'{word().capitalize()} {word().capitalize()}'])


def noise(source, target, rng):
    """(source, target) as people might type them; most pairs pass unchanged."""
    r = rng.random()
    if r < .04:
        source = strip_accents(source)
    elif r < .055 and len(source) < 80:
        source, target = source.upper(), target.upper()
    elif r < .075:
        source = strip_accents(source).lower().rstrip('.') if rng.random() < .5 else source.lower()
    elif r < .10 and source.endswith('.') and target.endswith('.') and not source.endswith('..'):
        source, target = source[:-1], target[:-1]
    elif r < .11:
        source = source.replace(' ', '  ', rng.randint(1, 2))
    elif r < .118:
        mark = ' ' + rng.choice(EMOJI)
        source, target = source + mark, target + mark
    elif r < .13:
        mark = rng.choice([' ', ' : ', ' - ']) + token_to_copy(rng)
        source, target = source.rstrip('.') + mark, target.rstrip('.') + mark
    elif r < .136:
        source = target = token_to_copy(rng) if rng.random() < .8 else rng.choice(EMOJI)
    elif r < .146:
        source = target  # already in the language wanted
    if rng.random() < .1:
        source = source.replace("'", '’') if "'" in source else source.replace('’', "'")
    return source, target


# ---- batches ----

class Stream:
    """Endless batches, made a chunk at a time. A chunk depends on (seed, its number, where each source stood, the mix) alone, so a run
    resumed from state() sees exactly the batches that it would have seen."""

    def __init__(self, sources, tokenizer, seed=1, chunk=16384, tokens=3072, state=None):
        self.sources, self.tokenizer, self.seed, self.size, self.tokens = sources, tokenizer, seed, chunk, tokens
        self.names = sorted(sources)
        state = state or {'number': 0, 'next': 0, 'progress': 0.0, 'positions': {n: 0 for n in self.names}}
        self.number, self.next, self.progress = state['number'], state['next'], state['progress']
        self.positions = {n: state['positions'].get(n, 0) for n in self.names}
        self.make()

    def state(self):
        return {'number': self.number, 'next': self.next, 'progress': self.progress, 'positions': dict(self.positions)}

    def draw(self, rng):
        """The chunk's pairs: each source by its weight, every pair of a source once before any comes again."""
        weight = {n: len(self.sources[n]) * (lambda a, b: a + (b - a) * self.progress)(*MIX.get(n, REST)) for n in self.names}
        total, pairs, self.after = sum(weight.values()), [], {}
        for n in self.names:
            count = int(self.size * weight[n] / total + rng.random())
            have = self.sources[n]
            for i in range(self.positions[n], self.positions[n] + count):
                turn, at = divmod(i, len(have))
                # A multiplier prime to the length walks the whole source in a scattered order, another one each turn.
                step = 7919 + 2 * turn
                while np.gcd(step, len(have)) != 1:
                    step += 1
                pair = have[at * step % len(have)]
                if n in ('tatoeba', 'storybooks') and rng.random() < .15:
                    pair = join(pair, rng.choice(have), rng)
                pairs.append(pair)
            self.after[n] = self.positions[n] + count
        return pairs

    def make(self):
        rng = random.Random(f'{self.seed}:{self.number}')
        tags = {'en': self.tokenizer.piece_to_id('<2en>'), 'fr': self.tokenizer.piece_to_id('<2fr>')}
        sides = [(fr, en, 'en') if rng.random() < .5 else (en, fr, 'fr') for en, fr in self.draw(rng)]
        noised = [noise(s, t, rng) for s, t, _ in sides]
        sources, targets = self.tokenizer.encode([s for s, _ in noised]), self.tokenizer.encode([t for _, t in noised])
        rows = [([tags[side[2]], *s, 1], [*t, 1]) for side, s, t in zip(sides, sources, targets)
                if max(len(s), len(t)) <= MAX_PIECES and max(len(s), len(t)) <= 2.5 * min(len(s), len(t)) + 6]
        # Sorted by the longer side, loosely: little padding, batches that still differ from chunk to chunk.
        rows.sort(key=lambda r: max(len(r[0]), len(r[1])) + min(len(r[0]), len(r[1])) / 100 + rng.random() * 2)
        self.batches, batch, longest = [], [], 0
        for row in rows:
            longest = max(longest, len(row[0]), len(row[1]))
            if batch and longest * (len(batch) + 1) > self.tokens:
                self.batches.append(batch)
                batch, longest = [], max(len(row[0]), len(row[1]))
            batch.append(row)
        self.batches.append(batch)
        rng.shuffle(self.batches)

    def __call__(self, progress):
        """The next batch: source[B,S], decoder input[B,T], target[B,T] as int64 arrays, 0 = padding."""
        if self.next == len(self.batches):
            self.number, self.next, self.progress, self.positions = self.number + 1, 0, progress, self.after
            self.make()
        rows = self.batches[self.next]
        self.next += 1
        return pad([s for s, _ in rows]), pad([[0, *t[:-1]] for _, t in rows]), pad([t for _, t in rows])


def pad(rows):
    out = np.zeros((len(rows), max(map(len, rows))), np.int64)
    for i, row in enumerate(rows):
        out[i, :len(row)] = row
    return out
