// @ts-check
/* Stands in for web/engine.mjs in tests of the page: same shape, answers known beforehand, failures on request.
 * A mock model is the bytes "GGUF" and a JSON object: {info, delay, fail, failLoad}. */

export class LoquatError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.name = 'LoquatError';
    this.code = code;
  }
}

const sleep = (/** @type {number} */ ms) => new Promise((r) => { setTimeout(r, ms); });
const abortError = () => new DOMException('The operation was aborted.', 'AbortError');

/** @param {string} text */
const sentencesOf = (text) => text.match(/[^.!?\n]+[.!?\n]*\s*/g) ?? [text];

const WORDS = /** @type {Record<string, string>} */ ({ 'Je suis étudiant': "I'm a student" });
let failures = 0;

export class Model {
  /** @param {any} spec */
  constructor(spec) {
    this.spec = spec;
    this.info = spec.info;
    this.disposed = false;
  }

  /** @param {Blob} blob @param {any} [options] */
  static async load(blob, options = {}) {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    if (new TextDecoder().decode(bytes.subarray(0, 4)) !== 'GGUF') throw new LoquatError('LQ_E_FORMAT', 'This file is not a GGUF model: it begins with other bytes.');
    const spec = JSON.parse(new TextDecoder().decode(bytes.subarray(4)).replace(/\0+$/, ''));
    for (let i = 1; i <= 4; i++) {
      if (options.signal?.aborted) throw abortError();
      options.onProgress?.({ status: 'read', file: '', loaded: (blob.size * i) / 4, total: blob.size });
      await sleep(spec.loadDelay ?? 5);
    }
    if (spec.failLoad) throw new LoquatError(spec.failLoad.code, spec.failLoad.message);
    return new Model(spec);
  }

  /** @param {string} text @param {any} options */
  translate(text, options) {
    const parts = sentencesOf(text).map((s) => Object.entries(WORDS).reduce((t, [a, b]) => t.replace(a, b), s === text ? s : s.toUpperCase()));
    return this.#stream(parts, options);
  }

  /** @param {any} messages @param {any} options */
  generate(messages, options) {
    const turns = messages.filter((/** @type {any} */ m) => m.role === 'user');
    if (turns.at(-1).content === 'Please fail.') return this.#fail(new LoquatError('LQ_E_CONTEXT', 'the conversation has 2,190 tokens and this model holds 2,048'));
    return this.#stream([`Answer ${turns.length} to “${turns.at(-1).content}”. It has a second sentence, so that there is something to read while it streams.`], options);
  }

  /** @param {LoquatError} error */
  async* #fail(error) { /* after a moment, as the engine does */
    await sleep(30);
    throw error;
  }

  /** @param {string[]} parts @param {any} options */
  async* #stream(parts, options) {
    const { signal } = options;
    for (let promptDone = 0; this.spec.reading && promptDone < 100; promptDone += 25) { /* as a long prompt is read */
      await sleep(this.spec.reading / 4);
      if (signal?.aborted) throw abortError();
      yield { text: '', tokenId: -1, logprob: 0, promptDone, promptTotal: 100, sentence: 0, nSentences: 1, finish: null };
    }
    for (const [sentence, part] of parts.entries()) {
      for (const text of part.match(/\S+\s*|\s+/g) ?? []) {
        if (signal?.aborted) throw abortError();
        if (this.disposed) throw new LoquatError('LQ_E_STATE', 'The model was disposed.');
        await sleep(this.spec.delay ?? 10);
        if (this.spec.fail && failures++ === 1) throw new LoquatError(this.spec.fail.code, this.spec.fail.message);
        yield { text, tokenId: 7, logprob: -0.1, promptDone: 1, promptTotal: 1, sentence, nSentences: parts.length, finish: null };
      }
    }
  }

  dispose() { this.disposed = true; }
}
