// @ts-check
/* Downloads and their checks, without a browser. */

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { download, megabytes } from '../../web/download.mjs';
import { Sha256 } from '../../web/sha256.mjs';

test('sha256 fed in pieces equals node:crypto at every length', () => {
  for (let n = 0; n < 200; n++) {
    const bytes = randomBytes(n);
    const cut = n >> 1;
    assert.equal(new Sha256().update(bytes.subarray(0, cut)).update(bytes.subarray(cut)).hex(), createHash('sha256').update(bytes).digest('hex'));
  }
});

const file = Buffer.concat([Buffer.from('GGUF'), randomBytes(300_000)]);
const digest = createHash('sha256').update(file).digest('hex');

function memorySink() {
  let bytes = Buffer.alloc(0);
  return {
    get bytes() { return bytes; },
    size: () => bytes.length,
    write: (/** @type {Uint8Array} */ chunk, /** @type {number} */ at) => { assert.equal(at, bytes.length); bytes = Buffer.concat([bytes, chunk]); },
    read: (/** @type {number} */ at, /** @type {number} */ n) => bytes.subarray(at, at + n),
    truncate: (/** @type {number} */ n) => { bytes = bytes.subarray(0, n); },
    meta: /** @type {any} */ ({}),
  };
}

/**
 * A fetch that breaks after `breakAt` bytes the first time and serves ranges after.
 * @param {{breakAt?: number, ranges?: boolean, etag?: string}} [how]
 */
function fakeFetch({ breakAt = 0, ranges = true, etag = '"a"' } = {}) {
  /** @type {any[]} */
  const calls = [];
  const get = async (/** @type {string} */ _url, /** @type {any} */ init) => {
    calls.push(init.headers);
    const m = ranges && /^bytes=(\d+)-$/.exec(init.headers.Range ?? '');
    const from = m ? Number(m[1]) : 0;
    const rest = file.subarray(from);
    const broken = breakAt && calls.length === 1;
    const body = new ReadableStream({ start(c) {
      c.enqueue(new Uint8Array(broken ? rest.subarray(0, breakAt) : rest));
      if (!broken) c.close();
    }, pull(c) { if (broken) c.error(new TypeError('network error')); } });
    return new Response(body, { status: m ? 206 : 200, headers: { 'content-length': String(rest.length), etag,
      ...(m ? { 'content-range': `bytes ${from}-${file.length - 1}/${file.length}` } : {}) } });
  };
  return { calls, get: /** @type {typeof fetch} */ (/** @type {unknown} */ (get)) };
}

const url = 'https://example.org/m.gguf';

test('download resumes after a break and checks the whole', async () => {
  const sink = memorySink();
  const net = fakeFetch({ breakAt: 100_000 });
  await assert.rejects(download(url, sink, { sha256: digest, bytes: file.length, fetch: net.get }), { code: 'NETWORK' });
  assert.equal(sink.size(), 100_000);
  const done = await download(url, sink, { sha256: digest, bytes: file.length, fetch: net.get });
  assert.equal(net.calls[1].Range, 'bytes=100000-');
  assert.deepEqual(done, { bytes: file.length, sha256: digest });
  assert.ok(sink.bytes.equals(file));
});

test('download starts again where the server ignores ranges', async () => {
  const sink = memorySink();
  const net = fakeFetch({ breakAt: 5000, ranges: false });
  await assert.rejects(download(url, sink, { sha256: digest, fetch: net.get }), { code: 'NETWORK' });
  await download(url, sink, { sha256: digest, fetch: net.get });
  assert.ok(sink.bytes.equals(file));
});

test('download without a digest resumes only behind a strong validator of its own origin', async () => {
  for (const [sameOrigin, etag, resumed] of /** @type {[boolean, string, boolean][]} */ ([[true, '"a"', true], [true, 'W/"a"', false], [false, '"a"', false]])) {
    const sink = memorySink();
    const net = fakeFetch({ breakAt: 5000, etag });
    await assert.rejects(download(url, sink, { sameOrigin, fetch: net.get }), { code: 'NETWORK' });
    await download(url, sink, { sameOrigin, fetch: net.get });
    assert.equal('Range' in net.calls[1], resumed);
    assert.equal(net.calls[1]['If-Range'], resumed ? etag : undefined);
    assert.ok(sink.bytes.equals(file));
  }
});

test('download refuses and forgets bytes with another digest', async () => {
  const sink = memorySink();
  await assert.rejects(download(url, sink, { sha256: '00'.repeat(32), fetch: fakeFetch().get }), { code: 'SHA256' });
  assert.equal(sink.size(), 0);
});

test('sizes carry units people read', () => {
  assert.deepEqual([999, 12_817_984, 98_362_432, 1_500_000_000, 5_000_000].map(megabytes), ['1 kB', '13 MB', '98 MB', '1.50 GB', '5.0 MB']);
});
