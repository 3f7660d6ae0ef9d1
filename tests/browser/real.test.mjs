// @ts-check
/* The page with the engine itself and the models themselves, served by web/serve.mjs as `make run` does. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { audit, launch, PLAIN, realServer, ROOT, SHOTS, watch } from './harness.mjs';

const FR_EN = join(ROOT, 'models/fr-en.gguf');
const SMOLLM2 = join(ROOT, 'models/smollm2-135m-instruct-q4_1.gguf');
const ANIMAL = ["L'animal n'a pas traversé la rue parce qu'il était trop fatigué.", "The animal didn't cross the street because it was too tired."];
const LONG = `${ANIMAL[0]} `.repeat(60);

/** @type {any} */
let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

/**
 * @param {string} name
 * @param {(page: any, server: any, context: any, t: any) => Promise<void>} body
 * @param {{server?: any, context?: any, quiet?: boolean, needs?: string}} [options] quiet: errors on the console are part of the test
 */
function realTest(name, body, options = {}) {
  test(name, { timeout: 120_000 }, async (t) => {
    if (!browser) return t.skip('no Chromium or no playwright-core on this machine');
    if (options.needs && !existsSync(options.needs)) return t.skip(`${options.needs} is not here; make models fetches it`);
    const server = await realServer(options.server);
    const context = await browser.newContext({ ...PLAIN, ...options.context });
    context.setDefaultTimeout(30_000);
    /** @type {string[]} */
    const elsewhere = [];
    context.on('request', (/** @type {any} */ r) => { if (!r.url().startsWith(server.url) && !/^(blob|data):/.test(r.url())) elsewhere.push(r.url()); });
    try {
      const page = await context.newPage();
      const problems = watch(page);
      await page.goto(server.url);
      await body(page, server, context, t);
      if (!options.quiet) assert.deepEqual(problems, []);
      assert.deepEqual(elsewhere, [], 'a request left for another host');
    } finally {
      await context.close();
      await server.close();
    }
  });
}

const inUse = (/** @type {any} */ page, /** @type {string} */ name) => page.waitForSelector(`#model:has-text("${name}")`);
const idle = (/** @type {any} */ page) => page.waitForFunction(() => document.querySelector('#copy:not([hidden])')
  && document.querySelector('#translate-run .label')?.textContent === 'Translate');
const growing = (/** @type {any} */ page) => page.waitForFunction(
  () => (document.querySelector('#target .tail')?.parentElement?.textContent ?? '').length > 5);

/** @param {any} page @param {string} text */
async function translate(page, text) {
  await page.fill('#source', text);
  await page.keyboard.press('Control+Enter');
  await idle(page);
  return page.textContent('#target');
}

/** What the list says before loading is what the model takes once it is here. @param {any} page @param {string} id */
async function memoryAsListed(page, id) {
  const listed = JSON.parse(readFileSync(join(ROOT, 'models/manifest.json'), 'utf8')).models.find((/** @type {any} */ m) => m.id === id).memory_bytes;
  const said = Number(/(\d+) MB of memory/.exec(await page.textContent('#facts'))?.[1]) * 1e6;
  assert.ok(Math.abs(said - listed) < 0.1 * said, `memory_bytes of ${id} in models/manifest.json should be about ${said}`);
}

realTest('the page translates, cancels, swaps and copies', async (page, _server, _context, t) => {
  assert.equal(await translate(page, 'Je suis étudiant'), "I'm a student");
  assert.equal(await translate(page, ANIMAL[0]), ANIMAL[1]);
  assert.match(await page.textContent('.bottom'), /French ↔ English.*SIMD, \d+ threads?.*tokens\/s.*MB of memory/s);
  await memoryAsListed(page, 'fr-en');
  await page.setViewportSize({ width: 1280, height: 600 });
  assert.equal(await translate(page, `Je suis étudiant. ${ANIMAL[0]}`), `I'm a student. ${ANIMAL[1]}`);
  await page.evaluate(() => /** @type {any} */ (document.activeElement).blur());
  await page.screenshot({ path: join(SHOTS, 'readme.png') }); /* web/screenshot.png is a copy */
  assert.equal(await translate(page, ANIMAL[0]), ANIMAL[1]);
  await page.click('#copy');
  await page.waitForSelector('#copy:has-text("Copied")');
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), ANIMAL[1]);

  await page.fill('#source', LONG);
  await page.keyboard.press('Control+Enter');
  await growing(page);
  const asked = Date.now();
  await page.keyboard.press('Escape');
  await page.waitForSelector('#translate-status:has-text("Stopped")');
  t.diagnostic(`stopped ${Date.now() - asked} ms after Esc`);
  const kept = await page.textContent('#target');
  assert.ok(kept.length > 5 && kept.length < LONG.length / 2, 'what was produced stays, and no more comes');
  await page.waitForTimeout(300);
  assert.equal(await page.textContent('#target'), kept);

  assert.equal(await translate(page, 'Je suis étudiant'), "I'm a student");
  await page.keyboard.press('Alt+KeyS');
  assert.equal(await page.inputValue('#source'), "I'm a student");
  await page.keyboard.press('Control+Enter');
  await page.waitForFunction(() => document.querySelector('#target')?.getAttribute('lang') === 'fr');
  await idle(page);
  assert.match(await page.textContent('#target'), /étudiant/);
});

/** @param {any} page @param {Record<string, string>} values */
async function settings(page, values) {
  await page.click('#settings-toggle');
  for (const [name, value] of Object.entries(values)) {
    await page.fill(`#set-${name}`, value);
    await page.dispatchEvent(`#set-${name}`, 'change');
  }
  await page.uncheck('#set-do_sample');
  await page.click('#settings-toggle');
}
const replies = (/** @type {any} */ page, /** @type {number} */ n) => page.waitForFunction(
  (/** @type {number} */ k) => document.querySelectorAll('.message.assistant .actions').length === k, n, { timeout: 100_000 });

realTest('the page chats two turns with SmolLM2 and stops a third', async (page, server) => {
  await page.click('#tab-chat');
  await page.waitForSelector('#chat-models-list li:has-text("197 MB in memory")');
  await page.click('button[aria-label="Download SmolLM2 135M Instruct"]');
  await page.waitForFunction(() => /^\d+ of 98 MB$/.test(document.querySelector('#chat-load .bytes')?.textContent ?? ''), null, { polling: 10 });
  await inUse(page, 'SmolLM2 135M Instruct');
  await memoryAsListed(page, 'smollm2-135m-instruct-q4_1');
  await settings(page, { max_new_tokens: '8', repetition_penalty: '1' });
  await page.fill('#draft', 'What is the capital of France? Answer in one sentence.');
  await page.keyboard.press('Enter');
  await replies(page, 1);
  assert.equal(await page.textContent('.message.assistant .body'), 'The capital of France is Paris.');
  await page.fill('#draft', 'And of Italy?');
  await page.keyboard.press('Control+Enter');
  await replies(page, 2);
  await settings(page, { max_new_tokens: '400', repetition_penalty: '1' });
  await page.fill('#draft', 'Tell me a long story.');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('.message:last-child .tail')?.parentElement?.textContent, null, { timeout: 100_000 });
  await page.keyboard.press('Escape');
  await replies(page, 3);
  assert.equal(await page.textContent('.message:last-child .hint'), 'Stopped.');
  await page.fill('#draft', 'word '.repeat(9000));
  await page.click('#send');
  await page.waitForSelector('#chat-problem .notice');
  assert.match(await page.textContent('#chat-problem .notice p'), /\d{4}/, 'says the limit');
  await audit(page);
  assert.equal(server.requests.filter((/** @type {string} */ r) => /^GET \/models\/smollm2/.test(r)).length, 1);
}, { needs: SMOLLM2 });

realTest('the page takes a model by file, by drop and by address, and refuses what is none', async (page, server) => {
  await inUse(page, 'French ↔ English');
  const pick = async (/** @type {any} */ file) => {
    await page.click('#model');
    await page.setInputFiles('#models-file', file);
  };
  const problem = async () => {
    await page.waitForSelector('#translate-load .notice p');
    const said = await page.textContent('#translate-load .notice p');
    await page.click('#translate-load .notice button:has-text("Choose another model")');
    await page.click('#models-close');
    return said;
  };
  await pick(FR_EN);
  await inUse(page, 'fr-en');
  assert.equal(await translate(page, 'Je suis étudiant'), "I'm a student");

  const file = (/** @type {string} */ name, /** @type {Buffer} */ buffer) => ({ name, mimeType: 'application/octet-stream', buffer });
  const good = readFileSync(FR_EN);
  await pick(file('cut.gguf', good.subarray(0, 5_000_000)));
  assert.match(await problem(), /^cut: .*(truncated|ends|end of|beyond|outside|past)/i);
  await pick(file('page.gguf', Buffer.from('<!doctype html><title>404</title>')));
  assert.match(await problem(), /^page: .*HTML/i);
  await pick(file('void.gguf', Buffer.alloc(0)));
  assert.match(await problem(), /^void: it is an empty file\.$/);
  await pick(file('odd.gguf', Buffer.concat([good.subarray(0, 4), oneKey('general.architecture', 'sparkle')])));
  assert.match(await problem(), /^odd: .*sparkle/);
  await pick(file('notes.txt', Buffer.from('some notes that are no model')));
  assert.match(await problem(), /^notes\.txt: .*GGUF/);

  await page.click('#model');
  await page.fill('#models-url', `${server.url}models/fr-en.gguf`);
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('#models:not([open])') && !document.querySelector('#translate-load .strip'));
  assert.equal(await translate(page, 'Je suis étudiant'), "I'm a student", 'after every refusal the model in use still works');
  await page.click('#model');
  await page.waitForSelector('#models-list li:has-text("on this device")');
  await page.fill('#models-url', `${server.url}index.html`);
  await page.keyboard.press('Enter');
  assert.match(await problem(), /sent a web page in place of a model/);

  await page.click('#tab-chat');
  const data = await page.evaluateHandle(async () => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([await (await fetch('models/fr-en.gguf')).blob()], 'dropped.gguf'));
    return transfer;
  });
  await page.dispatchEvent('body', 'drop', { dataTransfer: data });
  await page.waitForSelector('#chat-load .notice:has-text("dropped is made for translation, not for chat.")');
  await page.click('button:has-text("Use it in Translate")');
  await inUse(page, 'dropped');
  assert.equal(await translate(page, ANIMAL[0]), ANIMAL[1]);
});

/** The rest of a GGUF header with one text and no tensor. @param {string} key @param {string} value */
function oneKey(key, value) {
  const bytes = Buffer.alloc(64 + key.length + value.length);
  let at = bytes.writeUInt32LE(3, 0);
  at = bytes.writeBigUInt64LE(0n, at);
  at = bytes.writeBigUInt64LE(1n, at);
  at = bytes.writeBigUInt64LE(BigInt(key.length), at);
  at += bytes.write(key, at);
  at = bytes.writeUInt32LE(8, at);
  at = bytes.writeBigUInt64LE(BigInt(value.length), at);
  bytes.write(value, at);
  return bytes;
}

realTest('the page opens and translates after its server was stopped, with what was typed', async (page, server) => {
  assert.equal(await translate(page, 'Je suis étudiant'), "I'm a student");
  await page.waitForSelector('#badge:has-text("Works offline")');
  await server.close();
  await page.reload();
  await page.waitForSelector('#badge[data-state="offline"]');
  assert.equal(await page.inputValue('#source'), 'Je suis étudiant');
  assert.equal(await page.textContent('#target'), "I'm a student");
  assert.equal(await translate(page, ANIMAL[0]), ANIMAL[1]);
  assert.equal(await page.evaluate(() => crossOriginIsolated), true);
  await page.reload();
  assert.equal(await page.inputValue('#source'), ANIMAL[0]);
}, { quiet: true });

realTest('the page works on a host without isolation headers, before and after the service worker adds them', async (page) => {
  assert.equal(await page.evaluate(() => crossOriginIsolated), false);
  assert.equal(await translate(page, 'Je suis étudiant'), "I'm a student");
  await page.click('#isolate');
  await inUse(page, 'French ↔ English');
  assert.equal(await page.evaluate(() => crossOriginIsolated), true);
  assert.equal(await translate(page, ANIMAL[0]), ANIMAL[1]);
}, { server: { isolation: false } });

realTest('the first translated word stands 1.5 s after opening, from a text that was typed before', async (page, _server, _context, t) => {
  await translate(page, 'Je suis étudiant');
  await page.waitForSelector('#badge:has-text("Works offline")');
  await page.evaluate(() => navigator.serviceWorker.ready);
  const times = [];
  for (let i = 0; i < 3; i++) {
    await page.reload({ waitUntil: 'commit' });
    times.push(await page.evaluate(async () => {
      const until = (/** @type {() => any} */ f) => new Promise((done) => { const look = () => (f() ? done(performance.now()) : setTimeout(look, 4)); look(); });
      const button = () => /** @type {HTMLElement} */ (document.querySelector('#translate-run'));
      await until(() => document.querySelector('#app:not([hidden])') && /** @type {any} */ (document.querySelector('#source'))?.value);
      button().click();
      await until(() => button().textContent === 'Stop');
      return until(() => document.querySelector('#target .tail')?.parentElement?.textContent || button().textContent === 'Translate');
    }));
  }
  t.diagnostic(`first word after ${times.map((ms) => Math.round(ms)).join(', ')} ms`);
  assert.ok(Math.min(...times) < 1500, String(times));
});

realTest('the page answers every action within 100 ms', async (page, _server, _context, t) => {
  await inUse(page, 'French ↔ English');
  await page.fill('#source', LONG);
  const click = (/** @type {string} */ selector, /** @type {string} */ watched) => page.evaluate((/** @type {string[]} */ [s, w]) => new Promise((done) => {
    const began = performance.now();
    new MutationObserver(() => requestAnimationFrame(() => done(performance.now() - began))).observe(/** @type {any} */ (document.querySelector(w)), { attributes: true, childList: true, subtree: true, characterData: true });
    /** @type {any} */ (document.querySelector(s)).click();
  }), [selector, watched]);
  const times = { translate: await click('#translate-run', '#translate-run') };
  await growing(page);
  await page.waitForTimeout(400);
  const more = { stop: await click('#translate-run', '#translate-run'), swap: await click('#swap', '.panes'), chat: await click('#tab-chat', '#panel-chat'), models: await click('#model', '#models') };
  t.diagnostic(JSON.stringify({ ...times, ...more }));
  for (const [name, ms] of Object.entries({ ...times, ...more })) assert.ok(ms < 100, `${name} took ${ms} ms`);
});

realTest('the page keeps a text that is far too long and says the limit', async (page) => {
  await inUse(page, 'French ↔ English');
  await page.fill('#source', 'Bonjour. '.repeat(30_000));
  await page.click('#translate-run');
  await page.waitForSelector('#translate-problem .notice:has-text("270,000 characters")');
  assert.match(await page.textContent('#translate-problem .notice p'), /takes 200,000 at once/);
  assert.equal((await page.inputValue('#source')).length, 270_000);
});

realTest('tab order follows the eye', async (page) => {
  await translate(page, 'Je suis étudiant');
  await page.focus('#tab-translate');
  const order = [];
  for (let i = 0; i < 9; i++) {
    order.push(await page.evaluate(() => document.activeElement?.id));
    await page.keyboard.press('Tab');
  }
  assert.deepEqual(order, ['tab-translate', 'source', 'source-clear', 'from', 'swap', 'to', 'translate-run', 'target', 'copy']);
});
