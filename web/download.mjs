// @ts-check
/* One download: resumed where it stopped, checked as it streams, never half-accepted.
 * Runs in the store's worker and, for tests, in Node. May import: sha256.mjs. */

import { Sha256 } from './sha256.mjs';

/**
 * Where the bytes go. Positions and sizes are in bytes.
 * @typedef {object} Sink
 * @property {() => number} size bytes kept so far, from an earlier attempt
 * @property {(chunk: Uint8Array, at: number) => void} write throws a QuotaExceededError when full
 * @property {(at: number, length: number) => Uint8Array} read
 * @property {(size: number) => void} truncate
 * @property {{etag?: string, total?: number}} meta what the earlier attempt learnt about the file
 */

export class DownloadError extends Error {
  /**
   * @param {string} code NETWORK HTTP HTML NOT_GGUF SIZE SHA256 QUOTA
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.name = 'DownloadError';
    this.code = code;
  }
}

/** @param {number} n */
export function megabytes(n) {
  if (n < 1e6) return `${Math.max(1, Math.round(n / 1e3))} kB`;
  if (n < 1e9) return `${n < 1e7 ? (n / 1e6).toFixed(1) : Math.round(n / 1e6)} MB`;
  return `${(n / 1e9).toFixed(n < 1e10 ? 2 : 1)} GB`;
}

/** @param {string} url */
function hostOf(url) {
  try { return new URL(url).host; } catch { return url; }
}

/**
 * @param {string} url
 * @param {Sink} sink
 * @param {{sha256?: string, bytes?: number, sameOrigin?: boolean, signal?: AbortSignal, fetch?: typeof fetch,
 *   onProgress?: (p: {loaded: number, total: number}) => void, onTotal?: (total: number) => Promise<void>}} options
 *   onTotal hears the size before the first byte is kept and may refuse by throwing
 * @returns {Promise<{bytes: number, sha256: string}>}
 */
export async function download(url, sink, options) {
  const get = options.fetch ?? fetch;
  /* Without a known digest, or a strong validator that the server compares for us, two halves may be of two files. */
  const etag = options.sameOrigin && sink.meta.etag && !sink.meta.etag.startsWith('W/') ? sink.meta.etag : '';
  const expected = options.bytes || sink.meta.total || 0;
  let have = sink.size();
  if (have && (!(options.sha256 || etag) || (expected && have > expected))) {
    sink.truncate(0);
    have = 0;
  }
  const sha = new Sha256();
  if (have && expected && have === expected && options.sha256) return finish(sink, sha, have, options);

  let response = await request(get, url, have, etag, options.signal);
  if (response.status === 416 || (response.status === 206 && startOf(response) !== have)) {
    have = 0;
    response = await request(get, url, 0, '', options.signal);
  }
  if (!response.ok) throw new DownloadError('HTTP', httpSentence(url, response.status));
  refuseHtml(url, response.headers.get('content-type') ?? '');
  if (response.status !== 206) have = 0;
  if (sink.size() !== have) sink.truncate(have);

  const total = totalOf(response, have) || options.bytes || 0;
  if (options.bytes && total !== options.bytes) {
    throw new DownloadError('SIZE',
      `${hostOf(url)} offers a file of ${total} bytes where ${options.bytes} were expected; it is another version of this model.`);
  }
  sink.meta = { etag: response.headers.get('etag') ?? '', total };
  await options.onTotal?.(total);
  if (have) rehash(sink, sha, have);
  const loaded = await stream(response, url, sink, sha, have, total, options);
  return verdict(sink, sha, loaded, total, options);
}

/**
 * @param {typeof fetch} get
 * @param {string} url
 * @param {number} from
 * @param {string} etag
 * @param {AbortSignal | undefined} signal
 */
async function request(get, url, from, etag, signal) {
  /** @type {Record<string, string>} */
  const headers = {};
  if (from) headers.Range = `bytes=${from}-`;
  if (from && etag) headers['If-Range'] = etag;
  try {
    return await get(url, { headers, signal, credentials: 'same-origin', redirect: 'follow' });
  } catch (error) {
    if (/** @type {Error} */ (error).name === 'AbortError') throw error;
    throw new DownloadError('NETWORK', `${hostOf(url)} could not be reached; check the network and the address.`);
  }
}

/** @param {Response} response */
function startOf(response) {
  const m = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '');
  return m ? Number(m[1]) : -1;
}

/**
 * @param {Response} response
 * @param {number} have
 */
function totalOf(response, have) {
  const m = /^bytes \d+-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
  if (m) return Number(m[1]);
  const encoding = response.headers.get('content-encoding');
  if (encoding && encoding !== 'identity') return 0; /* content-length counts compressed bytes */
  const length = Number(response.headers.get('content-length'));
  return length > 0 ? have + length : 0;
}

/**
 * @param {string} url
 * @param {number} status
 */
function httpSentence(url, status) {
  if (status === 404 || status === 410) return `${hostOf(url)} has no file at this address (${status}).`;
  if (status === 401 || status === 403) {
    return `${hostOf(url)} does not give this file to everyone (${status}); download it there and open it from your disk.`;
  }
  if (status === 429) return `${hostOf(url)} asks for a pause between downloads (429); try again in a few minutes.`;
  return `${hostOf(url)} answered with an error (${status}); try again later.`;
}

/**
 * @param {string} url
 * @param {string} type
 */
function refuseHtml(url, type) {
  if (/^(text\/html|application\/xhtml)/i.test(type)) {
    throw new DownloadError('HTML', `${hostOf(url)} sent a web page in place of a model; use the address of the .gguf file itself.`);
  }
}

/**
 * @param {Uint8Array} head at least the first 4 bytes
 * @param {string} url
 */
function checkMagic(head, url) {
  if (head[0] === 0x47 && head[1] === 0x47 && head[2] === 0x55 && head[3] === 0x46) return;
  const text = new TextDecoder().decode(head.subarray(0, 64)).trimStart();
  if (text.startsWith('<')) refuseHtml(url, 'text/html');
  if (text.startsWith('version https://git-lfs')) {
    throw new DownloadError('NOT_GGUF', `${hostOf(url)} sent a Git LFS pointer in place of the model; use the address of the stored file.`);
  }
  throw new DownloadError('NOT_GGUF', `The file from ${hostOf(url)} is not a GGUF model.`);
}

/**
 * @param {Sink} sink
 * @param {Sha256} sha
 * @param {number} have
 */
function rehash(sink, sha, have) {
  for (let at = 0; at < have;) {
    const part = sink.read(at, Math.min(1 << 20, have - at));
    if (!part.length) throw new DownloadError('SIZE', 'The stored part of this download cannot be read; try again.');
    sha.update(part);
    at += part.length;
  }
}

/**
 * @param {Response} response
 * @param {string} url
 * @param {Sink} sink
 * @param {Sha256} sha
 * @param {number} have
 * @param {number} total
 * @param {{signal?: AbortSignal, onProgress?: (p: {loaded: number, total: number}) => void}} options
 */
async function stream(response, url, sink, sha, have, total, options) {
  const body = response.body?.getReader();
  if (!body) throw new DownloadError('NETWORK', `${hostOf(url)} sent no data.`);
  let at = have;
  let head = have ? null : new Uint8Array(0);
  options.onProgress?.({ loaded: at, total });
  try {
    for (;;) {
      const { done, value } = await body.read();
      if (done) break;
      let chunk = value;
      if (head) { /* the first bytes are looked at before anything is kept */
        chunk = new Uint8Array(head.length + value.length);
        chunk.set(head);
        chunk.set(value, head.length);
        head = chunk.length < 4 ? chunk : null;
        if (head) continue;
        checkMagic(chunk, url);
      }
      if (total && at + chunk.length > total) throw new DownloadError('SIZE', `${hostOf(url)} sent more than the ${total} bytes it announced.`);
      sink.write(chunk, at);
      sha.update(chunk);
      at += chunk.length;
      options.onProgress?.({ loaded: at, total });
    }
  } catch (error) {
    throw asDownloadError(/** @type {Error} */ (error), at, total);
  } finally {
    body.cancel().catch(() => {});
  }
  if (head?.length === 0) throw new DownloadError('NOT_GGUF', `${hostOf(url)} sent an empty file.`);
  if (head) throw new DownloadError('NOT_GGUF', `The file from ${hostOf(url)} is not a GGUF model.`);
  return at;
}

/**
 * @param {Error} error
 * @param {number} at
 * @param {number} total
 */
function asDownloadError(error, at, total) {
  if (error.name === 'AbortError' || error instanceof DownloadError) return error;
  if (error.name === 'QuotaExceededError') {
    const kept = `${megabytes(at)}${total ? ` of ${megabytes(total)}` : ''}`;
    return new DownloadError('QUOTA', `The browser's storage is full after ${kept}; free some space, or remove a stored model.`);
  }
  const kept = total ? `${megabytes(at)} of ${megabytes(total)}` : megabytes(at);
  return new DownloadError('NETWORK', `The connection broke after ${kept}; Retry goes on from there.`);
}

/**
 * @param {Sink} sink
 * @param {Sha256} sha
 * @param {number} have
 * @param {{sha256?: string}} options
 */
function finish(sink, sha, have, options) {
  rehash(sink, sha, have);
  return verdict(sink, sha, have, have, options);
}

/**
 * @param {Sink} sink
 * @param {Sha256} sha
 * @param {number} loaded
 * @param {number} total
 * @param {{sha256?: string}} options
 */
function verdict(sink, sha, loaded, total, options) {
  if (total && loaded < total) {
    throw new DownloadError('NETWORK', `The connection broke after ${megabytes(loaded)} of ${megabytes(total)}; Retry goes on from there.`);
  }
  const hex = sha.hex();
  if (options.sha256 && hex !== options.sha256.toLowerCase()) {
    sink.truncate(0);
    throw new DownloadError('SHA256',
      'The downloaded file is damaged or was changed: its checksum is not the expected one. Nothing was kept; try again.');
  }
  return { bytes: loaded, sha256: hex };
}
