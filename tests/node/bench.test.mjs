// @ts-check
/* The measuring tools: how figures are put together. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generationPrompt, longPrompt, parting } from '../bench/prompts.mjs';
import { markdown, median, ratios } from '../bench/report.mjs';

/** @param {string} engine @param {number} speed @param {number} [threads] */
const visit = (engine, speed, threads = 1) => ({
  engine,
  threads,
  loadMs: 1000 / speed,
  ttftMs: 100 / speed,
  promptTps: 10 * speed,
  promptPerCpu: 10 * speed,
  genTps: speed,
  genPerCpu: speed,
  nPrompt: 512,
  nShort: 44,
  nGen: 64,
  text: '',
  kernels: engine === 'loquat' ? 'relaxed' : '',
  peakMb: 100,
  others: 0.25,
});

test('medians leave out what is not a number', () => {
  assert.equal(median([3, NaN, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.ok(Number.isNaN(median([])));
});

test('ratios are made inside a round', () => {
  /* Each round is as fast as the machine allowed then: 3x, 2x and 4x; medians of speeds would say 30 / 10. */
  const rounds = [
    [visit('wllama', 10), visit('loquat', 30)],
    [visit('wllama', 100), visit('loquat', 200)],
    [visit('loquat', 4), visit('wllama', 1)],
  ];
  const [r] = ratios(rounds);
  assert.deepEqual(r.gen, [2, 3, 4]);
  assert.deepEqual(
    r.load.map((x) => Math.round(x * 1e6) / 1e6),
    [2, 3, 4],
  );
  assert.deepEqual(ratios([[visit('loquat', 1, 2)]])[0].gen, []);
});

test('the report shows engines, ratios and what did not agree', () => {
  const text = markdown({
    date: '2026-01-01',
    machine: 'x64, 2 cores',
    chromium: '1',
    load: [0.5, 1, 2],
    model: 'm.gguf',
    rounds: [[visit('wllama', 10), visit('loquat', 30)]],
    problems: ['odd'],
    startup: { cold: { paintMs: 1, readyMs: 2, wordMs: 3 }, warm: [{ paintMs: 4, readyMs: 5, wordMs: 6 }], peakMb: 7 },
    sizes: [{ file: 'a.wasm', bytes: 10, brotli: 5 }],
    native: [{ kernels: 'avx2', threads: 1, load_ms: 1, prompt_per_second: 2, generated_per_second: 3 }],
  });
  assert.match(text, /\| loquat \(relaxed\) \| 1 \| 33\.3 \| 3\.33 \| 300 \| 300 \| 30\.0 \| 30\.0 \| 100 \| 0\.25 \|/);
  assert.match(text, /\*\*3\.00\*\*/);
  assert.match(text, /Not as expected: odd\./);
  assert.match(text, /\| again, median of 1 \| 4\.00 \| 5\.00 \| 6\.00 \|/);
  assert.match(text, /\| a\.wasm \| 10 \| 5 \|/);
});

test('a text is sane when it follows the recorded one', () => {
  const good = '```python\ndef fibonacci(n):\n    if n <= 0:\n        return 0\n    elif';
  assert.equal(parting(good), '');
  assert.equal(parting(good.slice(0, 20)), '');
  assert.equal(parting(`${good} and then something else`), '');
  assert.match(parting('```python\nimport os'), /after 10 characters/);
  assert.match(parting(''), /after 0 characters/);
  assert.ok(generationPrompt.includes('<|im_start|>assistant'));
  assert.ok(longPrompt(512).length > 2000 && longPrompt(1).length < 200);
});
