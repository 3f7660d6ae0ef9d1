// @ts-check
/* Where a model's bytes come from: an address, a file, a Blob, memory. Gives their number, if it is known, and the bytes as they come.
 * Runs in the engine's worker. May import: wasm.mjs (EngineError). */

import { EngineError, inNode } from './wasm.mjs';

/** @typedef {{name: string, size: number, local?: boolean, chunks: AsyncGenerator<Uint8Array>}} Opened size 0: not known before the end;
 * local: not from a server */

const STEP = 1 << 24; // bytes given at once where all are there already: often enough to show progress

/** @param {string | Blob | ArrayBuffer} source an absolute URL, or the bytes @returns {Promise<Opened>} */
export async function open(source) {
  if (source instanceof ArrayBuffer) return { name: 'the model', size: source.byteLength, chunks: slices(source) };
  if (source instanceof Blob) {
    const name = 'name' in source ? `the file ${source.name}` : 'the model';
    const failed = (/** @type {any} */ e) => new EngineError('LQ_E_IO', `${name} cannot be read: ${e.message}`);
    return { name, size: source.size, local: true, chunks: read(source.stream(), failed) };
  }
  if (inNode && source.startsWith('file:')) return openFile(new URL(source));
  return openAddress(source);
}

/** @param {ArrayBuffer} buffer */
async function* slices(buffer) {
  for (let at = 0; at < buffer.byteLength; at += STEP) yield new Uint8Array(buffer, at, Math.min(STEP, buffer.byteLength - at));
}

/** Node. @param {URL} url @returns {Promise<Opened>} */
async function openFile(url) {
  const { open: openPath } = await import('node:fs/promises');
  const name = `the file ${decodeURIComponent(url.pathname)}`;
  const failed = (/** @type {any} */ e) => new EngineError('LQ_E_IO', e.code === 'ENOENT' ? `there is no file ${decodeURIComponent(url.pathname)}`
    : `${name} cannot be read: ${e.message}`);
  const file = await openPath(url).catch((e) => { throw failed(e); });
  const found = await file.stat();
  if (!found.isFile()) {
    await file.close();
    throw new EngineError('LQ_E_IO', `${name} is not a regular file`);
  }
  return { name, size: found.size, local: true, chunks: readFile(file, failed) };
}

/** @param {import('node:fs/promises').FileHandle} file @param {(e: any) => EngineError} failed */
async function* readFile(file, failed) {
  try {
    const buffer = new Uint8Array(STEP);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, STEP, null).catch((e) => { throw failed(e); });
      if (!bytesRead) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** @param {string} url @returns {Promise<Opened>} */
async function openAddress(url) {
  const name = url.startsWith('data:') ? 'the data: address' : url;
  const lost = (/** @type {any} */ e) => new EngineError('LQ_E_NETWORK', `the download of ${name} failed (${e.cause?.message ?? e.message}): `
    + 'the network or the server is down, or the server does not let other sites read it (CORS)');
  const response = await fetch(url).catch((e) => { throw lost(e); });
  const status = response.status === 404 ? '404 (not found)' : response.status;
  if (!response.ok) throw new EngineError('LQ_E_NETWORK', `the server answered ${status} for ${name}`);
  if (!response.body) throw new EngineError('LQ_E_NETWORK', `the server sent nothing for ${name}`);
  /* With a content encoding the header counts what travels, not what arrives here. */
  const size = response.headers.get('content-encoding') ? 0 : Number(response.headers.get('content-length')) || 0;
  return { name, size, chunks: read(response.body, (e) => new EngineError('LQ_E_NETWORK', `the download of ${name} broke off: ${e.message}`)) };
}

/** A stream's chunks (Safari's streams are not async-iterable). @param {ReadableStream<Uint8Array>} stream @param {(e: any) => EngineError} failed */
async function* read(stream, failed) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((e) => { throw failed(e); });
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
