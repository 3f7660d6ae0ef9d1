// @ts-check
/* Loquat for JavaScript: the model runs in a worker, in a browser or in Node.
 *   const m = await Model.load('models/fr-en.gguf', { onProgress });
 *   for await (const piece of m.translate('Je suis étudiant', { from: 'fr', to: 'en' })) write(piece.text);
 *   m.dispose();
 * Model.estimate(source) says beforehand what a model will take.
 *
 * Requests run one after another, in the order in which they were made; tokenize() and the like answer in between. A stream works ahead of
 * its reader by at most AHEAD pieces, then waits. Leaving a `for await` loop, cancelling the stream or aborting its signal stops the work
 * within one token.
 * Every failure is a LoquatError, but for an aborted signal: that rejects with the signal's reason (an AbortError unless one was given). After
 * LQ_E_TRAP the model is gone and can be loaded again. May import: worker.mjs, as a worker. */

/**
 * @typedef {object} Piece one step of a stream
 * @property {string} text whole characters; may be empty
 * @property {number} tokenId -1: no token in this step (the prompt being read, white space between sentences)
 * @property {number} logprob ln of the token's probability; 0 without a token
 * @property {number} promptDone ids of the prompt (or source) read so far
 * @property {number} promptTotal
 * @property {number} sentence which of nSentences this belongs to; 0 of 1 but for translation
 * @property {number} nSentences
 * @property {number} hypothesis num_return_sequences above 1: 0 is the best, whose pieces come first, then those of the others in order
 * @property {number} score num_beams above 1: sum of log-probabilities / length^length_penalty; 0 otherwise
 * @property {'eos' | 'stop' | 'length' | 'context' | null} finish on the last piece of a sequence: why it ended
 */

/** @typedef {{role: string, content: string | {type: 'text', text: string}[]}} Message */
/** @typedef {{status: 'progress' | 'ready', loaded: number, total: number}} Progress bytes; total 0: not known yet */

/**
 * @typedef {object} LoadOptions
 * @property {number} [threads] 0 or absent: as many as make sense here. Results do not depend on it. More than one needs a cross-origin isolated page
 * @property {AbortSignal} [signal]
 * @property {(p: Progress) => void} [onProgress]
 * @property {number} [nCtx] positions kept (prompt and answer); absent: the smaller of the model's and 2048
 * @property {number} [nSrc] longest sentence to translate, in tokens; absent: 512
 * @property {number} [nSeq] sentences translated at once; absent: 4
 * @property {number} [nBatch] prompt tokens read in one step, the grain of cancelling; absent: 128
 * @property {'relaxed-mt' | 'simd-mt' | 'relaxed' | 'simd'} [build] this one only; absent: the fastest that works here
 * @property {string} [kernels] this table of kernels; absent: the fastest that passes its self-test
 */

/**
 * @typedef {object} Info
 * @property {string} name
 * @property {string} architecture
 * @property {string[]} tasks generate, chat, translate, encode, embed, fill-mask, classify, ner, qa
 * @property {string[]} [labels] what classify() tells apart
 * @property {string[]} languages
 * @property {{weights: number, session: {context: number, bytes: number}}} memory bytes
 * @property {string} kernels the table in use
 * @property {number} threads
 * @property {string} build the build in use: relaxed-mt, simd-mt, relaxed or simd
 * @property {string} buildNote why a faster build failed; '' when none did
 * @property {boolean} isolated whether threads may run here
 * @property {string} version of the engine
 */

/** @typedef {ReadableStream<Piece> & AsyncIterable<Piece>} PieceStream */

/**
 * `code` is stable, `message` one sentence. Codes: those of src/base/status.h (LQ_E_FORMAT, LQ_E_OPTION, LQ_E_CONTEXT...), and here
 * LQ_E_NETWORK (the download failed), LQ_E_BROWSER (something is missing here), LQ_E_TRAP (the engine stopped; load again), LQ_E_ENGINE
 * (a fault of ours). A disposed model gives LQ_E_STATE, by its platform name an InvalidStateError.
 */
export class LoquatError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.name = code === 'LQ_E_STATE' ? 'InvalidStateError' : 'LoquatError';
    this.code = code;
  }
}

/** @param {Float32Array} all @param {number} n @returns {Float32Array[]} */
const rows = (all, n) => Array.from({ length: n }, (_, i) => all.slice((i * all.length) / n, ((i + 1) * all.length) / n));

const AHEAD = 256;
const node = typeof process !== 'undefined' && !!process.versions?.node && typeof window === 'undefined' && !('WorkerGlobalScope' in globalThis);
const disposedError = () => new LoquatError('LQ_E_STATE', 'the model was disposed of');
const wrong = (/** @type {string} */ message) => new LoquatError('LQ_E_ARG', message);
const reasonOf = (/** @type {AbortSignal | undefined} */ signal) => signal?.reason ?? new DOMException('The request was stopped.', 'AbortError');

/** An options argument, whose signal and onProgress are what they should be. @param {any} options @returns {any} */
function given(options) {
  const o = options ?? {};
  if (typeof o !== 'object') throw wrong(`options are given as an object, not as ${typeof o}`);
  if (o.signal !== undefined && typeof o.signal?.addEventListener !== 'function') throw wrong('signal must be an AbortSignal');
  if (o.onProgress !== undefined && typeof o.onProgress !== 'function') throw wrong('onProgress must be a function');
  return o;
}

/** @param {any} text @param {string} what */
function textArg(text, what) {
  if (typeof text !== 'string') throw wrong(`${what} must be a string, not ${text === null ? 'null' : typeof text}`);
  return text;
}

/** Token ids, none of them rounded or wrapped on the way to the engine. @param {any} ids @returns {number[]} */
function idsArg(ids) {
  if (typeof ids !== 'object' || typeof ids?.[Symbol.iterator] !== 'function') throw wrong('token ids are given as an array of numbers');
  const list = [...ids];
  const at = list.findIndex((id) => !Number.isInteger(id) || Math.abs(id) > 0x7fffffff);
  if (at >= 0) throw wrong(`token ids are whole numbers; number ${at + 1} of them is ${String(list[at])}`);
  return list;
}

/** @param {any} messages */
function messagesArg(messages) {
  if (!Array.isArray(messages)) throw wrong('what to go on from is a string, an array of messages {role, content} or token ids');
  return asJson(messages, 'LQ_E_ARG', 'the messages');
}

/** What JSON would drop in silence is kept, so that the engine refuses it by name. @param {any} value @param {string} code @param {string} what */
function asJson(value, code, what) {
  try {
    return JSON.stringify(value, (_key, v) =>
      (['function', 'bigint', 'symbol'].includes(typeof v) || (typeof v === 'number' && !Number.isFinite(v)) ? String(v) : v));
  } catch (e) {
    throw new LoquatError(code, `${what} cannot be written as JSON (${/** @type {Error} */ (e).message.split('\n')[0]})`);
  }
}

/** @param {(m: any) => void} onMessage @param {(why: string) => void} onFailure */
async function startWorker(onMessage, onFailure) {
  const url = new URL('./worker.mjs', import.meta.url);
  if (node) {
    const worker = new (await import('node:worker_threads')).Worker(url, { execArgv: [] }); // flags like --input-type are not for it
    worker.on('message', onMessage);
    worker.on('error', (e) => onFailure(e.message));
    worker.on('exit', () => onFailure('its worker ended'));
    return worker;
  }
  if (typeof Worker !== 'function') throw new LoquatError('LQ_E_BROWSER', 'there are no web workers here, which the engine computes in');
  /* A browser starts workers of the page's own site only. The engine of another one (a CDN) is imported by a worker of this site. */
  const foreign = /^https?:/.test(url.href) && url.origin !== globalThis.origin;
  const from = foreign && URL.createObjectURL(new Blob([`import ${JSON.stringify(url.href)};`], { type: 'text/javascript' }));
  const worker = from ? new Worker(from, { type: 'module', name: 'loquat' })
    : new Worker(new URL('./worker.mjs', import.meta.url), { type: 'module', name: 'loquat' }); // written out, so that a bundler sees it
  worker.onmessage = (e) => onMessage(e.data);
  worker.onerror = (e) => onFailure(e.message || `${url.pathname} could not be loaded`);
  worker.onmessageerror = () => onFailure('a message could not be read');
  return worker;
}

/**
 * What the worker can take: an absolute URL, a Blob or an ArrayBuffer.
 * @param {string | URL | Blob | ArrayBuffer | ArrayBufferView} source
 * @returns {Promise<string | Blob | ArrayBuffer>}
 */
async function sourceOf(source) {
  if (source instanceof ArrayBuffer || source instanceof Blob) return source;
  if (ArrayBuffer.isView(source)) {
    const whole = source.byteLength === source.buffer.byteLength && source.buffer instanceof ArrayBuffer;
    return /** @type {ArrayBuffer} */ (whole ? source.buffer : new Uint8Array(source.buffer, source.byteOffset, source.byteLength).slice().buffer);
  }
  if (source instanceof URL) return source.href;
  if (typeof source !== 'string' || !source) throw new LoquatError('LQ_E_ARG', 'a model is loaded from an address, a File, a Blob or an ArrayBuffer');
  try {
    if (node) return /^[a-z][a-z0-9+.-]+:/i.test(source) ? new URL(source).href : (await import('node:url')).pathToFileURL(source).href;
    return new URL(source, globalThis.document?.baseURI ?? location.href).href;
  } catch {
    throw new LoquatError('LQ_E_ARG', `"${source}" is no address`);
  }
}

const HEAD = 1 << 26; // more than any model's head

/** @param {Record<string, any>} options what is left of them */
function sessionOf({ nCtx = 0, nSrc = 0, nSeq = 0, nBatch = 0, ...rest }) {
  const unknown = Object.keys(rest)[0];
  if (unknown) throw new LoquatError('LQ_E_OPTION', `a model is not loaded with an option "${unknown}"`);
  const session = { nCtx, nSrc, nSeq, nBatch };
  for (const [name, n] of Object.entries(session))
    if (!Number.isInteger(n) || n < 0 || n > 2 ** 31) throw new LoquatError('LQ_E_OPTION', `${name} is ${n}; it must be a whole number`);
  return session;
}

export class Model {
  /** @type {Map<number, {resolve: (v: any) => void, reject: (e: any) => void, onPiece?: (p: Piece) => void}>} */
  #pending = new Map();
  #lastId = 0;
  /** @type {any} */ #worker = null;
  /** @type {((p: Progress) => void) | undefined} */ #onProgress;
  /** @type {unknown} why nothing runs any more */ #closed = null;
  /** What the model is and how it runs here. @type {Info} */
  info = /** @type {any} */ (null);

  /**
   * Streams the model once into the engine's memory. An ArrayBuffer, or a typed array over a whole one, moves there and is empty afterwards.
   * Strings are addresses; in Node also paths.
   * @param {string | URL | Blob | ArrayBuffer | ArrayBufferView} source
   * @param {LoadOptions} [options]
   * @returns {Promise<Model>}
   */
  static async load(source, options = {}) {
    const { signal, onProgress, threads = 0, build = '', kernels = '', ...rest } = given(options);
    const session = sessionOf(rest);
    const from = await sourceOf(source);
    const m = new Model();
    m.#onProgress = onProgress;
    m.info = await m.#first({ op: 'load', source: from, threads, build, kernels, session }, signal, from instanceof ArrayBuffer ? [from] : []);
    return m;
  }

  /**
   * What a model will take once loaded, in bytes, from the head of its file: nothing else is fetched, and a buffer stays as it is.
   * @param {string | URL | Blob | ArrayBuffer | ArrayBufferView} source
   * @param {Pick<LoadOptions, 'signal' | 'nCtx' | 'nSrc' | 'nSeq' | 'nBatch'>} [options]
   * @returns {Promise<{weights: number, session: number, total: number}>}
   */
  static async estimate(source, options = {}) {
    const { signal, ...rest } = given(options);
    const session = sessionOf(rest);
    const bytes = source instanceof ArrayBuffer ? new Uint8Array(source)
      : ArrayBuffer.isView(source) ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength) : null;
    const from = bytes ? bytes.slice(0, HEAD).buffer : await sourceOf(source);
    const m = new Model();
    try {
      return await m.#first({ op: 'estimate', source: from, size: bytes?.length ?? 0, session }, signal);
    } finally {
      m.dispose();
    }
  }

  /** Starts the worker and makes the first call. @param {any} call @param {AbortSignal} [signal] @param {any[]} [transfer] */
  async #first(call, signal, transfer = []) {
    if (signal?.aborted) throw reasonOf(signal);
    const stop = () => this.#close(reasonOf(signal));
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const worker = await startWorker((d) => this.#receive(d), (why) =>
        this.#close(new LoquatError('LQ_E_TRAP', `the engine stopped unexpectedly (${why}); load the model again`)));
      this.#worker = worker;
      if (this.#closed) worker.terminate(); // aborted while it started
      return await this.#call(call, transfer);
    } catch (e) {
      this.#close(e);
      throw e;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /**
   * @param {string} text
   * @param {{addSpecial?: boolean, parseSpecial?: boolean}} [options] addSpecial: BOS and EOS as the model wants them; parseSpecial: the name
   *   of a special token in the text is that token
   * @returns {Promise<number[]>}
   */
  async tokenize(text, { addSpecial = true, parseSpecial = true } = {}) {
    return this.#call({ op: 'tokenize', text: textArg(text, 'the text to tokenise'), special: addSpecial, parse: parseSpecial });
  }

  /** @param {Iterable<number>} ids @param {{keepSpecial?: boolean}} [options] @returns {Promise<string>} */
  async detokenize(ids, { keepSpecial = false } = {}) { return this.#call({ op: 'detokenize', ids: idsArg(ids), special: keepSpecial }); }

  /** The text that the model's chat template makes of messages. @param {Message[]} messages @returns {Promise<string>} */
  async chatText(messages) { return this.#call({ op: 'chatText', text: messagesArg(messages) }); }

  /**
   * What generate() and translate() take.
   * @returns {Promise<{name: string, type: string, default: any, min?: number, max?: number, help: string}[]>}
   */
  options() { return this.#call({ op: 'options' }); }

  /**
   * Work done since loading.
   * @returns {Promise<Record<'encoderRuns' | 'encoderTokens' | 'crossFills' | 'promptTokens' | 'generatedTokens' | 'decoderRows', number>>}
   */
  counters() { return this.#call({ op: 'counters' }); }

  /**
   * info with the file's metadata and tensors.
   * @returns {Promise<Info & {metadata: Record<string, any>, tensors: {name: string, type: string, shape: number[], bytes: number}[]}>}
   */
  async metadata() { return { ...this.info, ...await this.#call({ op: 'metadata' }) }; }

  /**
   * Every score after the last id. decoderIds: for encoder-decoders; absent, just the start id.
   * @param {Iterable<number>} ids @param {{decoderIds?: Iterable<number>}} [options] @returns {Promise<Float32Array>}
   */
  async logits(ids, { decoderIds = [] } = {}) { return this.#call({ op: 'logits', ids: idsArg(ids), decoderIds: idsArg(decoderIds) }); }

  /**
   * Texts as vectors, all in one call so that the engine runs many at once; info.tasks has 'embed' where the model can. Absent options are
   * the model's own.
   * @param {string | string[]} texts @param {{pooling?: 'mean' | 'cls' | 'last', normalize?: boolean}} [options] normalize: length 1
   * @returns {Promise<Float32Array[]>} one for each text
   */
  async embed(texts, { pooling, normalize, ...rest } = {}) {
    const unknown = Object.keys(rest)[0];
    if (unknown) throw new LoquatError('LQ_E_OPTION', `embed takes no option "${unknown}"; it takes pooling and normalize`);
    const list = [texts].flat().map((t) => textArg(t, 'each text'));
    return rows(await this.#call({ op: 'embed', texts: list, pooling: String(pooling ?? ''), normalize: normalize ?? null }), list.length);
  }

  /**
   * How well each of info.labels fits each text, best first; info.tasks has 'classify' where the model can.
   * @param {string | string[]} texts @returns {Promise<{label: string, score: number}[][]>} one list for each text
   */
  async classify(texts) {
    const list = [texts].flat().map((t) => textArg(t, 'each text'));
    const scores = rows(await this.#call({ op: 'classify', texts: list }), list.length);
    const named = (/** @type {Float32Array} */ row) => [...row].map((score, i) => ({ label: this.info.labels?.[i] || `LABEL_${i}`, score }));
    return scores.map((row) => named(row).sort((a, b) => b.score - a.score));
  }

  /**
   * Goes on from a text (special tokens in it are parsed), from messages through the model's chat template, or from token ids. Options carry the
   * names of Hugging Face's generate(); one that is not supported fails the stream by name. With num_beams above 1 pieces are empty until a
   * sequence is complete; the first such request takes the memory that its beams need.
   * @param {string | Message[] | number[] | Int32Array} input
   * @param {{signal?: AbortSignal} & Record<string, any>} [options]
   * @returns {PieceStream}
   */
  generate(input, options = {}) {
    return this.#stream(options, () => {
      if (typeof input === 'string') return { mode: 'text', input };
      const ids = ArrayBuffer.isView(input) || (Array.isArray(input) && typeof input[0] === 'number');
      return ids ? { mode: 'ids', input: idsArg(input) } : { mode: 'chat', input: messagesArg(input) };
    });
  }

  /**
   * Translates text of any length, sentence by sentence; pieces come in order.
   * @param {string} text
   * @param {{from?: string, to: string, signal?: AbortSignal} & Record<string, any>} options
   * @returns {PieceStream}
   */
  translate(text, options) {
    return this.#stream(options, ({ from = '', to = '', ...others }) =>
      ({ mode: 'translate', input: textArg(text, 'the text to translate'), from: textArg(from, 'from'), to: textArg(to, 'to'), others }));
  }

  /** Frees everything; whatever is running ends with LQ_E_STATE. */
  dispose() { this.#close(disposedError()); }

  /**
   * @param {any} options
   * @param {(options: any) => {mode: string, input: string | number[], from?: string, to?: string, others?: any}} requestOf throws what is wrong
   * @returns {PieceStream}
   */
  #stream(options, requestOf) {
    let id = 0;
    let owed = AHEAD; // pieces the worker may still send
    let ended = false; // the worker has sent all; the reader may not have read all
    let forget = () => {}; // the signal
    const cancel = () => {
      forget();
      this.#send({ op: 'cancel', target: id });
    };
    const close = (/** @type {ReadableStreamDefaultController<Piece>} */ controller) => {
      forget();
      controller.close();
    };
    /** Makes the call, or throws what is wrong with it. @param {ReadableStreamDefaultController<Piece>} controller */
    const begin = (controller) => {
      const { signal, ...rest } = given(options);
      const { mode, input, from = '', to = '', others = rest } = requestOf(rest);
      if (signal?.aborted) throw reasonOf(signal);
      const request = { mode, input, from, to, options: asJson(others, 'LQ_E_OPTION', 'the options') };
      const settled = this.#call({ op: 'stream', request, credit: AHEAD }, [], (p) => {
        owed--;
        try { controller.enqueue(p); } catch { /* cancelled or failed: the worker is being told */ }
      });
      id = this.#lastId;
      const abort = () => {
        cancel();
        controller.error(reasonOf(signal));
      };
      forget = () => signal?.removeEventListener('abort', abort);
      signal?.addEventListener('abort', abort);
      settled.then(() => {
        ended = true;
        if (controller.desiredSize === AHEAD) close(controller);
      }).catch((e) => { forget(); controller.error(e); });
    };
    const stream = new ReadableStream({
      start: (controller) => {
        try { begin(controller); } catch (e) { controller.error(e); }
      },
      pull: (controller) => {
        if (ended && controller.desiredSize === AHEAD) return close(controller);
        const free = (controller.desiredSize ?? 0) - owed;
        if (free < AHEAD / 4) return;
        owed += free;
        this.#send({ op: 'more', target: id, n: free });
      },
      cancel,
    }, { highWaterMark: AHEAD });
    return /** @type {any} */ (Symbol.asyncIterator in stream ? stream : Object.assign(stream, { [Symbol.asyncIterator]: () => iterate(stream) }));
  }

  /** @param {any} m */
  #send(m) {
    if (!this.#closed) this.#worker.postMessage(m);
  }

  /** @param {any} m @param {any[]} [transfer] @param {(p: Piece) => void} [onPiece] @returns {Promise<any>} */
  #call(m, transfer = [], onPiece) {
    if (this.#closed) return Promise.reject(this.#closed);
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, onPiece });
      if (this.#pending.size === 1) this.#worker.ref?.();
      this.#worker.postMessage({ ...m, id }, transfer);
    });
  }

  /** @param {any} d */
  #receive(d) {
    if (d.progress) {
      try {
        this.#onProgress?.(d.progress);
      } catch (e) {
        this.#close(e);
      }
      return;
    }
    const p = this.#pending.get(d.id);
    if (!p) return;
    if (d.piece) return p.onPiece?.(d.piece);
    this.#pending.delete(d.id);
    if (this.#pending.size === 0) this.#worker.unref?.(); // Node: a model that rests keeps no program alive
    if (!d.error) return p.resolve(d.value);
    const e = d.error.code === 'ABORT' ? reasonOf(undefined) : new LoquatError(d.error.code, d.error.message);
    p.reject(e);
    if (d.error.code === 'LQ_E_TRAP') this.#close(e);
  }

  /** @param {unknown} reason */
  #close(reason) {
    if (this.#closed) return;
    this.#closed = reason;
    this.#worker?.terminate();
    for (const p of this.#pending.values()) p.reject(reason);
    this.#pending.clear();
  }
}

/** @param {ReadableStream<Piece>} stream @returns {AsyncGenerator<Piece>} */
async function* iterate(stream) {
  const reader = stream.getReader();
  try {
    for (let r = await reader.read(); !r.done; r = await reader.read()) yield r.value;
  } finally {
    reader.cancel().catch(() => {});
  }
}
