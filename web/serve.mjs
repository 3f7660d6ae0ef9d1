#!/usr/bin/env node
// @ts-check
/* Static server for the page: web/ at /, models/ at /models/. Node 18 or later, no dependencies.
 *
 *   node web/serve.mjs [--port 8080] [--host 127.0.0.1] [--no-isolation]
 *
 * PORT in the environment stands in for --port. --no-isolation leaves out COOP and COEP, as most static hosts do. */

import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import * as http from 'node:http';
import * as path from 'node:path';
import { pipeline } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const TRIES = 10; // ports after the wanted one

/* The meta tag of index.html says the same but for frame-ancestors, which only a header can carry. connect-src https: and the local
 * hosts are for model files that a person chooses by address. */
export const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; "
  + "connect-src 'self' https: http://localhost:* http://127.0.0.1:*; worker-src 'self'; manifest-src 'self'; base-uri 'none'; "
  + "form-action 'none'; frame-ancestors 'none'";

/** @type {Record<string, string>} */
const TYPES = {
  '.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8', '.mjs': 'text/javascript; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8', '.json': 'application/json; charset=utf-8', '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.wasm': 'application/wasm', '.svg': 'image/svg+xml', '.png': 'image/png', '.ico': 'image/x-icon', '.txt': 'text/plain; charset=utf-8',
};

/** An answer that is no file. */
class Refusal extends Error {
  /** @param {number} status @param {string} message @param {Record<string, string>} [headers] */
  constructor(status, message, headers = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/**
 * @typedef {object} Options
 * @property {string} [web] folder served at /
 * @property {string} [models] folder served at /models/
 * @property {boolean} [isolation] send COOP and COEP (default true)
 */

/**
 * A server that is not listening yet.
 * @param {Options} [options]
 * @returns {http.Server}
 */
export function createServer({ web = HERE, models = path.join(HERE, '../models'), isolation = true } = {}) {
  return http.createServer((request, response) => {
    answer(request, response, { web, models }, commonHeaders(isolation)).catch((error) => refuse(request, response, error));
  });
}

/** @param {boolean} isolation */
function commonHeaders(isolation) {
  return {
    'Content-Security-Policy': POLICY,
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-cache',
    ...(isolation && { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }),
  };
}

/**
 * @param {http.IncomingMessage} request
 * @param {http.ServerResponse} response
 * @param {{web: string, models: string}} roots
 * @param {Record<string, string>} headers
 */
async function answer(request, response, roots, headers) {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (request.method !== 'GET' && request.method !== 'HEAD') throw new Refusal(405, 'Only GET and HEAD are answered.', { Allow: 'GET, HEAD' });
  const { file, size, mtimeMs } = await findFile(segmentsOf(request.url ?? '/'), roots);
  const etag = `"${size.toString(16)}-${Math.floor(mtimeMs).toString(16)}"`;
  response.setHeader('ETag', etag);
  response.setHeader('Last-Modified', new Date(mtimeMs).toUTCString());
  response.setHeader('Accept-Ranges', 'bytes');
  if (matches(request.headers['if-none-match'], etag)) {
    response.writeHead(304).end();
    return;
  }
  const range = rangeOf(request, size, etag);
  response.setHeader('Content-Type', TYPES[path.extname(file).toLowerCase()] ?? 'application/octet-stream');
  if (range) response.setHeader('Content-Range', `bytes ${range.start}-${range.end}/${size}`);
  response.setHeader('Content-Length', range ? range.end - range.start + 1 : size);
  response.statusCode = range ? 206 : 200;
  if (request.method === 'HEAD' || size === 0) {
    response.end();
    return;
  }
  pipeline(createReadStream(file, range ?? { start: 0, end: size - 1 }), response, () => {}); // either end may go away
}

/**
 * The decoded segments of a request's path. Anything that could mean another folder is refused, however it is written.
 * @param {string} url
 */
function segmentsOf(url) {
  let decoded;
  try {
    decoded = decodeURIComponent(url.split(/[?#]/, 1)[0]);
  } catch {
    throw new Refusal(400, 'The address is not well encoded.');
  }
  if (!decoded.startsWith('/')) throw new Refusal(400, 'The address has no path.');
  const segments = decoded.slice(1).split('/');
  const last = segments.length - 1;
  const bad = segments.some((s, i) => s.startsWith('.') || /[\\\0:]/.test(s) || (s === '' && i < last));
  if (bad) throw new Refusal(404, 'There is no such file.');
  return segments;
}

/**
 * @param {string[]} segments
 * @param {{web: string, models: string}} roots
 */
async function findFile(segments, roots) {
  const [root, rest] = segments[0] === 'models' && segments.length > 1 ? [roots.models, segments.slice(1)] : [roots.web, segments];
  const wanted = path.join(root, ...rest, rest[rest.length - 1] === '' ? 'index.html' : '');
  try {
    const [home, file] = await Promise.all([realpath(root), realpath(wanted)]);
    if (!file.startsWith(home + path.sep)) throw new Refusal(404, 'There is no such file.'); // a symbolic link that leads out
    const found = await stat(file);
    if (found.isFile()) return { file, size: found.size, mtimeMs: found.mtimeMs };
  } catch (error) {
    if (error instanceof Refusal || !['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP'].includes(/** @type {any} */ (error).code)) throw error;
  }
  throw new Refusal(404, 'There is no such file.');
}

/**
 * @param {string | undefined} header If-None-Match
 * @param {string} etag
 */
function matches(header, etag) {
  return header !== undefined && header.split(',').some((tag) => ['*', etag, `W/${etag}`].includes(tag.trim()));
}

/**
 * The one byte range asked for, inclusive; null for the whole file. Several ranges or another unit get the whole file (RFC 9110, 14.2).
 * @param {http.IncomingMessage} request
 * @param {number} size
 * @param {string} etag
 */
function rangeOf(request, size, etag) {
  const asked = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '');
  const condition = request.headers['if-range'];
  if (!asked || (asked[1] === '' && asked[2] === '') || (condition !== undefined && condition !== etag)) return null;
  const start = asked[1] === '' ? Math.max(0, size - Number(asked[2])) : Number(asked[1]);
  const end = asked[1] === '' || asked[2] === '' ? size - 1 : Math.min(size - 1, Number(asked[2]));
  if (start > end) throw new Refusal(416, 'The file has no such range.', { 'Content-Range': `bytes */${size}` });
  return { start, end };
}

/**
 * @param {http.IncomingMessage} request
 * @param {http.ServerResponse} response
 * @param {any} error
 */
function refuse(request, response, error) {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const known = error instanceof Refusal;
  const denied = !known && (error.code === 'EACCES' || error.code === 'EPERM');
  if (!known && !denied) console.error(`serve: ${request.url}: ${error.message}`);
  const status = known ? error.status : denied ? 403 : 500;
  const text = known ? error.message : denied ? 'The server may not read this file.' : 'The server failed to read this file.';
  for (const name of ['ETag', 'Last-Modified', 'Accept-Ranges']) response.removeHeader(name);
  response.writeHead(status, { ...(known ? error.headers : {}), 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': text.length + 1 });
  response.end(request.method === 'HEAD' ? undefined : `${text}\n`);
}

/**
 * Listens on the port, or on one of the next if it is busy; resolves to the port taken.
 * @param {http.Server} server
 * @param {number} port 0: any free one
 * @param {string} host
 * @returns {Promise<number>}
 */
export async function listen(server, port, host) {
  for (let tried = port; ; tried++) {
    try {
      await new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(tried, host, () => {
          server.off('error', reject);
          resolve(undefined);
        });
      });
      return /** @type {import('node:net').AddressInfo} */ (server.address()).port;
    } catch (error) {
      if (/** @type {any} */ (error).code !== 'EADDRINUSE' || tried - port >= TRIES || tried >= 65535) throw error;
    }
  }
}

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(`serve: ${message}`);
  process.exit(1);
}

async function main() {
  let options;
  try {
    options = parseArgs({ options: {
      port: { type: 'string' }, host: { type: 'string', default: '127.0.0.1' }, 'no-isolation': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    } }).values;
  } catch (error) {
    fail(`${/** @type {Error} */ (error).message} (see --help)`);
  }
  if (options.help) {
    console.log('usage: node web/serve.mjs [--port 8080] [--host 127.0.0.1] [--no-isolation]');
    return;
  }
  const text = options.port ?? process.env.PORT ?? '8080';
  const wanted = /^\d+$/.test(text) ? Number(text) : -1;
  if (wanted < 0 || wanted > 65535) fail(`the port must be a number from 0 to 65535, not ${JSON.stringify(text)}`);
  const host = /** @type {string} */ (options.host);
  const server = createServer({ isolation: !options['no-isolation'] });
  const port = await listen(server, wanted, host).catch((error) => fail(
    error.code === 'EADDRINUSE' ? `the ports from ${wanted} to ${Math.min(65535, wanted + TRIES)} are all busy; choose another with PORT or --port`
      : error.code === 'EACCES' ? `this user may not open port ${wanted}; choose one above 1023 with PORT or --port`
        : `cannot listen on ${host}: ${error.message}`));
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.once(signal, () => process.exit(0));
  if (wanted !== 0 && port !== wanted) console.log(`Port ${wanted} is busy; taking ${port}.`);
  const name = host === '127.0.0.1' || host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  console.log(`http://${name}:${port}/`);
}

if (process.argv[1] && fileURLToPath(import.meta.url) === await realpath(process.argv[1])) await main();
