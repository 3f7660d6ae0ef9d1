// @ts-check
/* Loading a model: where it comes from, what is said on the way, and every bad input with its code and sentence. */
import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { Model } from '../../web/engine.mjs';
import { bytesOf, failsWith, FR_EN, sleep, textOf, TINY, withBroken } from './engine.kit.mjs';

const MODEL = readFileSync(FR_EN);
const CORPUS = new URL('../fuzz/corpus/gguf/', import.meta.url);
const folder = mkdtempSync(path.join(tmpdir(), 'loquat-load-'));
let sent = 0; // bytes the server handed to the network

/** @param {http.ServerResponse} r @param {Uint8Array} bytes */
async function slowly(r, bytes) {
  r.setMaxListeners(0);
  for (let at = 0; at < bytes.length && !r.destroyed; at += 1 << 16) {
    const part = bytes.subarray(at, at + (1 << 16));
    sent += part.length;
    if (!r.write(part)) await Promise.race([new Promise((go) => r.once('drain', go)), new Promise((go) => r.once('close', go))]);
  }
  if (!r.destroyed) r.end();
}

/** @type {Record<string, (r: http.ServerResponse) => void>} */
const routes = {
  '/good.gguf': (r) => { r.setHeader('Content-Length', MODEL.length); slowly(r, MODEL); },
  '/chunked.gguf': (r) => { slowly(r, MODEL); },
  '/gzip.gguf': (r) => {
    const z = gzipSync(MODEL, { level: 1 });
    r.writeHead(200, { 'Content-Encoding': 'gzip', 'Content-Length': z.length });
    r.end(z);
  },
  '/drip.gguf': (r) => { // a byte at a time at first
    r.setHeader('Content-Length', MODEL.length);
    let at = 0;
    const next = () => { if (at < 70) r.write(MODEL.subarray(at, ++at), () => setTimeout(next, 1)); else r.end(MODEL.subarray(at)); };
    next();
  },
  '/page.gguf': (r) => {
    const page = Buffer.alloc(64 << 20, '<!doctype html><p>Not found. ');
    r.setHeader('Content-Length', page.length);
    slowly(r, page);
  },
  '/page-chunked.gguf': (r) => { slowly(r, Buffer.from('\n  <html><body>Please log in</body></html>')); },
  '/cut.gguf': (r) => { r.setHeader('Content-Length', MODEL.length); r.write(MODEL.subarray(0, 1 << 20), () => setTimeout(() => r.destroy(), 50)); },
  '/cut-chunked.gguf': (r) => { slowly(r, MODEL.subarray(0, 1 << 20)); },
  '/empty.gguf': (r) => { r.end(); },
  '/huge.gguf': (r) => { r.setHeader('Content-Length', 3 * 2 ** 40); r.write(MODEL.subarray(0, 1 << 16)); },
  '/busy.gguf': (r) => { r.statusCode = 503; r.end('busy'); },
  '/stuck.gguf': (r) => { r.setHeader('Content-Length', MODEL.length); r.write(MODEL.subarray(0, 1 << 22)); },
};
const server = http.createServer((q, r) => {
  const route = routes[q.url ?? ''];
  if (route) route(r);
  else { r.statusCode = 404; r.end('<!doctype html>no'); }
});
let base = '';
before(async () => {
  await new Promise((done) => { server.listen(0, '127.0.0.1', () => done(undefined)); });
  base = `http://127.0.0.1:${/** @type {any} */ (server.address()).port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

/** @param {Parameters<typeof Model.load>[0]} source @param {import('../../web/engine.mjs').LoadOptions} [options] */
async function translates(source, options) {
  const m = await Model.load(source, options);
  assert.equal(await textOf(m.translate('Je suis étudiant', { from: 'fr', to: 'en' })), "I'm a student");
  m.dispose();
}

test('loads from a path, a file URL, a Blob, a buffer, a view, a server', async () => {
  await translates(FR_EN);
  await translates(path.relative(process.cwd(), FR_EN));
  await translates(pathToFileURL(FR_EN));
  await translates(new Blob([MODEL]));
  await translates(new File([MODEL], 'my model.gguf'));
  const padded = new Uint8Array(MODEL.length + 13);
  padded.set(MODEL, 13);
  await translates(padded.subarray(13));
  assert.equal(padded.length, MODEL.length + 13, 'a view of a part is copied');
  const buffer = bytesOf(FR_EN);
  await translates(buffer);
  assert.equal(buffer.byteLength, 0, 'a buffer moves');
  for (const name of ['good', 'chunked', 'gzip', 'drip']) await translates(`${base}/${name}.gguf`);
});

test('says how far it has come, in bytes', async () => {
  for (const [name, total] of /** @type {const} */ ([['good', MODEL.length], ['chunked', 0]])) {
    const said = /** @type {import('../../web/engine.mjs').Progress[]} */ ([]);
    await translates(`${base}/${name}.gguf`, { onProgress: (p) => said.push(p) });
    const last = said.pop();
    assert.deepEqual(last, { status: 'ready', loaded: MODEL.length, total: MODEL.length });
    assert.ok(said.length > 5 && said.length < 500, `${said.length} messages`);
    assert.ok(said.every((p, i) => p.status === 'progress' && p.total === total && p.loaded > (said[i - 1]?.loaded ?? 0)));
    assert.equal(said.at(-1)?.loaded, name === 'good' ? MODEL.length : said.at(-1)?.loaded);
  }
  await assert.rejects(Model.load(FR_EN, { onProgress: () => { throw new Error('mine'); } }), /mine/);
});

test('what is no model is refused at its first bytes, with a sentence', async () => {
  sent = 0;
  await assert.rejects(Model.load(`${base}/page.gguf`), failsWith('LQ_E_FORMAT', /HTML/));
  await sleep(50);
  assert.ok(sent < 16 << 20, `${sent} bytes were sent of a page of 64 MB`);
  await assert.rejects(Model.load(`${base}/page-chunked.gguf`), failsWith('LQ_E_FORMAT', /HTML/));
  await assert.rejects(Model.load(new Blob(['<!doctype html><title>404</title>'])), failsWith('LQ_E_FORMAT', /HTML/));
  await assert.rejects(Model.load(new Blob(['GG'])), failsWith('LQ_E_FORMAT'));
  await assert.rejects(Model.load(new ArrayBuffer(0)), failsWith('LQ_E_FORMAT', /empty/));
  await assert.rejects(Model.load(new Blob([])), failsWith('LQ_E_FORMAT', /empty/));
  await assert.rejects(Model.load(`${base}/empty.gguf`), failsWith('LQ_E_FORMAT', /empty/));
  await assert.rejects(Model.load(new Blob(['PK\x03\x04'.padEnd(100)])), failsWith('LQ_E_FORMAT', /zip/));
});

test('hostile and foreign files are refused with the code of what is wrong', async () => {
  const wanted = { truncated: 'LQ_E_FORMAT', dims_overflow: 'LQ_E_FORMAT', n_tensors_huge: 'LQ_E_FORMAT', v1: 'LQ_E_UNSUPPORTED',
    big_endian: 'LQ_E_UNSUPPORTED', type_removed: 'LQ_E_UNSUPPORTED', good: 'LQ_E_FORMAT', safetensors: 'LQ_E_FORMAT' };
  for (const [name, code] of Object.entries(wanted)) {
    const bytes = name === 'truncated' ? MODEL.subarray(0, 100000) : readFileSync(new URL(name, CORPUS));
    await assert.rejects(Model.load(new Blob([bytes])), (e) => failsWith(code)(e) && /** @type {any} */ (e).message.length < 300, name);
  }
  const other = Buffer.from(bytesOf(`${TINY}/llama-gqa.gguf`));
  other.write('mamba', other.indexOf('llama', other.indexOf('general.architecture')));
  await assert.rejects(Model.load(other), failsWith('LQ_E_ARCH', /mamba/));
});

test('a failed download says what failed', async () => {
  await assert.rejects(Model.load(`${base}/nowhere.gguf`), failsWith('LQ_E_NETWORK', /404.*nowhere\.gguf/));
  await assert.rejects(Model.load(`${base}/busy.gguf`), failsWith('LQ_E_NETWORK', /503/));
  await assert.rejects(Model.load(`${base}/cut.gguf`), failsWith('LQ_E_NETWORK', /cut\.gguf/));
  await assert.rejects(Model.load(`${base}/cut-chunked.gguf`), failsWith('LQ_E_FORMAT'));
  await assert.rejects(Model.load('http://127.0.0.1:1/x.gguf'), failsWith('LQ_E_NETWORK', /127\.0\.0\.1:1/));
});

test('a file that grows or shrinks while it is read does not run over its place', async () => {
  for (const [by, says] of /** @type {const} */ ([[-1, /longer than/], [1, /ended after/]])) {
    await withBroken((copy) => {
      const file = path.join(copy, 'source.mjs');
      const text = readFileSync(file, 'utf8');
      assert.ok(text.includes('size: found.size,'));
      writeFileSync(file, text.replace('size: found.size,', `size: found.size + ${by},`));
    }, async (engine) => {
      await assert.rejects(engine.Model.load(FR_EN, { threads: 1 }), failsWith('LQ_E_IO', says));
    });
  }
});

test('files that cannot be read say so', async () => {
  await assert.rejects(Model.load('nowhere/at/all.gguf'), failsWith('LQ_E_IO', /nowhere\/at\/all\.gguf/));
  await assert.rejects(Model.load(folder), failsWith('LQ_E_IO', /not a regular file/));
  await assert.rejects(Model.load(/** @type {any} */ (undefined)), failsWith('LQ_E_ARG'));
  await assert.rejects(Model.load(/** @type {any} */ (42)), failsWith('LQ_E_ARG'));
  await assert.rejects(Model.load('http://'), failsWith('LQ_E_ARG', /is no address/));
});

test('options that make no sense are refused by name', async () => {
  await assert.rejects(Model.load(FR_EN, /** @type {any} */ ({ gpu: true })), failsWith('LQ_E_OPTION', /gpu/));
  await assert.rejects(Model.load(FR_EN, /** @type {any} */ ({ threads: '2' })), failsWith('LQ_E_OPTION', /threads is "2"; .*whole number/));
  await assert.rejects(Model.load(FR_EN, /** @type {any} */ ({ signal: 'x' })), failsWith('LQ_E_ARG', /AbortSignal/));
  await assert.rejects(Model.load(FR_EN, /** @type {any} */ ({ onProgress: 'x' })), failsWith('LQ_E_ARG', /onProgress/));
  await assert.rejects(Model.load(FR_EN, { threads: -1 }), failsWith('LQ_E_OPTION', /threads/));
  await assert.rejects(Model.load(FR_EN, { threads: 1.5 }), failsWith('LQ_E_OPTION', /threads/));
  await assert.rejects(Model.load(FR_EN, { nCtx: -5 }), failsWith('LQ_E_OPTION', /nCtx/));
  await assert.rejects(Model.load(FR_EN, /** @type {any} */ ({ build: 'gpu' })), failsWith('LQ_E_OPTION', /gpu.*simd/));
  await assert.rejects(Model.load(FR_EN, { kernels: 'avx9' }), failsWith('LQ_E_OPTION', /avx9/));
});

test('too little memory: says how much is needed, and loading works again', async () => {
  await assert.rejects(Model.load(`${base}/huge.gguf`), failsWith('LQ_E_NOMEM', /3298535 MB/));
  const big = path.join(folder, 'big.gguf');
  const fd = openSync(big, 'w'); // sparse: 5 GB, more than wasm32 has
  writeSync(fd, MODEL, 0, 1 << 16);
  ftruncateSync(fd, 5e9);
  closeSync(fd);
  await assert.rejects(Model.load(big), failsWith('LQ_E_NOMEM', /5000 MB/));
  await assert.rejects(Model.load(`${TINY}/llama-gqa.gguf`, { nCtx: 60000 }), failsWith('LQ_E_CONTEXT', /60000/));
  await assert.rejects(Model.load(FR_EN, { nCtx: 2 ** 20, nSeq: 8 }), failsWith('LQ_E_NOMEM', /\d MB/));
  await translates(FR_EN);
});

test('says what a model will take from its head alone', async () => {
  const m = await Model.load(FR_EN, { threads: 1 });
  const { weights, session } = m.info.memory;
  m.dispose();
  sent = 0;
  const buffer = bytesOf(FR_EN);
  for (const source of [FR_EN, new Blob([MODEL]), buffer, MODEL.subarray(0), `${base}/good.gguf`])
    assert.deepEqual(await Model.estimate(source), { weights, session: session.bytes, total: weights + session.bytes });
  assert.equal(buffer.byteLength, MODEL.length, 'a buffer stays');
  const small = await Model.estimate(`${TINY}/llama-gqa.gguf`, { nCtx: 16 });
  const large = await Model.estimate(`${TINY}/llama-gqa.gguf`, { nCtx: 32 });
  assert.ok(large.session > small.session && small.weights === large.weights);
  await assert.rejects(Model.estimate(`${base}/page.gguf`), failsWith('LQ_E_FORMAT', /HTML/));
  await assert.rejects(Model.estimate(`${base}/chunked.gguf`), failsWith('LQ_E_NETWORK', /how long/));
  await assert.rejects(Model.estimate(new Blob([MODEL.subarray(0, 3000)])), failsWith('LQ_E_FORMAT'));
  await assert.rejects(Model.estimate(FR_EN, /** @type {any} */ ({ gpu: 1 })), failsWith('LQ_E_OPTION', /gpu/));
});

test('a model whose session will not fit is refused while its head arrives', async () => {
  sent = 0;
  await assert.rejects(Model.load(`${base}/stuck.gguf`, { nCtx: 2 ** 20, nSeq: 8 }), failsWith('LQ_E_NOMEM', /12\.8|13 MB.*weights.*\d MB to work/));
});

test('a signal ends loading', async () => {
  const c = new AbortController();
  const stuck = Model.load(`${base}/stuck.gguf`, { signal: c.signal, onProgress: () => c.abort() });
  await assert.rejects(stuck, { name: 'AbortError' });
  await assert.rejects(Model.load(FR_EN, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  await assert.rejects(Model.load(`${base}/stuck.gguf`, { signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' });
});
