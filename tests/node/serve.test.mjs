// @ts-check
/* The page's server: files, headers, ranges, and every way out of its folders. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync, existsSync } from 'node:fs';
import * as http from 'node:http';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createServer, listen, POLICY } from '../../web/serve.mjs';

const SERVE = fileURLToPath(new URL('../../web/serve.mjs', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'serve-'));
/** @type {http.Server} */ let server;
let port = 0;

before(async () => {
  for (const name of ['web/sub', 'models', 'web2']) mkdirSync(path.join(folder, name), { recursive: true });
  writeFileSync(path.join(folder, 'secret.txt'), 'secret');
  writeFileSync(path.join(folder, 'web2/near.txt'), 'a folder whose name begins like the root');
  writeFileSync(path.join(folder, 'web/index.html'), '<p>page');
  writeFileSync(path.join(folder, 'web/.hidden'), 'hidden');
  writeFileSync(path.join(folder, 'web/empty.txt'), '');
  for (const name of ['a.mjs', 'a.wasm', 'a.css', 'a.svg', 'a.webmanifest', 'a b.txt', 'sub/é.json']) writeFileSync(path.join(folder, 'web', name), 'x');
  writeFileSync(path.join(folder, 'models/m.gguf'), '0123456789');
  symlinkSync('../secret.txt', path.join(folder, 'web/out.txt'));
  symlinkSync('../../web2', path.join(folder, 'web/sub/out'));
  symlinkSync('a.mjs', path.join(folder, 'web/in.mjs'));
  server = createServer({ web: path.join(folder, 'web'), models: path.join(folder, 'models') });
  port = await listen(server, 0, '127.0.0.1');
});

after(() => {
  server.close();
  server.closeAllConnections();
  rmSync(folder, { recursive: true });
});

/**
 * One request with the path exactly as given.
 * @param {string} target
 * @param {{method?: string, headers?: Record<string, string>, at?: number}} [options]
 * @returns {Promise<{status: number, headers: http.IncomingHttpHeaders, body: string}>}
 */
function get(target, { method = 'GET', headers = {}, at = port } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port: at, path: target, method, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (d) => { body += d; });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    request.on('error', reject).end();
  });
}

test('serves files with their types', async () => {
  const types = {
    '/': 'text/html; charset=utf-8', '/a.mjs': 'text/javascript; charset=utf-8', '/a.wasm': 'application/wasm', '/a.css': 'text/css; charset=utf-8',
    '/a.svg': 'image/svg+xml', '/a.webmanifest': 'application/manifest+json; charset=utf-8', '/a%20b.txt': 'text/plain; charset=utf-8',
    '/sub/%C3%A9.json': 'application/json; charset=utf-8', '/models/m.gguf': 'application/octet-stream', '/in.mjs?v=1': 'text/javascript; charset=utf-8',
  };
  for (const [target, type] of Object.entries(types)) {
    const { status, headers } = await get(target);
    assert.deepEqual([target, status, headers['content-type']], [target, 200, type]);
  }
  assert.equal((await get('/empty.txt')).body, '');
});

test('sends the security headers, on errors too', async () => {
  for (const target of ['/', '/nothing']) {
    const { headers } = await get(target);
    assert.equal(headers['content-security-policy'], POLICY);
    assert.equal(headers['cross-origin-opener-policy'], 'same-origin');
    assert.equal(headers['cross-origin-embedder-policy'], 'require-corp');
    assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
    assert.equal(headers['x-content-type-options'], 'nosniff');
  }
});

test('leaves out COOP and COEP when asked', async () => {
  const plain = createServer({ web: path.join(folder, 'web'), isolation: false });
  const { headers } = await get('/', { at: await listen(plain, 0, '127.0.0.1') });
  plain.close();
  assert.equal(headers['cross-origin-opener-policy'], undefined);
  assert.equal(headers['cross-origin-embedder-policy'], undefined);
  assert.equal(headers['content-security-policy'], POLICY);
});

test('its policy lets no script in but its own files', () => {
  const rules = Object.fromEntries(POLICY.split('; ').map((rule) => [rule.split(' ')[0], rule.split(' ').slice(1).join(' ')]));
  assert.equal(rules['default-src'], "'none'");
  assert.equal(rules['script-src'], "'self' 'wasm-unsafe-eval'");
  for (const name of ['style-src', 'worker-src', 'manifest-src']) assert.equal(rules[name], "'self'", name);
  for (const name of ['base-uri', 'form-action', 'frame-ancestors']) assert.equal(rules[name], "'none'", name);
});

test('its policy is the page\'s, and frame-ancestors', (t) => {
  const page = path.join(path.dirname(SERVE), 'index.html');
  if (!existsSync(page)) return t.skip('no page here');
  const meta = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(readFileSync(page, 'utf8'));
  assert.equal(`${meta?.[1]}; frame-ancestors 'none'`, POLICY);
});

test('never leaves its folders', async () => {
  const ways = [
    '/../secret.txt', '/%2e%2e/secret.txt', '/..%2fsecret.txt', '/%2e%2e%2fsecret.txt', '/sub/../../secret.txt', '/models/../secret.txt',
    '/models/..%2f..%2fsecret.txt', '/..\\secret.txt', '/..%5csecret.txt', '/%252e%252e/secret.txt', '//secret.txt', '/./a.mjs', '/.hidden',
    '/out.txt', '/sub/out/near.txt', '/../web2/near.txt', '/a.mjs%00.txt', '/a.mjs/', '/sub', '/models', '/sub/', '/models/', '/c:/x',
    `/${'a'.repeat(5000)}`,
  ];
  for (const target of ways) {
    const { status, body } = await get(target);
    assert.deepEqual([target, status], [target, 404]);
    assert.doesNotMatch(body, /secret\n|near/);
  }
  assert.equal((await get('/%zz')).status, 400);
  assert.equal((await get('http://other.example/')).status, 400);
});

test('answers GET and HEAD only', async () => {
  const head = await get('/models/m.gguf', { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers['content-length'], head.body], [200, '10', '']);
  const post = await get('/', { method: 'POST' });
  assert.deepEqual([post.status, post.headers.allow], [405, 'GET, HEAD']);
  assert.equal((await get('/nothing', { method: 'HEAD' })).body, '');
});

test('answers byte ranges', async () => {
  const cases = [['bytes=2-4', '234', '2-4'], ['bytes=7-', '789', '7-9'], ['bytes=-3', '789', '7-9'], ['bytes=8-99', '89', '8-9'], ['bytes=-99', '0123456789', '0-9']];
  for (const [range, body, place] of cases) {
    const got = await get('/models/m.gguf', { headers: { Range: range } });
    assert.deepEqual([range, got.status, got.body, got.headers['content-range']], [range, 206, body, `bytes ${place}/10`]);
  }
  for (const range of ['bytes=10-', 'bytes=5-2', 'bytes=-0']) {
    const got = await get('/models/m.gguf', { headers: { Range: range } });
    assert.deepEqual([range, got.status, got.headers['content-range']], [range, 416, 'bytes */10']);
  }
  for (const range of ['bytes=0-1,3-4', 'lines=1-2', 'bytes=-', 'bytes=a-b']) {
    assert.deepEqual([range, (await get('/models/m.gguf', { headers: { Range: range } })).status], [range, 200]);
  }
});

test('revalidates by ETag', async () => {
  const { headers } = await get('/a.mjs');
  const etag = String(headers.etag);
  assert.equal((await get('/a.mjs', { headers: { 'If-None-Match': `"other", ${etag}` } })).status, 304);
  assert.equal((await get('/a.mjs', { headers: { 'If-None-Match': '"other"' } })).status, 200);
  assert.equal((await get('/models/m.gguf', { headers: { Range: 'bytes=0-1', 'If-Range': '"old"' } })).status, 200);
});

/**
 * Runs the server as a program until it prints its address or ends.
 * @param {string[]} args
 * @param {Record<string, string>} [env]
 * @returns {Promise<{out: string, error: string, code: number | null}>}
 */
function program(args, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [SERVE, ...args], { env: { ...process.env, ...env } });
    let out = '';
    let error = '';
    child.stderr.on('data', (d) => { error += d; });
    child.stdout.on('data', (d) => {
      out += d;
      if (out.includes('http://')) child.kill('SIGTERM');
    });
    child.on('close', (code) => resolve({ out, error, code }));
  });
}

test('takes the next port when one is busy, and says so', async () => {
  const busy = net.createServer();
  const taken = await new Promise((resolve) => { busy.listen(0, '127.0.0.1', () => resolve(/** @type {any} */ (busy.address()).port)); });
  const { out, code } = await program([], { PORT: String(taken) });
  busy.close();
  const now = Number(/^http:\/\/localhost:(\d+)\/$/m.exec(out)?.[1]);
  assert.ok(now > taken && now <= taken + 10, out);
  assert.match(out, new RegExp(`^Port ${taken} is busy; taking ${now}\\.$`, 'm'));
  assert.equal(code, 0);
});

test('says what is wrong with its arguments', async () => {
  assert.match((await program(['--port', 'x'])).error, /^serve: the port must be a number from 0 to 65535, not "x"\n$/);
  assert.match((await program(['--port', '70000'])).error, /not "70000"\n$/);
  assert.match((await program(['--wrong'])).error, /^serve: .*--wrong.*\n$/);
  assert.match((await program(['--host', '256.0.0.1', '--port', '0'])).error, /^serve: cannot listen on 256\.0\.0\.1: .*\n$/);
});
