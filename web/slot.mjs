// @ts-check
/* A tab's model: where it comes from, how far it has come, and whether it suits the tab.
 * May import: download.mjs, engine.mjs (when first needed), store.mjs. */

import { megabytes } from './download.mjs';
import * as store from './store.mjs';

/** @typedef {import('./store.mjs').Source} Source */
/** @typedef {{status: string, loaded: number, total: number}} Progress */

/** What a page can have: WebAssembly's 32-bit addresses reach no further. */
const MOST_MEMORY = 4 * 2 ** 30;

/** @type {Promise<any> | null} */
let loading = null;

function engine() {
  loading ??= import('./engine.mjs').catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}

/** Starts fetching the engine before a model is there. */
export function warm() {
  engine().catch(() => {});
}

/**
 * @param {any} info
 * @param {string} task
 */
export function suits(info, task) {
  const tasks = info.tasks ?? [];
  return task === 'translate' ? tasks.includes('translate') : tasks.includes('chat') || (tasks.includes('generate') && !tasks.includes('translate'));
}

/**
 * Bytes of memory that a model takes: as its list says, else at least its own size.
 * @param {{bytes?: number, memory?: number}} source
 * @returns {{bytes: number, exact: boolean}}
 */
export function memoryOf(source) {
  return { bytes: source.memory ?? source.bytes ?? 0, exact: Boolean(source.memory) };
}

/** @param {Source} source */
function refuseTooBig(source) {
  const { bytes, exact } = memoryOf(source);
  if (bytes <= MOST_MEMORY) return;
  const least = `${exact ? '' : 'at least '}${megabytes(bytes)}`;
  throw new Error(`it needs ${least} of memory and a page can have ${megabytes(MOST_MEMORY)}; choose a smaller model.`);
}

export class Slot extends EventTarget {
  /** @type {any} */ model = null;
  /** @type {Source | null} */ source = null;
  /** @type {'empty' | 'busy' | 'ready' | 'failed' | 'unsuited'} */ state = 'empty';
  /** @type {Progress} */ progress = { status: '', loaded: 0, total: 0 };
  /** @type {Error | null} */ error = null;
  /** Whether the model in use is kept on this device. */ stored = false;
  /** @type {Source | null} what is being loaded or has failed */ wanted = null;
  /** @type {Source | null} what a person stopped from loading */ halted = null;
  /** @type {{model: any, source: Source, stored: boolean} | null} a good model for the other tab */ stray = null;
  #blob = /** @type {Blob | null} */ (null);
  /** @type {Map<any, number>} how many requests a model is answering */ #using = new Map();
  #abort = new AbortController();

  /** @param {'translate' | 'chat'} task */
  constructor(task) {
    super();
    this.task = task;
  }

  /** @param {Partial<Slot>} changes */
  #set(changes) {
    Object.assign(this, changes);
    this.dispatchEvent(new Event('change'));
  }

  get info() {
    return this.model?.info ?? null;
  }

  /** A model is about to be named. */
  expect() {
    this.#set({ state: 'busy' });
  }

  /**
   * Loads a model; the one in use stays until the new one has proved good.
   * @param {Source} source
   * @param {{blob?: Blob, keep?: boolean, quiet?: boolean}} [options] blob: the bytes, when a person handed them over; quiet: a failure
   *   leaves the model in use and says nothing
   */
  async load(source, options = {}) {
    this.#abort.abort();
    const abort = this.#abort = new AbortController();
    const { signal } = abort;
    const mine = () => this.#abort === abort;
    const onProgress = (/** @type {Progress} */ p) => mine() && this.#set({ progress: p });
    this.#set({ state: 'busy', wanted: source, error: null, progress: { status: 'download', loaded: 0, total: source.bytes ?? 0 } });
    try {
      refuseTooBig(source);
      const got = options.blob ? { file: options.blob, stored: false }
        : await store.obtain(source, { signal, keep: options.keep, onProgress: (p) => onProgress({ status: 'download', ...p }) });
      if (got.file.size === 0) throw new Error('it is an empty file.');
      const model = await this.#open(got.file, signal, onProgress).catch(async (error) => {
        if (got.stored && error.code === 'LQ_E_FORMAT') await store.remove(source); /* Retry shall fetch it again */
        throw error;
      });
      if (!mine()) return model.dispose();
      this.#blob = got.file;
      this.#settle(model, source, got.stored);
    } catch (error) {
      if (!mine()) return;
      const stopped = /** @type {Error} */ (error).name === 'AbortError';
      if (stopped || (options.quiet && this.model)) this.#set({ state: this.model ? 'ready' : 'empty', wanted: null, halted: source });
      else this.#set({ state: 'failed', error: /** @type {Error} */ (error) });
    }
  }

  /**
   * @param {Blob} blob
   * @param {AbortSignal} signal
   * @param {(p: Progress) => void} onProgress
   */
  async #open(blob, signal, onProgress) {
    const { Model } = await engine();
    const options = { signal, onProgress: (/** @type {Progress} */ p) => onProgress({ ...p, status: 'open' }) };
    try {
      return await Model.load(blob, options);
    } catch (error) {
      /* Two models may not fit at once where one does. */
      if (/** @type {any} */ (error).code !== 'LQ_E_NOMEM' || !this.model) throw error;
      this.#release();
      return Model.load(blob, options);
    }
  }

  /**
   * @param {any} model
   * @param {Source} source
   * @param {boolean} stored
   */
  #settle(model, source, stored) {
    this.stray?.model.dispose();
    if (!suits(model.info, this.task)) {
      this.#set({ state: 'unsuited', stray: { model, source, stored }, wanted: null });
      return;
    }
    this.#release();
    this.#set({ state: 'ready', model, source, stored, stray: null, wanted: null });
  }

  #release() {
    if (!this.#using.get(this.model)) this.model?.dispose();
    this.model = null;
  }

  /**
   * Calls fn with the model. The model stays until fn is over, even when another takes its place meanwhile.
   * @template T
   * @param {(model: any) => Promise<T>} fn
   */
  async use(fn) {
    const { model } = this;
    this.#using.set(model, (this.#using.get(model) ?? 0) + 1);
    try {
      return await fn(model);
    } finally {
      const left = /** @type {number} */ (this.#using.get(model)) - 1;
      if (left) this.#using.set(model, left);
      else this.#using.delete(model);
      if (!left && model !== this.model) model.dispose();
    }
  }

  /** Gives the model that does not suit this tab to the one it suits. */
  takeStray() {
    const stray = this.stray;
    this.#set({ stray: null, state: this.model ? 'ready' : 'empty' });
    return stray;
  }

  /** @param {{model: any, source: Source, stored: boolean}} given */
  adopt(given) {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#blob = null;
    this.#settle(given.model, given.source, given.stored);
  }

  /**
   * Before a second try: where the engine itself has stopped, the same bytes are loaded again.
   * @param {any} error what the first try failed with
   */
  async revive(error) {
    if (!this.source || (error?.code !== 'LQ_E_TRAP' && error?.name !== 'InvalidStateError')) return;
    this.#release();
    await this.load(this.source, { blob: this.#blob ?? undefined });
  }

  stop() {
    this.#abort.abort();
  }
}
