// @ts-check
/* The store's worker: writes downloads into the origin private file system (OPFS), in place, so that what has arrived
 * survives a crash. A file counts only when its record `<key>.json`, written last, says so.
 * Messages in: {id, op: 'fetch', key, url, ...} | {id, op: 'abort'}. Out: {id, progress} | {id, done} | {id, error}.
 * May import: download.mjs. */

import { download, DownloadError, megabytes } from './download.mjs';

/** @type {Map<number, AbortController>} */
const running = new Map();

self.addEventListener('message', (event) => {
  const m = event.data;
  if (m.op === 'abort') {
    running.get(m.id)?.abort();
    return;
  }
  const abort = new AbortController();
  running.set(m.id, abort);
  run(m, abort.signal)
    .then((done) => postMessage({ id: m.id, done }),
      (error) => postMessage({ id: m.id, error: { name: error.name, code: error.code, message: error.message } }))
    .finally(() => running.delete(m.id));
});

/**
 * @param {{id: number, key: string, url: string, name: string, sha256?: string, bytes?: number, keep: boolean}} m
 * @param {AbortSignal} signal
 */
async function run(m, signal) {
  const dir = m.keep ? await openStore() : null;
  const job = () => (dir ? intoStore(dir, m, signal) : intoMemory(m, signal));
  /* Two tabs that want one model: the second waits and then finds it. */
  return dir && navigator.locks ? navigator.locks.request(`loquat:${m.key}`, { signal }, job) : job();
}

async function openStore() {
  try {
    const root = await navigator.storage.getDirectory();
    const dir = await root.getDirectoryHandle('models', { create: true });
    if (!('createSyncAccessHandle' in FileSystemFileHandle.prototype)) return null;
    return dir;
  } catch {
    return null; /* private windows and plain http: no storage, so this visit only */
  }
}

/** @param {any} m */
function progressTo(m) {
  let timer = 0;
  /** @type {any} */ let latest = null;
  return (/** @type {{loaded: number, total: number}} */ p) => { /* often enough for the eye, and never behind when a download stalls */
    if (!latest) timer = self.setTimeout(() => { postMessage({ id: m.id, progress: latest }); latest = null; }, 50);
    latest = p;
    if (p.loaded === p.total) clearTimeout(timer);
  };
}

/**
 * @param {FileSystemDirectoryHandle} dir
 * @param {any} m
 * @param {AbortSignal} signal
 */
async function intoStore(dir, m, signal) {
  const record = await readJson(dir, `${m.key}.json`);
  const file = await dir.getFileHandle(`${m.key}.gguf`, { create: true });
  const data = await /** @type {any} */ (file).createSyncAccessHandle();
  /** @type {import('./download.mjs').Sink} */
  const sink = {
    size: () => data.getSize(),
    write: (chunk, at) => {
      for (let n = 0; n < chunk.length;) {
        const wrote = data.write(n ? chunk.subarray(n) : chunk, { at: at + n });
        if (!wrote) throw new DOMException('full', 'QuotaExceededError');
        n += wrote;
      }
    },
    read: (at, length) => {
      const buffer = new Uint8Array(length);
      return buffer.subarray(0, data.read(buffer, { at }));
    },
    truncate: (size) => data.truncate(size),
    meta: record ?? {},
  };
  try {
    if (record?.complete && record.bytes === data.getSize()) return { stored: true };
    const done = await download(m.url, sink, {
      sha256: m.sha256, bytes: m.bytes, signal, onProgress: progressTo(m),
      sameOrigin: new URL(m.url, location.href).origin === location.origin,
      onTotal: async (total) => {
        await roomFor(total - sink.size());
        await writeJson(dir, `${m.key}.json`, { ...sink.meta, total, url: m.url, name: m.name });
      },
    });
    data.flush();
    await writeJson(dir, `${m.key}.json`, { complete: true, url: m.url, name: m.name, ...done });
    return { stored: true };
  } catch (error) {
    const { code, name } = /** @type {any} */ (error);
    if (name === 'QuotaExceededError') throw full(data.getSize());
    if (code === 'HTML' || code === 'NOT_GGUF') data.truncate(0);
    if (code !== 'SHA256' && code !== 'SIZE' && data.getSize()) {
      await writeJson(dir, `${m.key}.json`, { ...sink.meta, url: m.url, name: m.name }).catch(() => {});
    }
    throw error;
  } finally {
    data.flush();
    data.close();
  }
}

/** @param {number} at bytes that found room */
const full = (at) => new DownloadError('QUOTA',
  `The browser's storage is full after ${megabytes(at)} of this model; free some space, or remove a stored model.`);

/** What the browser says beforehand; some say too much, so that a write can still find no room. @param {number} need */
async function roomFor(need) {
  const { quota = 0, usage = 0 } = await navigator.storage.estimate();
  if (need > 0 && quota && need > quota - usage) {
    const left = megabytes(Math.max(0, quota - usage));
    throw new DownloadError('QUOTA',
      `This model needs ${megabytes(need)} of storage and the browser has ${left} left; free some space, or open the file from your disk.`);
  }
}

/**
 * @param {any} m
 * @param {AbortSignal} signal
 */
async function intoMemory(m, signal) {
  /** @type {Uint8Array[]} */
  const parts = [];
  let size = 0;
  /** @type {import('./download.mjs').Sink} */
  const sink = {
    size: () => size,
    write: (chunk) => { parts.push(chunk); size += chunk.length; },
    read: () => new Uint8Array(0),
    truncate: () => { parts.length = 0; size = 0; },
    meta: {},
  };
  await download(m.url, sink, { sha256: m.sha256, bytes: m.bytes, signal, onProgress: progressTo(m) });
  return { stored: false, blob: new Blob(/** @type {BlobPart[]} */ (parts)) };
}

/**
 * @param {FileSystemDirectoryHandle} dir
 * @param {string} name
 */
async function readJson(dir, name) {
  try {
    return JSON.parse(await (await (await dir.getFileHandle(name)).getFile()).text());
  } catch {
    return null; /* absent, or cut short by a crash: both mean "not complete" */
  }
}

/**
 * @param {FileSystemDirectoryHandle} dir
 * @param {string} name
 * @param {object} value
 */
async function writeJson(dir, name, value) {
  const handle = await /** @type {any} */ (await dir.getFileHandle(name, { create: true })).createSyncAccessHandle();
  try {
    const bytes = new TextEncoder().encode(JSON.stringify(value));
    handle.truncate(0);
    if (handle.write(bytes, { at: 0 }) !== bytes.length) throw new DOMException('full', 'QuotaExceededError');
    handle.flush();
  } finally {
    handle.close();
  }
}
