"""Tests of the recipe: python test_train.py. They need no corpus: the shipped model's tokenizer and a few made-up pairs are enough."""
import os
import random
import tempfile
import unittest

import sentencepiece
import torch
import torch.nn.functional as F

import data
import evaluate
import export
from model import Config, SmoothedCrossEntropy, Translator, beam, greedy

SHIPPED = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'fr-en.gguf')
SMALL = dict(vocab=50, d_model=16, d_kv=8, d_ff=24, heads=2, encoder_layers=2, decoder_layers=1)


def small_model():
    torch.manual_seed(3)
    return Translator(Config(**SMALL)).eval()


class Model(unittest.TestCase):
    def test_loss_gradient_is_that_of_smoothed_cross_entropy(self):
        torch.manual_seed(1)
        states, weight = torch.randn(1500, 8, requires_grad=True), torch.randn(50, 8, requires_grad=True)
        target = torch.randint(0, 50, (1500,))
        want = torch.autograd.grad(F.cross_entropy(states @ weight.t(), target, label_smoothing=0.1), (states, weight))
        loss = SmoothedCrossEntropy.apply(states, weight, target, 0.1)
        for got, expected in zip(torch.autograd.grad(loss, (states, weight)), want):
            torch.testing.assert_close(got, expected, atol=1e-6, rtol=1e-4)
        self.assertAlmostEqual(loss.item(), F.cross_entropy(states @ weight.t(), target).item(), places=4)

    def test_padding_changes_nothing(self):
        model = small_model()
        row, padded = torch.tensor([[3, 9, 8, 1]]), torch.tensor([[3, 9, 8, 1, 0, 0, 0]])
        fed = torch.tensor([[0, 5, 6]])
        torch.testing.assert_close(model(row, fed), model(padded, fed))

    def test_beam_of_one_is_greedy(self):
        model, source = small_model(), torch.tensor([[3, 9, 8, 1], [4, 30, 20, 1]])
        self.assertEqual(beam(model, source, 1, limit=8), greedy(model, source, limit=8))

    def test_beam_finds_what_greedy_misses(self):
        model, source = small_model(), torch.tensor([[3, 9, 8, 1]])

        def mean(row):
            scores = torch.log_softmax(model.logits(model(source, torch.tensor([[0, *row]])))[0], -1)
            return scores.gather(1, torch.tensor([[*row, 1]]).t()).mean().item()
        self.assertGreaterEqual(mean(beam(model, source, 8, limit=6)[0]), mean(greedy(model, source, limit=6)[0]))


class Export(unittest.TestCase):
    def test_folding_is_undone_by_loading(self):
        model = small_model()
        with tempfile.TemporaryDirectory() as folder:
            tokenizer = os.path.join(folder, 'spm')
            open(tokenizer, 'w').close()
            export.export(model.state_dict(), model.c, tokenizer, folder, half=False)
            again = Translator(model.c)
            export.load(again, os.path.join(folder, 'model.safetensors'))
        for (name, a), b in zip(model.state_dict().items(), again.state_dict().values()):
            torch.testing.assert_close(a, b, msg=name)

    def test_shipped_gguf_translates(self):
        with tempfile.TemporaryDirectory() as folder:
            export.from_gguf(SHIPPED, folder)
            tokenizer = sentencepiece.SentencePieceProcessor(model_file=os.path.join(folder, 'spiece.model'))
            model = Translator(Config()).eval()
            export.load(model, os.path.join(folder, 'model.safetensors'))
        self.assertIn('student', evaluate.translate(model, tokenizer, ['Je suis étudiant.'], 'en')[0])


class Data(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            export.from_gguf(SHIPPED, folder)
            cls.tokenizer = sentencepiece.SentencePieceProcessor(model_file=os.path.join(folder, 'spiece.model'))
        cls.sources = {n: [(f'I see {i} {n}.', f'Je vois {i} {n}.') for i in range(k)] for n, k in (('tatoeba', 300), ('books', 70))}

    def stream(self, **more):
        return data.Stream(self.sources, self.tokenizer, seed=5, chunk=200, tokens=256, **more)

    def test_resumed_stream_goes_on_with_the_same_batches(self):
        first = self.stream()
        for i in range(25):
            first(i / 50)
        second = self.stream(state=first.state())
        for i in range(25, 50):
            for a, b in zip(first(i / 50), second(i / 50)):
                self.assertTrue((a == b).all())

    def test_every_pair_comes_before_any_comes_again(self):
        stream, drawn = self.stream(), []
        while len(drawn) < 70:
            drawn += [p for p in stream.draw(random.Random(1)) if p in self.sources['books']]
            stream.positions = stream.after
        self.assertEqual(set(drawn[:70]), set(self.sources['books']))

    def test_insane_pairs_are_dropped(self):
        self.assertTrue(data.sane('The cat sleeps on the mat.', 'Le chat dort sur le tapis.'))
        for pair in (('', 'Rien.'), ('Yes.', 'Oui, et voilà encore une très longue phrase.'), ('The cat is on the mat', 'The cat is on the mat'),
                     ('Le chat est dans la maison', 'Le chat est dans la maison.')):
            self.assertFalse(data.sane(*pair), pair)

    def test_noise_keeps_most_pairs_and_both_sides_agree(self):
        rng = random.Random(2)
        noised = [data.noise('It is late.', 'Il est tard.', rng) for _ in range(2000)]
        self.assertGreater(sum(p == ('It is late.', 'Il est tard.') for p in noised), 1400)
        for s, t in noised:
            self.assertEqual(s.isupper(), t.isupper(), (s, t))


class Table(unittest.TestCase):
    def test_cases_are_well_formed(self):
        cases = evaluate.read_cases(os.path.join(os.path.dirname(SHIPPED), 'train', 'cases.tsv'))
        self.assertGreaterEqual(len(cases), 300)
        self.assertEqual(len({(to, source) for to, _, source, _ in cases}), len(cases))

    def test_plain_and_loops(self):
        self.assertEqual(evaluate.plain('« L’été ! »'), '" l\'été! "')
        self.assertTrue(evaluate.loops('to the market for the market for the market for the market'))
        self.assertFalse(evaluate.loops('No, no, it is late.'))


if __name__ == '__main__':
    unittest.main()
