// @ts-check
/* The JavaScript engine on the wasm modules, in Node: what it answers, in which order, and how it stops. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Model } from '../../web/engine.mjs';
import { optionsOf, SYSTEM } from '../../web/settings.mjs';
import { bytesOf, collect, failsWith, FR_EN, idsOf, LONG, SMOLLM2, sleep, textOf, TINY } from './engine.kit.mjs';

/** @type {Model} */ let m;
before(async () => { m = await Model.load(FR_EN); });
after(() => m.dispose());

test('translates as the native engine does', async () => {
  assert.equal(await textOf(m.translate('Je suis étudiant', { from: 'fr', to: 'en' })), "I'm a student");
  assert.equal(await textOf(m.translate("L'animal n'a pas traversé la rue parce qu'il était trop fatigué.", { from: 'fr', to: 'en' })),
    "The animal didn't cross the street because it was too tired.");
});

test('says what the model is and how it runs', () => {
  assert.equal(m.info.architecture, 't5');
  assert.deepEqual(m.info.languages, ['fr', 'en']);
  assert.match(m.info.build, /^(relaxed|simd)(-mt)?$/);
  assert.equal(m.info.buildNote, '');
  assert.equal(typeof m.info.isolated, 'boolean');
  assert.ok(m.info.threads >= 1 && m.info.kernels && /^\d+\.\d+\.\d+$/.test(m.info.version));
  assert.ok(m.info.memory.weights > 1e6 && m.info.memory.session.bytes > 1e6);
});

test('a piece has text, id, log probability, progress; the last one says why it ended', async () => {
  const pieces = await collect(m.translate('Je suis étudiant', { from: 'fr', to: 'en' }));
  const tokens = pieces.filter((p) => p.tokenId >= 0);
  assert.ok(tokens.every((p) => p.logprob <= 0 && p.logprob > -20));
  assert.equal(pieces.at(-1)?.finish, 'eos');
  assert.equal(pieces.filter((p) => p.finish).length, 1);
  assert.ok(pieces.every((p) => p.sentence === 0 && p.nSentences === 1 && p.promptDone <= p.promptTotal));
  const short = await collect(m.translate('Je suis étudiant', { from: 'fr', to: 'en', max_new_tokens: 2 }));
  assert.equal(short.at(-1)?.finish, 'length');
});

test('tokens go there and back', async () => {
  assert.deepEqual(await m.tokenize('Je suis étudiant'), [297, 404, 4930, 1]);
  assert.deepEqual(await m.tokenize('Je suis étudiant', { addSpecial: false }), [297, 404, 4930]);
  assert.equal(await m.detokenize([297, 404, 4930]), 'Je suis étudiant');
  await assert.rejects(m.detokenize([1e6]), failsWith('LQ_E_RANGE'));
});

test('lists its options; an unknown or unsupported one is refused by name', async () => {
  const names = (await m.options()).map((o) => o.name);
  assert.ok(names.includes('max_new_tokens') && names.includes('repetition_penalty'), names.join());
  await assert.rejects(textOf(m.translate('Bonjour', { to: 'en', sparkle: 1 })), failsWith('LQ_E_OPTION', /sparkle/));
  await assert.rejects(textOf(m.translate('Bonjour', { to: 'en', streamer: () => {} })), failsWith('LQ_E_OPTION', /streamer/));
  await assert.rejects(textOf(m.translate('Bonjour', { to: 'en', temperature: NaN, do_sample: true })), failsWith('LQ_E_OPTION', /temperature/));
  await assert.rejects(textOf(m.translate('Bonjour', { to: 'xx' })), failsWith('LQ_E_LANGUAGE', /fr.*en/));
  await assert.rejects(textOf(m.generate([{ role: 'user', content: 'hi' }])), failsWith('LQ_E_TASK'));
  await assert.rejects(textOf(m.generate([])), failsWith('LQ_E_TASK'));
  assert.equal(await textOf(m.translate('Je suis étudiant', { to: 'en' })), "I'm a student");
});

test('wrong arguments are refused by name, through the promise or the stream', async () => {
  const any = /** @type {any} */ (m);
  for (const text of [undefined, null, 42]) {
    await assert.rejects(textOf(any.translate(text, { to: 'en' })), failsWith('LQ_E_ARG', /must be a string, not (undefined|null|number)/));
    await assert.rejects(any.tokenize(text), failsWith('LQ_E_ARG', /must be a string/));
    await assert.rejects(any.embed(['one', text]), failsWith('LQ_E_ARG', /each text must be a string/));
    await assert.rejects(any.classify(text), failsWith('LQ_E_ARG', /each text must be a string/));
  }
  await assert.rejects(textOf(any.translate('Bonjour')), failsWith('LQ_E_LANGUAGE'));
  await assert.rejects(textOf(any.translate('Bonjour', null)), failsWith('LQ_E_LANGUAGE'));
  await assert.rejects(textOf(any.translate('Bonjour', 'en')), failsWith('LQ_E_ARG', /options/));
  await assert.rejects(textOf(any.translate('Bonjour', { to: 'en', signal: {} })), failsWith('LQ_E_ARG', /signal/));
  for (const input of [undefined, null, 7, { role: 'user', content: 'x' }])
    await assert.rejects(textOf(any.generate(input)), failsWith('LQ_E_ARG', /string, an array of messages/));
  for (const ids of [[297, 1.5], [297, 'a'], [2 ** 32 + 297], '12', undefined]) {
    await assert.rejects(any.detokenize(ids), failsWith('LQ_E_ARG', /token ids/));
    await assert.rejects(any.logits(ids), failsWith('LQ_E_ARG', /token ids/));
  }
  await assert.rejects(textOf(any.generate([297, 1.5])), failsWith('LQ_E_ARG', /number 2 of them is 1.5/));
  const circle = /** @type {any} */ ({});
  circle.circle = circle;
  await assert.rejects(textOf(m.translate('Bonjour', { to: 'en', circle })), failsWith('LQ_E_OPTION', /circular/));
  await assert.rejects(textOf(m.translate('Bonjour', { to: 'en', mark: Symbol('q') })), failsWith('LQ_E_OPTION', /mark/));
});

test('a signal also ends a stream that is produced but not yet read; once it is read it lets go of the signal', async () => {
  const c = new AbortController();
  const stream = m.translate('Je suis étudiant', { to: 'en', signal: c.signal });
  await sleep(300); // all its pieces are here
  c.abort();
  await assert.rejects(textOf(stream), { name: 'AbortError' });
  let listeners = 0;
  const { signal } = new AbortController();
  const count = (/** @type {'addEventListener' | 'removeEventListener'} */ name, /** @type {number} */ by) => {
    const own = signal[name];
    signal[name] = (/** @type {any[]} */ ...args) => { listeners += by; return own.apply(signal, /** @type {any} */ (args)); };
  };
  count('addEventListener', 1);
  count('removeEventListener', -1);
  assert.equal(await textOf(m.translate('Je suis étudiant', { to: 'en', signal })), "I'm a student");
  for await (const p of m.translate(LONG, { to: 'en', signal })) if (p.tokenId >= 0) break;
  assert.equal(listeners, 0);
});

test('a stream can be split and piped', async () => {
  const [a, b] = m.translate('Je suis étudiant', { to: 'en' }).tee();
  assert.deepEqual(await Promise.all([textOf(/** @type {any} */ (a)), textOf(/** @type {any} */ (b))]), ["I'm a student", "I'm a student"]);
  let text = '';
  await m.translate('Je suis étudiant', { to: 'en' }).pipeTo(new WritableStream({ write(p) { text += p.text; } }));
  assert.equal(text, "I'm a student");
});

test('beams: nothing before a sentence is whole, then the best hypotheses in order, with scores', async () => {
  const before = await m.counters();
  const pieces = await collect(m.translate('Bonjour !', { from: 'fr', to: 'en', num_beams: 4, num_return_sequences: 2 }));
  const best = pieces.filter((p) => p.hypothesis === 0);
  assert.equal(best.map((p) => p.text).join(''), 'Have a nice day.');
  assert.ok(pieces[0].tokenId === -1 && pieces[0].text === '' && pieces.filter((p) => p.finish).length === 2);
  const [first, second] = pieces.filter((p) => p.finish);
  assert.ok(first.score < 0 && second.score <= first.score && second.hypothesis === 1);
  const after = await m.counters(); // the session that grew counts on
  assert.equal(after.encoderRuns, before.encoderRuns + 1);
  await assert.rejects(textOf(m.translate('Bonjour', { to: 'en', num_beams: 1000 })), failsWith('LQ_E_OPTION', /num_beams/));
  assert.equal(await textOf(m.translate('Je suis étudiant', { to: 'en', num_beams: 2, early_stopping: 'never' })), "I'm a student");
  assert.equal(await textOf(m.translate('Je suis étudiant', { to: 'en' })), "I'm a student");
});

test('invalid text does no harm', async () => {
  assert.equal(typeof await textOf(m.translate('a\ud800b', { to: 'en', max_new_tokens: 4 })), 'string');
  assert.equal(typeof await textOf(m.translate('a\0b', { to: 'en', max_new_tokens: 4 })), 'string');
  await assert.rejects(textOf(m.translate('', { to: 'en' })), failsWith('LQ_E_ARG'));
});

test('a signal stops it within a token and gives its reason, and the model goes on', async () => {
  const c = new AbortController();
  let n = 0;
  await assert.rejects(async () => {
    for await (const p of m.translate(LONG, { to: 'en', signal: c.signal })) if (p && ++n === 3) c.abort();
  }, { name: 'AbortError' });
  assert.equal(n, 3);
  const { decoderRows } = await m.counters();
  await sleep(50);
  assert.ok((await m.counters()).decoderRows - decoderRows <= 4, 'one step of four sentences at most');
  const reason = new Error('enough');
  await assert.rejects(textOf(m.translate('Bonjour', { to: 'en', signal: AbortSignal.abort(reason) })), reason);
  assert.equal(await textOf(m.translate('Je suis étudiant', { to: 'en' })), "I'm a student");
});

test('leaving the loop stops the work', async () => {
  for await (const p of m.translate(LONG, { to: 'en' })) if (p.tokenId >= 0) break;
  const { decoderRows } = await m.counters();
  await sleep(50);
  assert.equal((await m.counters()).decoderRows, decoderRows);
});

test('a stream can be read with a reader and cancelled', async () => {
  const stream = m.translate(LONG, { to: 'en' });
  assert.ok(stream instanceof ReadableStream);
  const reader = stream.getReader();
  const first = await reader.read();
  assert.ok(!first.done && typeof first.value.text === 'string');
  await reader.cancel();
  assert.equal((await reader.read()).done, true);
  assert.equal(await textOf(m.translate('Je suis étudiant', { to: 'en' })), "I'm a student");
});

test('work waits for its reader and nothing is lost', async () => {
  const text = 'Je suis étudiant. Bonjour ! '.repeat(60);
  const before = (await m.counters()).generatedTokens;
  const stream = m.translate(text, { to: 'en' });
  let done = 0;
  for (let last = -1; done !== last; await sleep(150)) [last, done] = [done, (await m.counters()).generatedTokens];
  assert.ok(done - before <= 256 + 8, `${done - before} tokens without a reader`);
  const pieces = await collect(stream);
  assert.ok(idsOf(pieces).length > 300);
  assert.equal(Math.max(...pieces.filter((p) => p.tokenId >= 0).map((p) => p.sentence)), 119);
});

test('requests run in the order they were made, questions are answered in between', async () => {
  const order = /** @type {string[]} */ ([]);
  const long = textOf(m.translate('Je suis étudiant. '.repeat(10), { to: 'en' })).then(() => order.push('first'));
  const short = textOf(m.translate('Bonjour', { to: 'en' })).then(() => order.push('second'));
  await m.tokenize('x').then(() => order.push('question'));
  await Promise.all([long, short]);
  assert.deepEqual(order, ['question', 'first', 'second']);
});

test('a request that waits can be cancelled without harm to the one that runs', async () => {
  const running = textOf(m.translate('Je suis étudiant. '.repeat(5), { to: 'en' }));
  const c = new AbortController();
  const waiting = textOf(m.translate('Bonjour', { to: 'en', signal: c.signal }));
  c.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
  assert.match(await running, /^(I'm a student\. ?){5}$/);
});

test('disposal settles everything', async () => {
  const other = await Model.load(bytesOf(FR_EN));
  const all = [textOf(other.translate(LONG, { to: 'en' })), textOf(other.translate(LONG, { to: 'en' })), other.logits([297, 1])];
  await sleep(20);
  other.dispose();
  other.dispose();
  for (const p of all) await assert.rejects(p, failsWith('LQ_E_STATE'));
  await assert.rejects(other.tokenize('x'), { name: 'InvalidStateError' });
  await assert.rejects(textOf(other.translate('x', { to: 'en' })), failsWith('LQ_E_STATE'));
});

test('ids go in where a file has no tokenizer, and the same come out for any build and thread count', async () => {
  /** @type {number[][]} */
  const results = [];
  for (const options of /** @type {const} */ ([{ build: 'simd' }, { build: 'simd-mt', threads: 2 }, { build: 'simd-mt', threads: 3 }])) {
    const t = await Model.load(`${TINY}/llama-gqa.gguf`, options);
    assert.equal(t.info.build, options.build);
    assert.equal(t.info.threads, 'threads' in options ? options.threads : 1);
    const pieces = await collect(t.generate([473, 15, 380, 461, 416, 236, 293, 359, 165, 125, 313], { max_new_tokens: 12 }));
    results.push(idsOf(pieces));
    const logits = await t.logits([473, 15, 380]);
    assert.equal(logits.length, 500);
    results.push([...logits]);
    await assert.rejects(t.tokenize('x'), failsWith('LQ_E_UNSUPPORTED', /tokenizer/));
    await assert.rejects(textOf(t.generate([500])), failsWith('LQ_E_RANGE'));
    t.dispose();
  }
  assert.deepEqual(results[0], [345, 424, 486, 363, 342, 68, 370, 411, 345, 313, 155, 339]);
  for (const i of [2, 4]) assert.deepEqual(results[i], results[0]);
  for (const i of [3, 5]) assert.deepEqual(results[i], results[1]);
});

test('threads translate the same, to the last bit of the log probabilities', async () => {
  const text = "L'animal n'a pas traversé la rue parce qu'il était trop fatigué. Je suis étudiant.";
  const runs = [];
  for (const threads of [1, 2]) {
    const t = await Model.load(FR_EN, { threads });
    runs.push(await collect(t.translate(text, { from: 'fr', to: 'en' })));
    t.dispose();
  }
  assert.deepEqual(runs[1], runs[0]);
});

const noChat = !existsSync(SMOLLM2) && 'SKIP: the chat model is not there (make models)';

test('the session keeps what turns of a chat share', { skip: noChat }, async () => {
  const c = await Model.load(SMOLLM2, { nCtx: 512 });
  assert.equal(c.info.memory.session.context, 512);
  const messages = [{ role: 'user', content: 'What is the capital of France? Answer in one sentence.' }];
  assert.match(await c.chatText(messages), /<\|im_start\|>user\nWhat is/);
  const answer = await textOf(c.generate(messages, { max_new_tokens: 12, do_sample: false }));
  assert.match(answer, /Paris/);
  const first = (await c.counters()).promptTokens;
  await textOf(c.generate([...messages, { role: 'assistant', content: answer }, { role: 'user', content: 'And of Italy?' }], { max_new_tokens: 1 }));
  const second = (await c.counters()).promptTokens - first;
  assert.ok(second < first, `${second} tokens read in the second turn, ${first} in the first`);
  c.dispose();
});

test('with the page\'s own settings the chat model gives a sensible answer', { skip: noChat }, async () => {
  const c = await Model.load(SMOLLM2, { nCtx: 512 });
  const messages = [{ role: 'system', content: SYSTEM }, { role: 'user', content: 'What is the capital of France?' }];
  for (const seed of [1, 2, 3]) {
    const answer = await textOf(c.generate(messages, { ...optionsOf({ seed }), max_new_tokens: 12 }));
    assert.match(answer, /Paris/, `seed ${seed}`);
  }
  c.dispose();
});

test('a model at rest does not keep a program alive', () => {
  const code = `import { Model } from ${JSON.stringify(new URL('../../web/engine.mjs', import.meta.url).href)};
    const m = await Model.load(${JSON.stringify(FR_EN)}, { threads: 2 }); console.log((await m.tokenize('Je suis')).length);`;
  const done = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8', timeout: 20000 });
  assert.equal(done.stdout, '3\n', done.stderr);
  assert.equal(done.status, 0);
});

test('disposal ends the worker, busy or not', () => {
  const code = `import { Model } from ${JSON.stringify(new URL('../../web/engine.mjs', import.meta.url).href)};
    const m = await Model.load(${JSON.stringify(FR_EN)}, { threads: 2 });
    m.translate(${JSON.stringify(LONG)}, { to: 'en' });
    m.dispose(); console.log('disposed');`;
  const done = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8', timeout: 20000 });
  assert.equal(done.stdout, 'disposed\n', done.stderr);
  assert.equal(done.status, 0, 'the program went on');
});
