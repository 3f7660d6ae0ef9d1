// @ts-check
/* Encoder models on the wasm modules, in Node: vectors and labels of texts. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Model } from '../../web/engine.mjs';
import { FR_EN } from './engine.kit.mjs';

const path = (/** @type {string} */ name) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const ENCODER = path('tests/data/tiny-encoder.gguf');
const native = path('build/loquat');
const TEXTS = ['What was that?', 'Some write, some wait.', '', 'x'.repeat(40), "it's hot, he said"];

/** @type {Model} */ let m;
before(async () => { m = await Model.load(ENCODER); });
after(() => m.dispose());

const largest = (/** @type {ArrayLike<number>} */ a, /** @type {ArrayLike<number>} */ b) =>
  Math.max(...Array.from(a, (x, i) => Math.abs(x - b[i])));

test('says what it can do', () => {
  assert.deepEqual(m.info.tasks, ['encode', 'embed', 'classify']);
  assert.deepEqual(m.info.labels, ['LABEL_0', 'LABEL_1', 'LABEL_2']);
});

test('many texts give what each gives alone', async () => {
  const all = await m.embed(TEXTS);
  assert.deepEqual(all.map((v) => v.length), TEXTS.map(() => 48));
  for (const [i, text] of TEXTS.entries()) assert.deepEqual((await m.embed(text))[0], all[i]);
  assert.deepEqual(await m.embed([]), []);
});

test('more texts than run at once', async () => {
  const many = Array.from({ length: 50 }, (_, i) => `${TEXTS[i % TEXTS.length]} ${i}`);
  const all = await m.embed(many);
  assert.deepEqual((await m.embed(many[37]))[0], all[37]);
});

test('pooling and length', async () => {
  const [plain] = await m.embed('hot', { pooling: 'cls' });
  const [unit] = await m.embed('hot', { pooling: 'cls', normalize: true });
  const length = Math.hypot(...plain);
  assert.ok(length > 1.5 && Math.abs(Math.hypot(...unit) - 1) < 1e-6);
  assert.ok(largest(plain.map((x) => x / length), unit) < 1e-6);
  assert.ok(largest(plain, (await m.embed('hot', { pooling: 'mean' }))[0]) > 0.01);
  await assert.rejects(m.embed('hot', /** @type {any} */ ({ pooling: 'max' })), { code: 'LQ_E_OPTION', message: /mean, cls and last/ });
  await assert.rejects(m.embed('hot', /** @type {any} */ ({ size: 3 })), { code: 'LQ_E_OPTION', message: /"size"/ });
});

test('vectors and labels are those of the native engine', { skip: !existsSync(native) && 'build/loquat is not built' }, async () => {
  const run = (/** @type {string[]} */ ...args) => execFileSync(native, args, { encoding: 'utf8' });
  const lines = run('embed', '-m', ENCODER, '--normalize', ...TEXTS).trim().split('\n').map((l) => JSON.parse(l));
  const ours = await m.embed(TEXTS, { normalize: true });
  ours.forEach((v, i) => assert.ok(largest(v, lines[i]) < 1e-5, TEXTS[i]));
  const [labels] = await m.classify(TEXTS[0]);
  const theirs = JSON.parse(run('classify', '--json', '-m', ENCODER, TEXTS[0]));
  assert.deepEqual(labels.map((l) => l.label), theirs.map((/** @type {any} */ l) => l.label));
  assert.ok(largest(labels.map((l) => l.score), theirs.map((/** @type {any} */ l) => l.score)) < 1e-5);
  assert.ok(Math.abs(labels.reduce((sum, l) => sum + l.score, 0) - 1) < 1e-6);
});

test('a text beyond the limit is named, and the next one works', async () => {
  await assert.rejects(m.embed(['fine', 'x'.repeat(90)]), { code: 'LQ_E_CONTEXT', message: /input 2 has 92 tokens.*64/ });
  assert.equal((await m.embed('fine')).length, 1);
});

test('other tasks are refused', async () => {
  await assert.rejects(m.generate('hot').getReader().read(), { code: 'LQ_E_TASK' });
  const other = await Model.load(FR_EN);
  await assert.rejects(other.embed('Bonjour').then(() => other.classify('Bonjour')), { code: 'LQ_E_TASK' });
  other.dispose();
});
