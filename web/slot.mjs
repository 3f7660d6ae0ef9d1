// @ts-check
/* A tab's model: where it comes from, how far it has come, and whether it suits the tab.
 * May import: engine.mjs (when first needed), store.mjs. */

import * as store from './store.mjs';

/** @typedef {import('./store.mjs').Source} Source */
/** @typedef {{status: string, loaded: number, total: number}} Progress */

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

export class Slot extends EventTarget {
  /** @type {any} */ model = null;
  /** @type {Source | null} */ source = null;
  /** @type {'empty' | 'busy' | 'ready' | 'failed' | 'unsuited'} */ state = 'empty';
  /** @type {Progress} */ progress = { status: '', loaded: 0, total: 0 };
  /** @type {Error | null} */ error = null;
  /** Whether the model in use is kept on this device. */ stored = false;
  /** @type {Source | null} what is being loaded or has failed */ wanted = null;
  /** @type {{model: any, source: Source, stored: boolean} | null} a good model for the other tab */ stray = null;
  #blob = /** @type {Blob | null} */ (null);
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

  /**
   * Loads a model; the one in use stays until the new one has proved good.
   * @param {Source} source
   * @param {{blob?: Blob, keep?: boolean}} [options] blob: the bytes, when a person handed them over
   */
  async load(source, options = {}) {
    this.#abort.abort();
    const abort = this.#abort = new AbortController();
    const { signal } = abort;
    const mine = () => this.#abort === abort;
    const onProgress = (/** @type {Progress} */ p) => mine() && this.#set({ progress: p });
    this.#set({ state: 'busy', wanted: source, error: null, progress: { status: 'download', loaded: 0, total: source.bytes ?? 0 } });
    try {
      let [blob, stored] = [options.blob, false];
      if (!blob) {
        const got = await store.obtain(source, { signal, keep: options.keep,
          onProgress: (p) => onProgress({ status: 'download', ...p }) });
        [blob, stored] = [got.file, got.stored];
      }
      if (blob.size === 0) throw new Error(`“${source.name}” is an empty file.`);
      const model = await this.#open(blob, signal, onProgress);
      if (!mine()) return model.dispose();
      this.#blob = blob;
      this.#settle(model, source, stored);
    } catch (error) {
      if (!mine()) return;
      if (/** @type {Error} */ (error).name === 'AbortError') this.#set({ state: this.model ? 'ready' : 'empty', wanted: null });
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
    this.model?.dispose();
    this.model = null;
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

  /** After a crash of the engine: the same bytes again. */
  async reload() {
    const source = this.source;
    if (!source) return;
    this.#release();
    await this.load(source, { blob: this.#blob ?? undefined });
  }

  stop() {
    this.#abort.abort();
  }
}
