// @ts-check
/* What the measurements share: the peers' folder, a server, a browser of its own, CPU seconds and peak memory of its renderers. */

import { execFileSync } from 'node:child_process';
import { copyFileSync, createReadStream, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { cpus, homedir, tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const HERE = join(ROOT, 'tests/bench');
export const PEERS = join(process.env.LOQUAT_CACHE ?? join(homedir(), '.cache/loquat'), 'bench');

/** Installs the peers unless the cache holds just these versions already. */
export function installPeers() {
  const lock = join(PEERS, 'package-lock.json');
  const same =
    existsSync(join(PEERS, 'node_modules')) &&
    existsSync(lock) &&
    readFileSync(lock, 'utf8') === readFileSync(join(HERE, 'package-lock.json'), 'utf8');
  if (same) return;
  mkdirSync(PEERS, { recursive: true });
  for (const f of ['package.json', 'package-lock.json']) copyFileSync(join(HERE, f), join(PEERS, f));
  try {
    execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: PEERS,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  } catch (error) {
    rmSync(lock, { force: true });
    throw error;
  }
}

const TYPES = /** @type {Record<string, string>} */ ({
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
});

/**
 * Cross-origin isolated, nothing cached by it: loading is measured from a local server with no network in between.
 * @param {Record<string, string>} roots path prefix to folder
 */
export async function serve(roots) {
  const server = createServer((req, res) => {
    const path = decodeURIComponent(new URL(req.url ?? '/', 'http://x').pathname);
    const root = Object.keys(roots).find((r) => path.startsWith(r));
    const file = root ? join(roots[root], normalize(`/${path.slice(root.length)}`)) : '';
    const size = file && existsSync(file) && statSync(file).isFile() ? statSync(file).size : -1;
    res.writeHead(size < 0 ? 404 : 200, {
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Embedder-Policy': 'require-corp',
      'Cache-Control': 'no-store',
      'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
      ...(size < 0 ? {} : { 'Content-Length': size }),
    });
    if (size < 0 || req.method === 'HEAD') res.end();
    else createReadStream(file, { highWaterMark: 1 << 20 }).pipe(res);
  });
  await new Promise((done) => {
    server.listen(0, '127.0.0.1', () => done(null));
  });
  const { port } = /** @type {any} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

export const CHROMIUM = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

/** A browser with an empty profile that lasts until close(). */
export async function openBrowser() {
  if (!CHROMIUM) throw new Error('there is no Chromium here; install it, or name one with CHROMIUM=path');
  const { chromium } = createRequire(join(PEERS, 'package.json'))('playwright-core');
  const profile = mkdtempSync(join(tmpdir(), 'loquat-bench-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-extensions',
    ],
  });
  const close = async () => {
    await context.close().catch(() => {});
    rmSync(profile, { recursive: true, force: true });
  };
  const session = await context.browser()?.newBrowserCDPSession();
  return { context, close, version: () => context.browser()?.version() ?? '', meter: () => meter(session) };
}

/**
 * CPU seconds of all renderers (the page, its workers, background compilation) and of the whole browser, and the peak resident size of the
 * biggest renderer in MB.
 * @param {any} session of the whole browser
 * @returns {Promise<{cpu: number, all: number, peakMb: number | null}>}
 */
async function meter(session) {
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const renderers = processInfo.filter((/** @type {any} */ p) => p.type === 'renderer');
  const peaks = renderers.map((/** @type {any} */ p) => peakOf(p.id));
  const sum = (/** @type {any[]} */ list) => list.reduce((a, p) => a + p.cpuTime, 0);
  return { cpu: sum(renderers), all: sum(processInfo), peakMb: peaks.length && !peaks.includes(null) ? Math.max(...peaks) : null };
}

/** @param {number} pid @returns {number | null} null where /proc does not tell */
function peakOf(pid) {
  try {
    return Math.round((Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024) / 1e6);
  } catch {
    return null;
  }
}

/** CPU seconds of the whole machine so far. */
const busySeconds = () => cpus().reduce((a, { times: t }) => a + t.user + t.nice + t.sys + t.irq, 0) / 1e3;

/** Begins to watch the rest of the machine; the function returned says how many cores it used meanwhile, given the browser's CPU seconds. */
export function othersMeter() {
  const [busy, own, t0] = [busySeconds(), process.cpuUsage(), performance.now()];
  return (/** @type {number} */ browserSeconds) => {
    const u = process.cpuUsage(own);
    return Math.max(0, (busySeconds() - busy - (u.user + u.system) / 1e6 - browserSeconds) / ((performance.now() - t0) / 1e3));
  };
}

/** Waits until others leave the cores free, at most so many seconds. @param {number} cores @param {number} most */
export async function waitQuiet(cores, most) {
  for (const t0 = performance.now(); performance.now() - t0 < most * 1e3; ) {
    const others = othersMeter();
    await new Promise((done) => {
      setTimeout(done, 500);
    });
    if (others(0) < cpus().length - cores + 0.3) return;
  }
}
