// @ts-check
/* The JavaScript engine on the wasm module, in Node. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { LoquatError, Model } from '../../web/engine.mjs';

const FILE = new URL('../../models/fr-en.gguf', import.meta.url);
/** @type {Model} */ let m;
before(async () => { m = await Model.load(FILE); });
after(() => m.dispose());

/** @param {AsyncIterable<{text: string}>} s */
async function all(s) {
  let out = '';
  for await (const p of s) out += p.text;
  return out;
}
const code = (/** @type {string} */ c) => (/** @type {any} */ e) => e instanceof LoquatError && e.code === c && e.message.length > 10;
const bytes = () => { const b = readFileSync(FILE); return b.buffer.slice(b.byteOffset, b.byteOffset + b.length); };

test('translates as the native engine does', async () => {
  assert.equal(await all(m.translate('Je suis étudiant', { from: 'fr', to: 'en' })), "I'm a student");
  assert.equal(await all(m.translate("L'animal n'a pas traversé la rue parce qu'il était trop fatigué.", { from: 'fr', to: 'en' })),
    "The animal didn't cross the street because it was too tired.");
});
test('says what the model is', () => {
  assert.equal(m.info.architecture, 't5');
  assert.deepEqual(m.info.languages, ['fr', 'en']);
});
test('tokens go there and back', async () => {
  assert.deepEqual(await m.tokenize('Je suis étudiant'), [297, 404, 4930, 1]);
  assert.equal(await m.detokenize([297, 404, 4930]), 'Je suis étudiant');
});
test('an option that is not supported is refused by name', async () => {
  await assert.rejects(all(m.translate('Bonjour', { to: 'en', num_beams: 4 })), /num_beams/);
  await assert.rejects(all(m.translate('Bonjour', { to: 'en', sparkle: 1 })), code('LQ_E_OPTION'));
  await assert.rejects(all(m.translate('Bonjour', { to: 'xx' })), code('LQ_E_LANGUAGE'));
  await assert.rejects(all(m.generate([{ role: 'user', content: 'hi' }])), code('LQ_E_TASK'));
});
test('a signal stops it within a token, and the model goes on', async () => {
  const c = new AbortController();
  let n = 0;
  await assert.rejects(async () => {
    for await (const p of m.translate('Je suis étudiant. '.repeat(50), { to: 'en', signal: c.signal })) if (p && ++n === 3) c.abort();
  }, { name: 'AbortError' });
  assert.ok(n < 40, `${n} pieces`);
  assert.equal(await all(m.translate('Je suis étudiant', { to: 'en' })), "I'm a student");
});
test('disposal during generation settles the stream', async () => {
  const other = await Model.load(bytes());
  const s = all(other.translate('Je suis étudiant. '.repeat(50), { to: 'en' }));
  setTimeout(() => other.dispose(), 20);
  await assert.rejects(s, { name: 'InvalidStateError' });
  await assert.rejects(other.tokenize('x'), { name: 'InvalidStateError' });
});
test('broken models are refused with a sentence', async () => {
  await assert.rejects(Model.load(bytes().slice(0, 100000)), code('LQ_E_FORMAT'));
  await assert.rejects(Model.load(new ArrayBuffer(0)), code('LQ_E_FORMAT'));
  await assert.rejects(Model.load(new Blob(['<!doctype html><title>404</title>'])), /HTML/);
  await assert.rejects(Model.load(new URL('nowhere.gguf', FILE)), code('LQ_E_IO'));
});
