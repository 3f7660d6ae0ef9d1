// @ts-check
/* The measuring page on the real engine: what harnesses call keeps its contract, and a person can measure too. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createServer, listen } from '../../web/serve.mjs';
import { launch, watch } from './harness.mjs';

const MODEL = '/models/fr-en.gguf';
/** @type {any} */ let browser;
/** @type {any} */ let page;
/** @type {string[]} */ let problems;
const server = createServer();
let url = '';
before(async () => {
  browser = await launch();
  if (!browser) return;
  url = `http://127.0.0.1:${await listen(server, 0, '127.0.0.1')}/bench.html`;
  page = await browser.newPage();
  problems = watch(page);
  await page.goto(url);
  await page.waitForFunction('window.benchReady && crossOriginIsolated'); // as text: a harness may ask so under this policy
});
after(async () => {
  await browser?.close();
  server.closeAllConnections();
  server.close();
});

/** @param {string} name @param {() => Promise<void>} body */
function pageTest(name, body) {
  test(name, { timeout: 40_000 }, async (t) => {
    if (!browser) return t.skip('no Chromium or no playwright-core on this machine');
    await body();
  });
}
const bench = (/** @type {any} */ request, call = 'runBench') =>
  page.evaluate(
    (/** @type {any} */ [f, a]) =>
      /** @type {any} */ (window)[f](a).then(
        (/** @type {any} */ value) => ({ value }),
        (/** @type {any} */ e) => ({ error: [e.name, e.code, e.message] }),
      ),
    [call, request],
  );

pageTest('runBench translates sentences in one call, and keeps the engine', async () => {
  const request = { model: MODEL, sentences: ['Je suis étudiant.', 'Où est la gare ?'], threads: 1 };
  const first = (await bench(request)).value;
  assert.deepEqual(first.texts, ["I'm a student.", "Where's the station?"]);
  assert.ok(first.seconds > 0 && first.outputTokens > 6 && first.loadMs > 0);
  const again = (await bench(request)).value;
  assert.equal(again.loadMs, first.loadMs);
  assert.deepEqual(again.texts, first.texts);
});

pageTest('runBench with maxTokens gives every sentence exactly that many tokens', async () => {
  for (const n of [5, 25]) {
    const { value } = await bench({ model: MODEL, sentences: ['Je suis étudiant.', 'Il fait beau.', 'Bonjour.'], maxTokens: n, threads: 1 });
    assert.equal(value.outputTokens, 3 * n);
    assert.equal(value.texts.length, 3);
  }
});

pageTest('runBench generates exactly nPredict tokens past the end of the text, and marks the first', async () => {
  await page.evaluate(() => {
    const w = /** @type {any} */ (window);
    w.marks = 0;
    w.benchMark = () => {
      w.marks++;
    };
  });
  const request = { model: MODEL, prompt: '<2en> Je suis étudiant', nPredict: 12, threads: 1, nCtx: 64 };
  const free = (await bench({ ...request, ignoreEos: false })).value;
  assert.ok(free.nGen < 12, `${free.nGen} tokens: the text should end by itself`);
  assert.equal(free.text, "I'm a student");
  const exact = (await bench({ ...request, ignoreEos: true })).value;
  assert.equal(exact.nGen, 12);
  assert.equal(exact.ids.length, 12);
  assert.ok(exact.text.startsWith("I'm a student"));
  assert.equal(await page.evaluate(() => /** @type {any} */ (window).marks), 2);
  assert.ok(exact.ttftMs > 0 && exact.genTps > 0 && exact.promptTps > 0 && exact.nPrompt > 0);
  assert.notEqual(exact.loadMs, 0);
});

pageTest('another thread count loads anew and gives the same text', async () => {
  const one = (await bench({ model: MODEL, sentences: ['Je suis étudiant.'], threads: 1 })).value;
  const two = (await bench({ model: MODEL, sentences: ['Je suis étudiant.'], threads: 2 })).value;
  assert.notEqual(one.loadMs, two.loadMs);
  assert.deepEqual(one.texts, two.texts);
  const info = await page.evaluate(() => /** @type {any} */ (window).contestantInfo());
  assert.equal(info.threads, 2);
  assert.match(info.build, /-mt$/);
});

pageTest('what this version does not run fails with a named error', async () => {
  const marian = await bench({ model: 'tiny-ssru', sentences: ['x'], maxTokens: 25, threads: 1 });
  assert.deepEqual(marian.error.slice(0, 2), ['LoquatError', 'LQ_E_UNSUPPORTED']);
  assert.match(marian.error[2], /GGUF.*tiny-ssru/);
  const embed = await bench({ model: MODEL, sentences: ['x'], threads: 1, batch: 1 }, 'runEmbed');
  assert.deepEqual(embed.error.slice(0, 2), ['LoquatError', 'LQ_E_TASK']);
  const absent = await bench({ model: '/models/absent.gguf', prompt: 'x', nPredict: 1, threads: 1 });
  assert.equal(absent.error[1], 'LQ_E_NETWORK');
  assert.equal((await bench({ model: MODEL })).error[1], 'LQ_E_ARG');
  const wrong = await bench({ model: MODEL, sentences: ['x'], threads: 1, build: 'turbo' });
  assert.equal(wrong.error[1], 'LQ_E_OPTION');
  const later = (await bench({ model: MODEL, sentences: ['Bonjour.'], threads: 1 })).value;
  assert.equal(later.texts.length, 1);
});

pageTest('an encoder without a tokenizer says so', async () => {
  const embed = await bench({ model: '/models/tiny/bert.gguf', sentences: ['x'], threads: 1, batch: 1 }, 'runEmbed');
  assert.deepEqual(embed.error.slice(0, 2), ['LoquatError', 'LQ_E_UNSUPPORTED']);
  assert.match(embed.error[2], /tokenizer/);
});

for (const [width, colorScheme] of [
  [1280, 'light'],
  [390, 'dark'],
]) {
  pageTest(`a person measures at ${width} px, ${colorScheme}`, async () => {
    const context = await browser.newContext({ viewport: { width, height: 760 }, colorScheme });
    const p = await context.newPage();
    const seen = watch(p);
    await p.goto(url);
    await p.waitForSelector('#bench-model option', { state: 'attached' });
    await p.selectOption('#bench-threads', '1');
    await p.selectOption('#bench-build', 'simd');
    await p.click('#bench-run');
    await p.click('#bench-run:has-text("Stop")');
    await p.waitForSelector('#bench-status:has-text("Stopped.")');
    await p.click('#bench-run:has-text("Run")');
    await p.waitForSelector('#bench-status:has-text("Done.")');
    const cells = await p.locator('#bench-rows tr:first-child > *').allTextContents();
    assert.equal(cells[0], 'French ↔ English');
    assert.match(cells[1], /^simd /);
    assert.equal(cells[2], '1');
    for (const at of [3, 4, 6]) assert.ok(Number(cells[at]) > 0, `${cells}`);
    assert.equal(await p.evaluate(() => document.documentElement.scrollWidth), width);
    const unnamed = await p.evaluate(
      () => [...document.querySelectorAll('select, button')].filter((e) => !(/** @type {any} */ (e).labels?.length) && !e.textContent?.trim()).length,
    );
    assert.equal(unnamed, 0);
    assert.deepEqual(seen, []);
    await context.close();
  });
}

pageTest('the page kept its policy all the while', async () => {
  assert.deepEqual(problems, []);
});
