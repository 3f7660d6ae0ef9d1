// @ts-check
/* Models on this device: what is stored, fetching what is not, removing. The page's side; the writing is in store-worker.mjs.
 * A stored file is named by its sha256 where the manifest gives one, else by a digest of its address, so that a new version
 * of a model never meets the old bytes. May import: download.mjs. */

import { DownloadError } from './download.mjs';

/**
 * @typedef {object} Source
 * @property {string} url
 * @property {string} name shown to people
 * @property {string} [sha256]
 * @property {number} [bytes]
 * @property {number} [memory] bytes that it takes once loaded
 */

/** @type {Worker | null} */
let worker = null;
let nextId = 1;
/** @type {Map<number, {resolve: (v: any) => void, reject: (e: Error) => void, onProgress?: (p: any) => void}>} */
const waiting = new Map();

function workerOf() {
  if (worker) return worker;
  worker = new Worker(new URL('./store-worker.mjs', import.meta.url), { type: 'module' });
  worker.addEventListener('message', (event) => {
    const { id, progress, done, error } = event.data;
    const w = waiting.get(id);
    if (!w) return;
    if (progress) return w.onProgress?.(progress);
    waiting.delete(id);
    if (done) w.resolve(done);
    else if (error.name === 'AbortError') w.reject(new DOMException('Stopped.', 'AbortError'));
    else w.reject(new DownloadError(error.code ?? 'STORE', error.message));
  });
  worker.addEventListener('error', () => {
    const error = new DownloadError('STORE', 'The part of the page that stores models could not start; reload the page.');
    for (const w of waiting.values()) w.reject(error);
    waiting.clear();
    worker = null;
  });
  return worker;
}

async function directory() {
  try {
    const root = await navigator.storage.getDirectory();
    return await root.getDirectoryHandle('models', { create: true });
  } catch {
    return null;
  }
}

/** @param {Source} source */
async function keyOf(source) {
  if (source.sha256) return source.sha256.toLowerCase();
  let h = 0xcbf29ce484222325n; /* FNV-1a: a file name, not a proof */
  for (const byte of new TextEncoder().encode(new URL(source.url, location.href).href)) h = BigInt.asUintN(64, (h ^ BigInt(byte)) * 0x100000001b3n);
  return `url-${h.toString(16)}`;
}

/**
 * What is on the device of this source.
 * @param {Source} source
 * @returns {Promise<{file: File | null, partial: number}>} partial: bytes of an unfinished download
 */
export async function find(source) {
  const dir = await directory();
  if (!dir) return { file: null, partial: 0 };
  const key = await keyOf(source);
  try {
    const file = await (await dir.getFileHandle(`${key}.gguf`)).getFile();
    const record = JSON.parse(await (await (await dir.getFileHandle(`${key}.json`)).getFile()).text());
    if (record.complete && record.bytes === file.size) return { file, partial: 0 };
    return { file: null, partial: file.size };
  } catch {
    return { file: null, partial: 0 };
  }
}

/**
 * The model's bytes, from the device if they are there, else downloaded, checked and kept.
 * @param {Source} source
 * @param {{signal?: AbortSignal, onProgress?: (p: {loaded: number, total: number}) => void, keep?: boolean}} [options]
 *   keep false: hold it in memory for this visit only
 * @returns {Promise<{file: Blob, stored: boolean}>}
 */
export async function obtain(source, options = {}) {
  const found = await find(source);
  if (found.file) return { file: found.file, stored: true };
  options.signal?.throwIfAborted();
  const key = await keyOf(source);
  const id = nextId++;
  const done = await new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject, onProgress: options.onProgress });
    options.signal?.addEventListener('abort', () => worker?.postMessage({ id, op: 'abort' }), { once: true });
    workerOf().postMessage({ id, op: 'fetch', key, url: new URL(source.url, location.href).href, name: source.name,
      sha256: source.sha256, bytes: source.bytes, keep: options.keep !== false });
  });
  if (done.blob) return { file: done.blob, stored: false };
  const again = await find(source);
  if (!again.file) return obtain(source, { ...options, keep: false }); /* a browser that does not keep what it took */
  return { file: again.file, stored: true };
}

/** @param {Source} source */
export async function remove(source) {
  const dir = await directory();
  const key = await keyOf(source);
  for (const name of [`${key}.json`, `${key}.gguf`]) await dir?.removeEntry(name).catch(() => {});
}

/**
 * Every model that is here, wholly or in part.
 * @returns {Promise<{key: string, source: Source, complete: boolean}[]>}
 */
export async function all() {
  const dir = await directory();
  const found = [];
  for await (const name of dir ? /** @type {any} */ (dir).keys() : []) {
    if (!name.endsWith('.json')) continue;
    const key = name.slice(0, -5);
    try {
      const record = JSON.parse(await (await (await /** @type {any} */ (dir).getFileHandle(name)).getFile()).text());
      const sha256 = key.startsWith('url-') ? undefined : key;
      found.push({ key, source: { url: record.url, name: record.name, bytes: record.bytes, sha256 }, complete: Boolean(record.complete) });
    } catch { /* being written in another tab */ }
  }
  return found;
}

/**
 * Removes versions of a model that its manifest no longer names.
 * @param {Source} current
 */
export async function forgetOlder(current) {
  const key = await keyOf(current);
  for (const older of await all()) {
    if (older.key !== key && older.source.url === new URL(current.url, location.href).href) await remove(older.source);
  }
}

/** Asks the browser not to clear the models on its own. */
export function persist() {
  navigator.storage?.persist?.().catch(() => {});
}
