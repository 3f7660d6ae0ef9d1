// @ts-check
/* The engine in Chromium under the page's own strict policy: every build, with and without cross-origin isolation. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch } from '../browser/harness.mjs';
import { createServer, listen, POLICY } from '../../web/serve.mjs';

/** @type {any} */ let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

/**
 * Loads the model in an empty page and translates; gives back what the page saw.
 * @param {boolean} isolation @param {Record<string, any>[]} loads
 * @returns {Promise<any[]>}
 */
async function inPage(isolation, loads) {
  const server = createServer({ isolation });
  const port = await listen(server, 0, '127.0.0.1');
  const page = await browser.newPage();
  /** @type {string[]} */
  const problems = [];
  page.on('pageerror', (/** @type {Error} */ e) => problems.push(String(e)));
  page.on('console', (/** @type {any} */ m) => { if (m.type() === 'error') problems.push(m.text()); });
  const headers = { 'Content-Security-Policy': POLICY,
    ...(isolation && { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }) };
  const body = '<!doctype html><title>blank</title>';
  await page.route('**/blank', (/** @type {any} */ r) => r.fulfill({ contentType: 'text/html', body, headers }));
  await page.goto(`http://127.0.0.1:${port}/blank`);
  const seen = [];
  for (const load of loads) {
    seen.push(await page.evaluate(async (/** @type {any} */ options) => {
      const { Model } = await import(/** @type {any} */ ('/engine.mjs'));
      try {
        const url = '/models/fr-en.gguf';
        const m = await Model.load(options.file ? new File([await (await fetch(url)).arrayBuffer()], 'f.gguf') : url, options.load);
        let text = '';
        let longest = 0; // ms in which the page's own thread did nothing
        let last = performance.now();
        const timer = setInterval(() => { longest = Math.max(longest, performance.now() - last); last = performance.now(); }, 5);
        for await (const p of m.translate('Je suis étudiant', { from: 'fr', to: 'en' })) text += p.text;
        clearInterval(timer);
        m.dispose();
        return { text, longest, info: m.info };
      } catch (e) {
        return { code: /** @type {any} */ (e).code, message: String(e) };
      }
    }, load));
  }
  await page.close();
  server.closeAllConnections();
  server.close();
  assert.deepEqual(problems, []);
  return seen;
}

const missing = 'SKIP: no Chromium or no playwright-core on this machine';

test('every build runs in an isolated page', async (t) => {
  if (!browser) return t.skip(missing);
  const builds = ['simd', 'relaxed', 'simd-mt', 'relaxed-mt'];
  const forced = builds.map((build) => ({ load: { build, threads: build.endsWith('mt') ? 2 : 1 } }));
  const seen = await inPage(true, [{ load: {} }, { file: true, load: { threads: 2 } }, ...forced]);
  for (const s of seen) assert.equal(s.text, "I'm a student", JSON.stringify(s));
  assert.deepEqual(seen.slice(2).map((s) => s.info.build), builds);
  assert.equal(seen[1].info.build, 'relaxed-mt');
  assert.equal(seen[1].info.threads, 2);
  assert.ok(seen.every((s) => s.info.isolated && s.info.buildNote === ''));
});

test('a host without the headers gets one thread, and is told why not more', async (t) => {
  if (!browser) return t.skip(missing);
  const [plain, asked, forced] = await inPage(false, [{ load: {} }, { load: { threads: 4 } }, { load: { build: 'simd-mt', threads: 2 } }]);
  for (const s of [plain, asked]) {
    assert.equal(s.text, "I'm a student", JSON.stringify(s));
    assert.equal(s.info.build, 'relaxed');
    assert.equal(s.info.threads, 1);
    assert.equal(s.info.isolated, false);
  }
  assert.equal(forced.code, 'LQ_E_BROWSER');
  assert.match(forced.message, /not cross-origin isolated/);
});

test('every build gives the same greedy ids, whose texts are the native ones', { timeout: 60000 }, async (t) => {
  if (!browser) return t.skip(missing);
  /** @type {{cases: {text: string, to: string, greedy: string}[]}} */
  const { cases } = JSON.parse(readFileSync(new URL('../golden/fr-en/expected.json', import.meta.url), 'utf8'));
  const from = (/** @type {{to: string}} */ c) => (c.to === 'en' ? 'fr' : 'en');
  const server = createServer();
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${await listen(server, 0, '127.0.0.1')}/icon.svg`);
  /** @type {Record<string, {text: string, ids: number[]}[]>} */
  const seen = {};
  for (const build of ['simd', 'relaxed', 'simd-mt', 'relaxed-mt']) {
    seen[build] = await page.evaluate(async (/** @type {any} */ { build: wanted, asked }) => {
      const { Model } = await import(/** @type {any} */ ('/engine.mjs'));
      const m = await Model.load('/models/fr-en.gguf', { build: wanted, threads: wanted.endsWith('mt') ? 2 : 1 });
      const answers = [];
      for (const c of asked) {
        const answer = { text: '', ids: /** @type {number[]} */ ([]) };
        for await (const p of m.translate(c.text, { from: c.from, to: c.to })) {
          answer.text += p.text;
          if (p.tokenId >= 0) answer.ids.push(p.tokenId);
        }
        answers.push(answer);
      }
      m.dispose();
      return answers;
    }, { build, asked: cases.map((c) => ({ text: c.text, from: from(c), to: c.to })) });
  }
  await page.close();
  server.closeAllConnections();
  server.close();
  for (const build of ['relaxed', 'simd-mt', 'relaxed-mt']) assert.deepEqual(seen[build], seen.simd, build);
  const right = seen.simd.filter(({ text }, i) => text === cases[i].greedy).length;
  assert.ok(right >= 32, `${right} of ${cases.length} are the unquantised model's`);
  const native = fileURLToPath(new URL('../../build/loquat', import.meta.url));
  if (!existsSync(native)) return t.diagnostic('build/loquat is not there to compare with');
  for (const to of ['en', 'fr']) {
    const mine = cases.map((c, i) => ({ ...c, got: seen.simd[i].text })).filter((c) => c.to === to);
    const model = fileURLToPath(new URL('../../models/fr-en.gguf', import.meta.url));
    const input = mine.map((c) => `${c.text}\n`).join('');
    const said = execFileSync(native, ['translate', '-m', model, '--from', from({ to }), '--to', to], { input, encoding: 'utf8' });
    assert.deepEqual(said.trimEnd().split('\n'), mine.map((c) => c.got));
  }
});
