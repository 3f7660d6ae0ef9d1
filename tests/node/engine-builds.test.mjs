// @ts-check
/* The four builds: what ships, which one runs, what happens when one is broken, a trap, the death of a thread. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { brotliCompressSync } from 'node:zlib';
import { Model } from '../../web/engine.mjs';
import { choose } from '../../web/wasm.mjs';
import { failsWith, FR_EN, LONG, textOf, withBroken } from './engine.kit.mjs';

const WEB = new URL('../../web/', import.meta.url);
const BUILDS = /** @type {const} */ (['simd', 'relaxed', 'simd-mt', 'relaxed-mt']);
const RELAXED = Number(process.versions.node.split('.')[0]) >= 22;

/** @param {Model} m */
const translates = async (m) => assert.equal(await textOf(m.translate('Je suis étudiant', { from: 'fr', to: 'en' })), "I'm a student");

/** @param {string} folder @param {string} file @param {(text: string) => string} change */
function edit(folder, file, change) {
  const before = readFileSync(path.join(folder, file), 'utf8');
  const after = change(before);
  assert.notEqual(after, before, `the edit of ${file} changes nothing`);
  writeFileSync(path.join(folder, file), after);
}

for (const build of BUILDS) {
  test(`${build} is at most 200 KB as brotli sends it`, () => {
    const size = brotliCompressSync(readFileSync(new URL(`loquat-${build}.wasm`, WEB))).length;
    assert.ok(size <= 200e3, `${size} bytes`);
  });
  test(`${build} runs`, { skip: !RELAXED && build.startsWith('relaxed') && 'SKIP: this Node has a draft of relaxed SIMD' }, async () => {
    const m = await Model.load(FR_EN, { build, threads: build.endsWith('mt') ? 2 : 1 });
    assert.equal(m.info.build, build);
    await translates(m);
    m.dispose();
  });
}

test('nothing that ships evaluates text or, on its own site, makes code from a blob', () => {
  const uses = readFileSync(new URL('engine.mjs', WEB), 'utf8').match(/createObjectURL/g) ?? [];
  assert.equal(uses.length, 1, 'only where the engine is on another site than the page');
  for (const file of ['worker.mjs', 'wasm.mjs', 'source.mjs', 'loquat.mjs', 'loquat-mt.mjs'])
    assert.doesNotMatch(readFileSync(new URL(file, WEB), 'utf8'), /\beval\(|new Function|createObjectURL|document\.write|https?:\/\/(?!127)/, file);
  assert.doesNotMatch(readFileSync(new URL('engine.mjs', WEB), 'utf8'), /\beval\(|new Function|document\.write|https?:\/\/(?!127)/);
});

test('the choice: threads where memory can be shared, relaxed SIMD where it is final', () => {
  const all = choose(2, '').builds;
  assert.deepEqual(all, RELAXED ? ['relaxed-mt', 'simd-mt', 'relaxed', 'simd'] : ['simd-mt', 'simd']);
  assert.deepEqual(choose(1, '').builds, RELAXED ? ['relaxed', 'simd'] : ['simd']);
  assert.ok(choose(0, '').threads >= 1 && choose(0, '').threads <= 8);
  const shared = globalThis.SharedArrayBuffer;
  try {
    Object.assign(globalThis, { SharedArrayBuffer: undefined }); // a page that is not cross-origin isolated
    assert.deepEqual(choose(4, '').builds.filter((b) => b.endsWith('-mt')), []);
    assert.equal(choose(0, '').threads, 1);
    assert.throws(() => choose(2, 'simd-mt'), failsWithEngine('LQ_E_BROWSER', /isolated/));
  } finally {
    Object.assign(globalThis, { SharedArrayBuffer: shared });
  }
});

test('a browser that lacks something is told what', () => {
  const { validate } = WebAssembly;
  try {
    WebAssembly.validate = () => false;
    assert.throws(() => choose(1, ''), failsWithEngine('LQ_E_BROWSER', /SIMD/));
  } finally {
    WebAssembly.validate = validate;
  }
  const all = WebAssembly;
  try {
    Object.assign(globalThis, { WebAssembly: undefined });
    assert.throws(() => choose(1, ''), failsWithEngine('LQ_E_BROWSER', /no WebAssembly/));
  } finally {
    Object.assign(globalThis, { WebAssembly: all });
  }
});

/** The worker's own error, before it has crossed to the page. @param {string} code @param {RegExp} says */
function failsWithEngine(code, says) {
  return (/** @type {any} */ e) => {
    assert.equal(e.code, code);
    assert.match(e.message, says);
    return true;
  };
}

test('a build that does not compile, or is not there, gives way to a simpler one, and info says why', async () => {
  await withBroken((folder) => {
    const file = path.join(folder, 'loquat-simd-mt.wasm');
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.fill(0xff, bytes.length >> 1, (bytes.length >> 1) + 5000));
    rmSync(path.join(folder, 'loquat-relaxed-mt.wasm'));
    rmSync(path.join(folder, 'loquat-relaxed.wasm'));
  }, async (engine) => {
    const m = await engine.Model.load(FR_EN, { threads: 2 });
    assert.equal(m.info.build, 'simd');
    assert.equal(m.info.threads, 1);
    assert.match(m.info.buildNote, /simd-mt: .*[Cc]ompil/);
    await translates(m);
    m.dispose();
    await assert.rejects(engine.Model.load(FR_EN, { build: 'simd-mt', threads: 2 }), failsWith('LQ_E_BROWSER', /simd-mt/));
  });
});

test('a build whose self-test fails gives way too; when none is left that is said', async () => {
  const fails = (/** @type {string} */ which) => (/** @type {string} */ folder) => edit(folder, 'wasm.mjs', (text) =>
    text.replace("wasm.check(wasm.call('lqw_selftest', wasm.handle));", `if (${which}) throw new EngineError('LQ_E_SELFTEST', 'wrong results'); $&`));
  await withBroken(fails("build.endsWith('mt')"), async (engine) => {
    const m = await engine.Model.load(FR_EN, { threads: 2 });
    assert.match(m.info.build, /^(simd|relaxed)$/);
    assert.match(m.info.buildNote, /simd-mt: wrong results/);
    await translates(m);
    m.dispose();
  });
  await withBroken(fails('true'), async (engine) => {
    await assert.rejects(engine.Model.load(FR_EN), failsWith('LQ_E_BROWSER', /does not start here.*simd: wrong results/));
  });
});

test('a trap is reported, everything pending settles, and the engine loads again', async () => {
  await withBroken((folder) => edit(folder, 'worker.mjs', (text) =>
    text.replace('  options() {', "$&\n    wasm.call('lqw_out', 0xfffffff0);")), async (engine) => {
    const m = await engine.Model.load(FR_EN, { build: 'simd' });
    const stream = textOf(m.translate(LONG, { to: 'en' }));
    const trapped = m.options();
    await assert.rejects(trapped, failsWith('LQ_E_TRAP', /load the model again/));
    await assert.rejects(stream, failsWith('LQ_E_TRAP'));
    await assert.rejects(m.tokenize('x'), failsWith('LQ_E_TRAP'));
    const again = await engine.Model.load(FR_EN, { build: 'simd' });
    await translates(again);
    again.dispose();
  });
});

test('a trap while loading is reported too', async () => {
  await withBroken((folder) => edit(folder, 'worker.mjs', (text) =>
    text.replace("wasm.call('lqw_open', wasm.handle, at, size,", "wasm.call('lqw_open', 0xfffffff0, at, size,")), async (engine) => {
    await assert.rejects(engine.Model.load(FR_EN, { build: 'simd' }), failsWith('LQ_E_TRAP'));
  });
});

test('the death of a thread settles what waits for it, and the engine loads again', { timeout: 30000 }, async () => {
  const deadly = (/** @type {string} */ folder) => edit(folder, 'loquat-mt.mjs', (text) => // a thread that loses its functions once it runs
    text.replace('invokeEntryPoint(msgData.start_routine,msgData.arg)',
      'for(let i=1;i<wasmTable.length;i++)if(i!==msgData.start_routine)try{wasmTable.set(i,null)}catch{}$&'.replace('catch{}', 'catch(_){}')));
  await withBroken(deadly, async (engine) => {
    const m = await engine.Model.load(FR_EN, { build: 'simd-mt', threads: 2 }); // long enough for the thread to get a share of the work
    await assert.rejects(textOf(m.translate(LONG, { to: 'en' })), failsWith('LQ_E_TRAP'));
    const again = await engine.Model.load(FR_EN, { build: 'simd' });
    await translates(again);
    again.dispose();
  });
});

test('the worker ending by itself settles what waits', async () => {
  await withBroken((folder) => edit(folder, 'worker.mjs', (text) => text.replace('  options() {', '$&\n    process.exit(3);')), async (engine) => {
    const m = await engine.Model.load(FR_EN, { build: 'simd' });
    await assert.rejects(m.options(), failsWith('LQ_E_TRAP'));
  });
});
