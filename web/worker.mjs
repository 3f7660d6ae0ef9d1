// @ts-check
/* The engine's worker, in a browser or in Node: owns the wasm module, streams the model into it, runs one request at a time. */

const node = typeof process !== 'undefined' && !!process.versions?.node && typeof WorkerGlobalScope === 'undefined';
/** @type {any} */
const port = node ? (await import('node:worker_threads')).parentPort : self;
const post = (/** @type {any} */ m) => port.postMessage(m);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** @type {any} */ let lib;
let handle = 0;
let names = /** @type {Record<number, string>} */ ({});
const cancelled = new Set();

class EngineError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** @param {number} at NUL-terminated */
function text(at) {
  const heap = lib.HEAPU8;
  let end = at >>> 0;
  while (heap[end]) end++;
  return decoder.decode(heap.slice(at >>> 0, end));
}

const result = () => decoder.decode(lib.HEAPU8.slice(lib._lqw_out(handle) >>> 0, (lib._lqw_out(handle) >>> 0) + lib._lqw_out_bytes(handle)));

/** @param {number} status */
function check(status) {
  if (status > 1) throw new EngineError((names[status] ??= text(lib._lqw_status_name(status))), text(lib._lqw_message(handle)));
  return status;
}

/** Calls fn with each text as a NUL-terminated copy in wasm memory. @param {string[]} texts @param {(...at: number[]) => number} fn */
function withTexts(texts, fn) {
  const bytes = texts.map((t) => encoder.encode(t));
  const at = bytes.map((b) => {
    const p = lib._lqw_alloc(b.length + 1) >>> 0;
    if (!p) throw new EngineError('LQ_E_NOMEM', `not enough memory for a text of ${b.length} bytes`);
    lib.HEAPU8.set(b, p);
    lib.HEAPU8[p + b.length] = 0;
    return p;
  });
  try {
    return fn(...at.flatMap((p, i) => [p, bytes[i].length]));
  } finally {
    for (const p of at) lib._lqw_free(p);
  }
}

/** @param {any} source URL text, Blob or ArrayBuffer */
async function open(source) {
  if (source instanceof ArrayBuffer) return { size: source.byteLength, chunks: [new Uint8Array(source)] };
  if (source instanceof Blob) return { size: source.size, chunks: source.stream() };
  if (node && source.startsWith('file:')) {
    const { openAsBlob } = await import('node:fs');
    const blob = await (async () => openAsBlob(new URL(source)))().catch(() => { throw new EngineError('LQ_E_IO', `the file ${source} cannot be read`); });
    return { size: blob.size, chunks: blob.stream() };
  }
  const res = await fetch(source).catch((e) => { throw new EngineError('LQ_E_NETWORK', `the download of ${source} failed: ${e.message}`); });
  if (!res.ok || !res.body) throw new EngineError('LQ_E_NETWORK', `the server answered ${res.status} for ${source}`);
  const size = Number(res.headers.get('content-length')) || 0;
  if (size) return { size, chunks: res.body };
  const whole = await res.arrayBuffer(); // a server that does not say how long it is
  return { size: whole.byteLength, chunks: [new Uint8Array(whole)] };
}

/** Streams the model once into its final place. @param {any} source @param {number} nCtx */
async function load(source, nCtx) {
  const { default: create } = await import('./loquat.mjs');
  lib = await create();
  handle = lib._lqw_new();
  const { size, chunks } = await open(source);
  if (!size) throw new EngineError('LQ_E_FORMAT', 'the model is empty: there are no bytes in it');
  const at = lib._lqw_alloc(size) >>> 0;
  if (!at) throw new EngineError('LQ_E_NOMEM', `not enough memory: the model needs ${(size / 1e6).toFixed(0)} MB`);
  let loaded = 0;
  for await (const chunk of chunks) {
    if (loaded + chunk.length > size) throw new EngineError('LQ_E_NETWORK', 'the download is longer than the server said');
    lib.HEAPU8.set(chunk, at + loaded);
    loaded += chunk.length;
    post({ progress: { status: 'progress', loaded, total: size } });
  }
  if (loaded < size) throw new EngineError('LQ_E_NETWORK', `the download ended after ${loaded} of ${size} bytes`);
  check(lib._lqw_open(handle, at, size, nCtx));
  return JSON.parse(result());
}

/** One macrotask, so that a cancel message can come in. */
const breathe = () => new Promise((done) => {
  const c = new MessageChannel();
  c.port1.onmessage = () => { c.port1.close(); done(undefined); };
  c.port2.postMessage(0);
});

/** @param {number} id @param {any} r */
async function stream(id, r) {
  check(withTexts([r.text, r.from ?? '', r.to ?? '', JSON.stringify(r.options)], (p, n, from, _f, to, _t, options) =>
    lib._lqw_begin(handle, r.mode, p, n, from, to, options)));
  for (;;) {
    await breathe();
    if (cancelled.delete(id)) {
      lib._lqw_end(handle);
      throw new EngineError('ABORT', 'stopped');
    }
    if (check(lib._lqw_next(handle)) === 1) return null;
    post({ id, piece: JSON.parse(result()) });
  }
}

/** @param {any} m */
async function run(m) {
  switch (m.op) {
    case 'load': return load(m.source, m.nCtx);
    case 'tokenize': check(withTexts([m.text], (p, n) => lib._lqw_tokenize(handle, p, n, m.special ? 1 : 0))); return JSON.parse(result());
    case 'detokenize': {
      const p = lib._lqw_alloc(4 * m.ids.length + 4) >>> 0;
      lib.HEAPU8.set(new Uint8Array(Int32Array.from(m.ids).buffer), p);
      const status = lib._lqw_detokenize(handle, p, m.ids.length);
      lib._lqw_free(p);
      check(status);
      return result();
    }
    default: return stream(m.id, m.request);
  }
}

let queue = Promise.resolve();
/** @param {any} m */
function onMessage(m) {
  if (m.op === 'cancel') {
    cancelled.add(m.target);
    return;
  }
  queue = queue.then(() => run(m)).then(
    (value) => { cancelled.delete(m.id); post({ id: m.id, value }); },
    (e) => post({ id: m.id, error: { code: e.code ?? (e instanceof WebAssembly.RuntimeError ? 'LQ_E_TRAP' : 'LQ_E_ENGINE'), message: e.message } }));
}
if (node) port.on('message', onMessage);
else port.onmessage = (/** @type {MessageEvent} */ e) => onMessage(e.data);
