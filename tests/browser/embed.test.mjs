// @ts-check
/* The engine in somebody else's page: the package as npm packs it, unpacked on a bare static host that sends no headers of its own (no COOP,
 * no COEP, so one thread), in a page of five lines. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, createReadStream, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, ROOT, watch } from './harness.mjs';

/* The README's example, as a page. */
const PAGE = `<!doctype html><meta charset="utf-8"><title>Embedded</title><p id="out"></p><script type="module">
import { Model } from './node_modules/loquat/web/engine.mjs';
const m = await Model.load('fr-en.gguf');
for await (const p of m.translate('Je suis étudiant', { from: 'fr', to: 'en' })) out.append(p.text);
document.title = [m.info.build, m.info.threads, crossOriginIsolated].join(' ');
m.dispose();
</script>`;
const TYPES = /** @type {Record<string, string>} */ ({ '.html': 'text/html', '.mjs': 'text/javascript', '.wasm': 'application/wasm' });

const site = mkdtempSync(join(tmpdir(), 'loquat-embed-'));
/** @type {any} */ let browser;
const server = createServer((req, res) => {
  const file = join(site, normalize(new URL(req.url ?? '/', 'http://x').pathname));
  if (!existsSync(file) || !statSync(file).isFile()) return void res.writeHead(404).end();
  const shared = req.headers.origin ? { 'Access-Control-Allow-Origin': '*' } : {}; /* as a CDN answers other sites */
  res.writeHead(200, { ...shared, 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream', 'Content-Length': statSync(file).size });
  createReadStream(file).pipe(res);
});

before(async () => {
  browser = await launch();
  const packed = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--pack-destination', site], { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  );
  execFileSync('tar', ['-xzf', join(site, packed[0].filename), '-C', site]);
  mkdirSync(join(site, 'node_modules'));
  renameSync(join(site, 'package'), join(site, 'node_modules/loquat'));
  copyFileSync(join(ROOT, 'models/fr-en.gguf'), join(site, 'fr-en.gguf'));
  writeFileSync(join(site, 'index.html'), PAGE);
  await new Promise((done) => {
    server.listen(0, '127.0.0.1', () => done(null));
  });
});
after(async () => {
  await browser?.close();
  server.closeAllConnections();
  server.close();
  rmSync(site, { recursive: true });
});

test('a bare static page translates with the packed engine', { timeout: 40_000 }, async (t) => {
  if (!browser) return t.skip('no Chromium or no playwright-core on this machine');
  const page = await browser.newPage();
  const problems = watch(page);
  await page.goto(`http://127.0.0.1:${/** @type {any} */ (server.address()).port}/index.html`);
  await page.waitForFunction(() => document.title !== 'Embedded');
  assert.equal(await page.textContent('#out'), "I'm a student");
  assert.match(await page.title(), /^(relaxed|simd) 1 false$/);
  assert.deepEqual(problems, []);
});

test('a page of another site uses the engine where it is', { timeout: 40_000 }, async (t) => {
  if (!browser) return t.skip('no Chromium or no playwright-core on this machine');
  const { port } = /** @type {any} */ (server.address());
  const page = await browser.newPage();
  const problems = watch(page);
  const engine = `http://127.0.0.1:${port}/`; /* localhost is another site */
  writeFileSync(join(site, 'elsewhere.html'), PAGE.replace('./node_modules', `${engine}node_modules`).replace("'fr-en.gguf'", `'${engine}fr-en.gguf'`));
  await page.goto(`http://localhost:${port}/elsewhere.html`);
  await page.waitForFunction(() => document.title !== 'Embedded');
  assert.equal(await page.textContent('#out'), "I'm a student");
  assert.match(await page.title(), /^(relaxed|simd) 1 false$/);
  assert.deepEqual(problems, []);
});

test('a Node program uses the same package', { timeout: 40_000 }, () => {
  writeFileSync(
    join(site, 'program.mjs'),
    `import { Model } from 'loquat';
const m = await Model.load(new URL('fr-en.gguf', import.meta.url));
for await (const p of m.translate('Je suis étudiant', { from: 'fr', to: 'en' })) process.stdout.write(p.text);
m.dispose();
`,
  );
  assert.equal(execFileSync('node', ['program.mjs'], { cwd: site, encoding: 'utf8' }), "I'm a student");
});

test('a TypeScript program gets the types of the engine from the package', { timeout: 40_000 }, () => {
  writeFileSync(join(site, 'program.mts'), `import { LoquatError, Model, type Piece } from 'loquat';
const m = await Model.load('fr-en.gguf', { threads: 1, onProgress: ({ loaded, total }) => { const n: number = loaded + total; void n; } });
for await (const p of m.translate('x', { from: 'fr', to: 'en', signal: AbortSignal.timeout(9) })) { const piece: Piece = p; void piece.text.length; }
const ids: number[] = await m.tokenize('x');
try { await m.detokenize(ids); } catch (e) { if (e instanceof LoquatError) { const code: string = e.code; void code; } }
// @ts-expect-error
await Model.load(42);
// @ts-expect-error
m.translate('x', { from: 'fr' });
// @ts-expect-error
m.info.nothing;
`);
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const args = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--lib', 'es2024,dom,dom.asynciterable', 'program.mts'];
  assert.equal(execFileSync(process.execPath, [tsc, ...args], { cwd: site, encoding: 'utf8' }), '');
});
