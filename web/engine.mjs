// @ts-check
/* Loquat for JavaScript: the model runs in a worker, in a browser or in Node.
 *   const m = await Model.load('models/fr-en.gguf', { onProgress });
 *   for await (const p of m.translate('Je suis étudiant', { from: 'fr', to: 'en' })) write(p.text);
 *   m.dispose();
 */

/** @typedef {{text: string, tokenId: number, logprob: number, promptDone: number, promptTotal: number, sentence: number, nSentences: number, finish: string|null}} Piece */

/** Every failure: `code` is stable (LQ_E_FORMAT, LQ_E_OPTION, ...), `message` one sentence. */
export class LoquatError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.name = 'LoquatError';
    this.code = code;
  }
}

const node = typeof process !== 'undefined' && !!process.versions?.node && typeof window === 'undefined';
const abortError = () => new DOMException('The request was stopped.', 'AbortError');

async function startWorker() {
  const url = new URL('./worker.mjs', import.meta.url);
  if (node) return new (await import('node:worker_threads')).Worker(url);
  return new Worker(url, { type: 'module' });
}

export class Model {
  /** @type {Map<number, {resolve: (v: any) => void, reject: (e: any) => void, piece?: (p: Piece) => void}>} */
  #pending = new Map();
  #next = 1;
  /** @type {any} */ #worker;
  /** @type {(p: any) => void} */ #onProgress = () => {};
  #disposed = false;
  /** What the model is: name, architecture, tasks, languages, memory... @type {any} */
  info = null;

  /**
   * @param {string|URL|Blob|ArrayBuffer} source
   * @param {{signal?: AbortSignal, onProgress?: (p: {status: string, loaded: number, total: number}) => void, nCtx?: number}} [options]
   */
  static async load(source, options = {}) {
    options.signal?.throwIfAborted();
    const m = new Model();
    m.#worker = await startWorker();
    m.#onProgress = options.onProgress ?? (() => {});
    if (node) {
      m.#worker.on('message', (/** @type {any} */ d) => m.#receive(d));
      m.#worker.on('error', (/** @type {any} */ e) => m.#fail('LQ_E_TRAP', `the engine stopped: ${e.message}`));
    } else {
      m.#worker.onmessage = (/** @type {MessageEvent} */ e) => m.#receive(e.data);
      m.#worker.onerror = (/** @type {ErrorEvent} */ e) => m.#fail('LQ_E_TRAP', `the engine stopped: ${e.message}`);
    }
    const stop = () => m.#close(abortError());
    options.signal?.addEventListener('abort', stop, { once: true });
    const base = node ? undefined : document.baseURI;
    const from = typeof source === 'string' || source instanceof URL ? new URL(String(source), base).href : source;
    try {
      m.info = await m.#call({ op: 'load', source: from, nCtx: options.nCtx ?? 0 }, from instanceof ArrayBuffer ? [from] : []);
    } catch (e) {
      m.dispose();
      throw e;
    } finally {
      options.signal?.removeEventListener('abort', stop);
    }
    return m;
  }

  /** @param {string} text @param {{addSpecial?: boolean}} [o] @returns {Promise<number[]>} */
  tokenize(text, o = {}) { return this.#call({ op: 'tokenize', text, special: o.addSpecial ?? true }); }
  /** @param {number[]} ids @returns {Promise<string>} */
  detokenize(ids) { return this.#call({ op: 'detokenize', ids }); }

  /** Options carry generate()'s names; one that is not supported fails the stream. @param {string|{role: string, content: string}[]} input @param {any} [options] */
  generate(input, options = {}) {
    const { signal, ...rest } = options;
    const chat = typeof input !== 'string';
    return this.#stream({ mode: chat ? 1 : 0, text: chat ? JSON.stringify(input) : input, options: rest }, signal);
  }

  /** @param {string} text @param {{from?: string, to: string, signal?: AbortSignal}} options */
  translate(text, options) {
    const { from, to, signal, ...rest } = options;
    return this.#stream({ mode: 2, text, from, to, options: rest }, signal);
  }

  /** Frees everything; whatever is running ends with an InvalidStateError. */
  dispose() { this.#close(new DOMException('The model was disposed of.', 'InvalidStateError')); }

  /** @param {any} request @param {AbortSignal} [signal] @returns {ReadableStream<Piece> & AsyncIterable<Piece>} */
  #stream(request, signal) {
    let cancel = () => {};
    const stream = new ReadableStream({
      start: (controller) => {
        if (signal?.aborted) return controller.error(signal.reason ?? abortError());
        const id = this.#next;
        cancel = () => this.#worker?.postMessage({ op: 'cancel', target: id });
        signal?.addEventListener('abort', cancel, { once: true });
        this.#call({ op: 'stream', request }, [], (p) => { try { controller.enqueue(p); } catch { /* the reader has gone */ } })
          .then(() => controller.close(), (e) => controller.error(e)).catch(() => {})
          .finally(() => signal?.removeEventListener('abort', cancel));
      },
      cancel: () => cancel(),
    });
    return /** @type {any} */ (Symbol.asyncIterator in stream ? stream : Object.assign(stream, { [Symbol.asyncIterator]: () => iterate(stream) }));
  }

  /** @param {any} m @param {any[]} [transfer] @param {(p: Piece) => void} [piece] @returns {Promise<any>} */
  #call(m, transfer = [], piece) {
    if (this.#disposed) return Promise.reject(new DOMException('The model was disposed of.', 'InvalidStateError'));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, piece });
      this.#worker.postMessage({ ...m, id }, transfer);
    });
  }

  /** @param {any} d */
  #receive(d) {
    if (d.progress) return this.#onProgress(d.progress);
    const p = this.#pending.get(d.id);
    if (!p) return;
    if (d.piece) return p.piece?.(d.piece);
    this.#pending.delete(d.id);
    if (!d.error) return p.resolve(d.value);
    p.reject(d.error.code === 'ABORT' ? abortError() : new LoquatError(d.error.code, d.error.message));
    if (d.error.code === 'LQ_E_TRAP') this.#fail('LQ_E_TRAP', 'the engine stopped; load the model again');
  }

  /** @param {string} code @param {string} message */
  #fail(code, message) { this.#close(new LoquatError(code, message)); }

  /** @param {any} reason */
  #close(reason) {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#worker?.terminate();
    for (const p of this.#pending.values()) p.reject(reason);
    this.#pending.clear();
  }
}

/** @param {ReadableStream<Piece>} stream */
async function* iterate(stream) {
  const reader = stream.getReader();
  try {
    for (let r = await reader.read(); !r.done; r = await reader.read()) yield r.value;
  } finally {
    reader.cancel().catch(() => {});
  }
}
