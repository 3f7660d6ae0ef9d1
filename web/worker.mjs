// @ts-check
/* The engine's worker, in a browser or in Node: owns the wasm instance, streams the model into it, runs one request at a time.
 * Messages in: {id, op, ...} and, for a running stream, {op: 'more' | 'cancel', target}. Out: {id, value | error}, {id, piece}, {progress}.
 * May import: wasm.mjs, source.mjs. */

import { open } from './source.mjs';
import { EngineError, inNode, isolated, start } from './wasm.mjs';

const node = inNode && !('WorkerGlobalScope' in globalThis);
/** @type {any} */
const port = node ? (await import('node:worker_threads')).parentPort : self;
const post = (/** @type {any} */ m, /** @type {any[]} */ transfer = []) => port.postMessage(m, transfer);

/** @typedef {{nCtx: number, nSrc: number, nSeq: number, nBatch: number}} SessionParams */

/** @type {import('./wasm.mjs').Wasm} */ let wasm;

/* A server that does not say how long the model is: the bytes wait outside the module's memory until their number is known. */
const UNKNOWN_LIMIT = 2 ** 30;
const megabytes = (/** @type {number} */ n) => `${(n / 1e6).toFixed(n < 1e7 ? 1 : 0)} MB`;

/** @param {import('./source.mjs').Opened} from */
function progressOf(from) {
  let told = -Infinity;
  return (/** @type {number} */ loaded) => {
    if (loaded < from.size && loaded - told < Math.max(from.size / 200, 1 << 18)) return;
    told = loaded;
    post({ progress: { status: 'progress', loaded, total: from.size } });
  };
}

/** @param {number} size @param {string} name */
function room(size, name) {
  const at = wasm.alloc(size);
  if (!at)
    throw new EngineError('LQ_E_NOMEM', `not enough memory: ${name} needs ${megabytes(size)} for its weights alone, which the browser does not give`);
  return at;
}

/** Refuses what cannot be a model at its first bytes; C says what it looks like. @param {Uint8Array} head */
function refuseOther(head) {
  if (head.length === 0) throw new EngineError('LQ_E_FORMAT', 'the model is empty: there are no bytes in it');
  if (head[0] === 71 && head[1] === 71 && head[2] === 85 && head[3] === 70) return; // "GGUF"
  wasm.withTexts([head, ''], (at, n, none) => wasm.call('lqw_open', wasm.handle, at, n, 1, none));
}

/** The chunks, the first of them long enough to be judged, and judged. @param {AsyncGenerator<Uint8Array>} chunks */
async function* judged(chunks) {
  let head = new Uint8Array(0);
  let good = false;
  for await (const chunk of chunks) {
    if (good) {
      yield chunk;
      continue;
    }
    const both = new Uint8Array(head.length + chunk.length);
    both.set(head);
    both.set(chunk, head.length);
    head = both;
    if (head.length < 64) continue;
    refuseOther(head.subarray(0, 512));
    good = true;
    yield head;
  }
  if (good) return;
  refuseOther(head);
  yield head;
}

/** @param {SessionParams} p */
const numbers = (p) => [p.nCtx, p.nSrc, p.nSeq, p.nBatch];

const FIRST_LOOK = 1 << 16;
const LAST_LOOK = 1 << 26;

/**
 * What loading will take, once the head of the file is there; null before.
 * @param {number} at @param {number} n @param {number} size @param {SessionParams} session @returns {{weights: number, session: number} | null}
 */
function planOf(at, n, size, session) {
  return wasm.call('lqw_plan', wasm.handle, at, n, size, ...numbers(session)) === 0 ? wasm.json() : null;
}

/**
 * Refuses a model that will not fit as soon as its head says so, not after the download.
 * @param {import('./source.mjs').Opened} from @param {SessionParams} session
 */
function memoryCheck(from, session) {
  let next = FIRST_LOOK;
  return (/** @type {number} */ at, /** @type {number} */ loaded) => {
    if (loaded < next && loaded < from.size) return;
    const plan = planOf(at, loaded, from.size, session);
    next = plan || loaded > LAST_LOOK ? Infinity : loaded * 1.25;
    if (!plan) return;
    const reserved = wasm.alloc(plan.session);
    if (reserved) return wasm.call('lqw_free', reserved);
    throw new EngineError('LQ_E_NOMEM', `not enough memory: ${from.name} needs ${megabytes(plan.weights)} for its weights and `
      + `${megabytes(plan.session)} to work with, which the browser does not give; a smaller context (nCtx) needs less`);
  };
}

/** More bytes or fewer than were announced. @param {import('./source.mjs').Opened} from @param {string} what */
const unsteady = ({ name, local }, what) =>
  (local ? new EngineError('LQ_E_IO', `${name} ${what}`) : new EngineError('LQ_E_NETWORK', `the download of ${name} ${what}`));

/** Into its final place, each byte copied once. @param {import('./source.mjs').Opened} from @param {SessionParams} session */
async function receiveKnown(from, session) {
  const progress = progressOf(from);
  const fits = memoryCheck(from, session);
  let at = 0;
  let loaded = 0;
  for await (const chunk of judged(from.chunks)) {
    at ||= room(from.size, from.name);
    if (loaded + chunk.length > from.size)
      throw unsteady(from, `is longer than it was said to be (${from.size} bytes)`);
    wasm.bytes.set(chunk, at + loaded);
    loaded += chunk.length;
    progress(loaded);
    fits(at, loaded);
  }
  if (loaded < from.size) throw unsteady(from, `ended after ${loaded} of ${from.size} bytes`);
  return { at, size: loaded };
}

/** Collected first, then moved piece by piece. @param {import('./source.mjs').Opened} from */
async function receiveUnknown(from) {
  const progress = progressOf(from);
  const parts = [];
  let size = 0;
  for await (const chunk of judged(from.chunks)) {
    size += chunk.length;
    if (size > UNKNOWN_LIMIT)
      throw new EngineError('LQ_E_NOMEM',
        `the server does not say how long ${from.name} is; it is longer than ${megabytes(UNKNOWN_LIMIT)}, the limit for that`);
    parts.push(chunk.slice());
    progress(size);
  }
  const at = room(size, from.name);
  let moved = 0;
  for (let part = parts.shift(); part; part = parts.shift()) {
    wasm.bytes.set(part, at + moved);
    moved += part.length;
  }
  return { at, size };
}

/** @param {{source: any, threads: number, build: string, kernels: string, session: SessionParams}} m */
async function load({ source, threads, build, kernels, session }) {
  const opening = open(source);
  opening.catch(() => {}); // the module's failure may come first
  const started = await start(threads, build);
  wasm = started.wasm;
  const from = await opening;
  const { at, size } = from.size ? await receiveKnown(from, session) : await receiveUnknown(from);
  wasm.withTexts([kernels], (name) => wasm.call('lqw_open', wasm.handle, at, size, started.threads, name));
  const params = numbers(session);
  wasm.check(wasm.call('lqw_session_bytes', wasm.handle, ...params));
  const bytes = wasm.json();
  wasm.check(wasm.call('lqw_session', wasm.handle, ...params));
  wasm.check(wasm.call('lqw_info', wasm.handle, 0, session.nCtx));
  const info = wasm.json();
  info.memory.session.bytes = bytes;
  post({ progress: { status: 'ready', loaded: size, total: size } });
  return { ...info, version: wasm.abi.version, build: started.build, buildNote: started.note, isolated: isolated() };
}

/** What a model will take, from its head alone. @param {{source: any, size: number, session: SessionParams}} m */
async function estimate({ source, size, session }) {
  wasm = (await start(1, '')).wasm;
  const from = await open(source);
  const whole = size || from.size;
  if (!whole) throw new EngineError('LQ_E_NETWORK', `the server does not say how long ${from.name} is`);
  let head = new Uint8Array(0);
  for await (const chunk of judged(from.chunks)) {
    const both = new Uint8Array(head.length + chunk.length);
    both.set(head);
    both.set(chunk, head.length);
    head = both;
    if (head.length < FIRST_LOOK && head.length < from.size) continue;
    if (head.length > LAST_LOOK) break;
    let plan = null;
    try {
      wasm.withTexts([head], (p, n) => wasm.call('lqw_plan', wasm.handle, p, n, whole, ...numbers(session)));
      plan = wasm.json();
    } catch (e) {
      if (head.length >= from.size || /** @type {any} */ (e).code !== 'LQ_E_FORMAT') throw e; // else the head may just be too short
    }
    if (plan) return { ...plan, total: plan.weights + plan.session };
  }
  throw new EngineError('LQ_E_FORMAT', `the head of ${from.name} is longer than ${megabytes(LAST_LOOK)}`);
}

/* Streams: each has credit, the pieces its reader has room for; without any its work stands still. One runs, the others wait in order. */
const streams = /** @type {Map<number, {credit: number, cancelled: boolean, wake: () => void}>} */ (new Map());

/** One macrotask, so that a message can come in. */
const breathe = node ? () => new Promise((done) => { setImmediate(done); }) : (() => {
  const { port1, port2 } = new MessageChannel();
  return () => new Promise((done) => {
    port1.onmessage = done;
    port2.postMessage(0);
  });
})();

/** @param {number[]} ids */
const idBytes = (ids) => new Uint8Array(Int32Array.from(ids).buffer);

/** Texts one after another, and the length of each. @param {string[]} texts */
function joined(texts) {
  const utf8 = new TextEncoder();
  const parts = texts.map((t) => utf8.encode(t));
  const bytes = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    bytes.set(p, at);
    at += p.length;
  }
  return { bytes, sizes: new Uint8Array(Uint32Array.from(parts, (p) => p.length).buffer) };
}

/** @param {any} r */
function begin(r) {
  const input = r.mode === 'ids' ? idBytes(r.input) : r.input;
  wasm.withTexts([input, r.from, r.to, r.options], (p, n, from, _f, to, _t, options, nOptions) =>
    wasm.call('lqw_begin', wasm.handle, wasm.abi.mode.indexOf(r.mode), p, n, from, to, options, nOptions));
}

/** @param {number} id @param {any} r */
async function stream(id, r) {
  const state = streams.get(id);
  if (!state) return;
  try {
    if (!state.cancelled) begin(r);
    for (;;) {
      await breathe();
      while (!state.cancelled && state.credit <= 0) await new Promise((go) => { state.wake = () => go(undefined); });
      if (state.cancelled) throw new EngineError('ABORT', 'stopped');
      if (!wasm.check(wasm.call('lqw_next', wasm.handle))) return;
      state.credit--;
      post({ id, piece: wasm.json() });
    }
  } catch (e) {
    if (/** @type {any} */ (e).code === 'ABORT') wasm.call('lqw_end', wasm.handle);
    throw e;
  } finally {
    streams.delete(id);
  }
}

/** Answers at once, also between two steps of a stream: none of these touches what the session is doing. @type {Record<string, (m: any) => any>} */
const queries = {
  tokenize(m) {
    wasm.withTexts([m.text], (p, n) => wasm.call('lqw_tokenize', wasm.handle, p, n, m.special ? 1 : 0, m.parse ? 1 : 0));
    return wasm.json();
  },
  detokenize(m) {
    wasm.withTexts([idBytes(m.ids)], (p) => wasm.call('lqw_detokenize', wasm.handle, p, m.ids.length, m.special ? 1 : 0));
    return wasm.out();
  },
  chatText(m) {
    wasm.withTexts([m.text], (p, n) => wasm.call('lqw_chat_text', wasm.handle, p, n, 1));
    return wasm.out();
  },
  options() {
    wasm.check(wasm.call('lqw_options', wasm.handle));
    return wasm.json();
  },
  counters() {
    wasm.check(wasm.call('lqw_counters', wasm.handle));
    return wasm.json();
  },
  metadata() {
    wasm.check(wasm.call('lqw_info', wasm.handle, 1, 0));
    return wasm.json();
  },
};

/** What uses the session, in the order asked for. @type {Record<string, (m: any) => any>} */
const jobs = {
  load,
  estimate,
  stream: (m) => stream(m.id, m.request),
  logits(m) {
    wasm.withTexts([idBytes(m.ids), idBytes(m.decoderIds)], (p, _n, d) =>
      wasm.call('lqw_logits', wasm.handle, p, m.ids.length, m.decoderIds.length ? d : 0, m.decoderIds.length));
    return new Float32Array(wasm.outBytes().buffer);
  },
  embed(m) {
    const { bytes, sizes } = joined(m.texts);
    wasm.withTexts([bytes, sizes, m.pooling], (p, _n, s, _s, how) =>
      wasm.call('lqw_embed', wasm.handle, p, s, m.texts.length, how, m.normalize === null ? -1 : Number(m.normalize)));
    return new Float32Array(wasm.outBytes().buffer);
  },
  classify(m) {
    const { bytes, sizes } = joined(m.texts);
    wasm.withTexts([bytes, sizes], (p, _n, s) => wasm.call('lqw_classify', wasm.handle, p, s, m.texts.length));
    return new Float32Array(wasm.outBytes().buffer);
  },
};

/** @param {number} id @param {any} e */
function fail(id, e) {
  const known = e instanceof EngineError;
  post({ id, error: { code: known ? e.code : 'LQ_E_ENGINE', message: known ? e.message : `the engine failed: ${e?.message ?? e}` } });
}

let queue = Promise.resolve();

/** @param {any} m */
function onMessage(m) {
  const state = streams.get(m.target);
  if (m.op === 'more' || m.op === 'cancel') {
    if (!state) return; // it has ended meanwhile
    if (m.op === 'more') state.credit += m.n;
    else state.cancelled = true;
    state.wake();
  } else if (Object.hasOwn(queries, m.op)) {
    try {
      post({ id: m.id, value: queries[m.op](m) });
    } catch (e) {
      fail(m.id, e);
    }
  } else {
    if (m.op === 'stream') streams.set(m.id, { credit: m.credit, cancelled: false, wake: () => {} });
    queue = queue.then(() => jobs[m.op](m)).then((value) => post({ id: m.id, value }), (e) => fail(m.id, e));
  }
}
if (node) port.on('message', onMessage);
else port.onmessage = (/** @type {MessageEvent} */ e) => onMessage(e.data);
