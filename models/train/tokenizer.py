"""Train the SentencePiece model: python tokenizer.py --corpus FOLDER --out PREFIX [--vocab 16000] [--languages en fr]

A unigram model with byte fallback, so any text has ids; ids 0, 1 and 2 are <pad>, </s> and <unk> as in T5. One tag a language asks for it
as target. Each source gives at most as many lines as keeps technical text from filling the vocabulary.
"""
import argparse
import os
import random
import tempfile

import sentencepiece

import data

TAGS = ('en', 'fr', 'de', 'es', 'it', 'pt', 'nl', 'pl')  # the last six are reserved: no data yet
MOST = 5000  # lines of a source that MIX does not favour


def lines(corpus):
    pick = random.Random(1)
    for name, pairs in data.load_train(corpus).items():
        everyday = data.MIX.get(name, data.REST)[0] >= 1
        for en, fr in pairs if everyday else pick.sample(pairs, min(len(pairs), MOST)):
            yield en
            yield fr


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--corpus', required=True)
    p.add_argument('--out', required=True, help='PREFIX; writes PREFIX.model')
    p.add_argument('--vocab', type=int, default=16000)
    p.add_argument('--languages', nargs='+', default=TAGS)
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'text')
        with open(path, 'w', encoding='utf8') as f:
            f.writelines(line + '\n' for line in lines(a.corpus))
        sentencepiece.SentencePieceTrainer.train(
            input=path, model_prefix=a.out, vocab_size=a.vocab, model_type='unigram', byte_fallback=True, character_coverage=0.9998, pad_id=0,
            eos_id=1, unk_id=2, bos_id=-1, user_defined_symbols=[f'<2{t}>' for t in a.languages], normalization_rule_name='nmt_nfkc')


if __name__ == '__main__':
    main()
