// @ts-check
/* What the page's tests share: a server that can misbehave, mock models, a browser. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createServer as createRealServer, listen } from '../../web/serve.mjs';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** A browser context as most tests want it. */
export const PLAIN = { viewport: { width: 1280, height: 800 }, permissions: ['clipboard-read', 'clipboard-write'] };
export const SHOTS = join(ROOT, 'build/screenshots');

const TYPES = /** @type {Record<string, string>} */ ({
  '.html': 'text/html; charset=utf-8', '.mjs': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml',
  '.json': 'application/json', '.webmanifest': 'application/manifest+json', '.wasm': 'application/wasm', '.gguf': 'application/octet-stream',
});

/** @param {any} spec @param {number} [size] padded to this many bytes */
export function mockModel(spec, size = 0) {
  const head = Buffer.from(`GGUF${JSON.stringify(spec)}`);
  return size > head.length ? Buffer.concat([head, Buffer.alloc(size - head.length)]) : head;
}

/** @param {Buffer} bytes */
export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

const INFO = { architecture: 't5', context_length: 512, kernels: 'wasmrelaxed', build: 'relaxed-mt', threads: 2 };
export const TRANSLATOR = { delay: 12, info: { ...INFO, name: 'fr-en', tasks: ['translate'], languages: ['fr', 'en'], memory: { weights: 12e6, session: { context: 512, bytes: 3e6 } } } };
export const CHATTER = { delay: 25, reading: 800, info: { ...INFO, name: 'SmolLM2 135M Instruct', architecture: 'llama', tasks: ['generate', 'chat'], languages: ['en'], memory: { weights: 98e6, session: { context: 2048, bytes: 45e6 } } } };

/**
 * A server of web/ with the mock in place of the engine.
 * @param {{models?: Record<string, Buffer>, manifest?: any, isolated?: boolean, override?: (req: any, res: any) => boolean | Promise<boolean>}} options
 */
export async function mockServer(options = {}) {
  const translator = mockModel(TRANSLATOR, 3_000_000);
  const chatter = mockModel(CHATTER, 5_000_000);
  const models = options.models ?? { 'fr-en.gguf': translator, 'smollm2.gguf': chatter };
  const manifest = options.manifest ?? { models: [
    { file: 'fr-en.gguf', name: 'French ↔ English', task: 'translate', languages: ['fr', 'en'], licence: 'MIT', bytes: translator.length, sha256: sha256(translator) },
    { file: 'smollm2.gguf', name: 'SmolLM2 135M Instruct', task: 'chat', languages: ['en'], licence: 'Apache-2.0', bytes: chatter.length, memory_bytes: 48e6, sha256: sha256(chatter) },
    { file: 'absent.gguf', name: 'A model elsewhere', task: 'chat', languages: ['en', 'fr'], licence: 'Apache-2.0', bytes: 361e6, sha256: '00', url: 'https://models.example/absent.gguf' },
  ] };
  /** @type {string[]} */
  const requests = [];
  const state = { override: options.override };
  const server = createServer(async (req, res) => {
    const path = decodeURIComponent(new URL(req.url ?? '/', 'http://x').pathname);
    requests.push(`${req.method} ${path}${req.headers.range ? ` ${req.headers.range}` : ''}`);
    if (options.isolated !== false) {
      res.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
      res.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    }
    if (await state.override?.(req, res)) return;
    if (path === '/models/manifest.json') return send(res, '.json', Buffer.from(JSON.stringify(manifest)));
    if (path.startsWith('/models/')) return sendModel(req, res, models[path.slice(8)]);
    const file = path === '/engine.mjs' ? join(ROOT, 'tests/browser/mock-engine.mjs') : join(ROOT, 'web', normalize(path === '/' ? 'index.html' : path));
    const body = await readFile(file).catch(() => null);
    if (!body) return void res.writeHead(404).end('not found');
    send(res, extname(file), body);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', () => resolve(null)); });
  const { port } = /** @type {any} */ (server.address());
  return {
    url: `http://localhost:${port}/`, requests, models, state,
    close: () => new Promise((resolve) => { server.closeAllConnections(); server.close(() => resolve(null)); }),
  };
}

/** @param {any} res @param {string} ext @param {Buffer} body */
function send(res, ext, body) {
  res.writeHead(200, { 'content-type': TYPES[ext] ?? 'application/octet-stream', 'content-length': body.length });
  res.end(body);
}

/** @param {any} req @param {any} res @param {Buffer | undefined} bytes */
function sendModel(req, res, bytes) {
  if (!bytes) return res.writeHead(404).end('not found');
  const etag = `"${sha256(bytes).slice(0, 16)}"`;
  const m = /^bytes=(\d+)-$/.exec(req.headers.range ?? '');
  const from = m ? Number(m[1]) : 0;
  res.writeHead(m ? 206 : 200, { 'content-type': 'application/octet-stream', 'content-length': bytes.length - from, etag, 'accept-ranges': 'bytes',
    ...(m ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}) });
  res.end(req.method === 'HEAD' ? undefined : bytes.subarray(from));
}

/**
 * The page as `make run` serves it, with a log of requests.
 * @param {{web?: string, models?: string, isolation?: boolean}} [options]
 */
export async function realServer(options = {}) {
  const server = createRealServer(options);
  /** @type {string[]} */
  const requests = [];
  server.on('request', (req) => requests.push(`${req.method} ${req.url}`));
  const port = await listen(server, 0, '127.0.0.1');
  return {
    url: `http://localhost:${port}/`, port, requests,
    close: () => new Promise((resolve) => { server.closeAllConnections(); server.close(() => resolve(null)); }),
  };
}

/** Fails on anything that axe-core finds in what is on the screen. @param {any} page */
export async function audit(page) {
  const source = await readFile(join(ROOT, 'node_modules/axe-core/axe.min.js'), 'utf8').catch(() => '');
  if (!source) return;
  await page.evaluate(source);
  const { violations } = await page.evaluate(() => /** @type {any} */ (globalThis).axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  assert.deepEqual(violations.map((/** @type {any} */ v) => `${v.id}: ${v.help}: ${v.nodes.map((/** @type {any} */ n) => `${n.html.slice(0, 160)} ${n.any[0]?.message ?? ''}`).join(' | ')}`), []);
}

const CHROMIUM = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

/** What this machine lacks for tests in a browser, as a sentence; '' when nothing. */
async function lacking() {
  if (!CHROMIUM) return 'there is no Chromium here (CHROMIUM names one elsewhere)';
  return import('playwright-core').then(() => '', () => 'playwright-core is not installed (npm ci)');
}

/** A Chromium, or null when there is none on this machine. */
export async function launch() {
  if (await lacking()) return null;
  const playwright = await import('playwright-core');
  await mkdir(SHOTS, { recursive: true });
  return playwright.chromium.launch({ executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
}

/** @param {any} page */
export function watch(page) {
  /** @type {string[]} */
  const problems = [];
  page.on('pageerror', (/** @type {Error} */ e) => problems.push(String(e)));
  page.on('console', (/** @type {any} */ m) => {
    if (m.type() === 'error' && !/Failed to load resource/.test(m.text())) problems.push(m.text());
  });
  return problems;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) { /* tests/run.sh asks before it starts the suites */
  const lack = await lacking();
  if (lack) console.log(`SKIP: ${lack}, so the page was not tested`);
  process.exitCode = lack ? 1 : 0;
}
