// @ts-check
/* The page in a real browser with a mock engine: every state a person can meet, without waiting for a model.
 * real.test.mjs walks with the engine itself. */

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHATTER, mockModel, ROOT, TRANSLATOR } from './harness.mjs';
import { done, inUse, modelReady, openChat, output, pageTest, replies } from './steps.mjs';

pageTest('page translates a sentence, says how fast, and copies it', async (page) => {
  await page.fill('#source', 'Je suis étudiant');
  await page.keyboard.press('Control+Enter');
  await done(page);
  assert.equal(await output(page), "I'm a student");
  assert.equal(await page.getAttribute('#target', 'lang'), 'en');
  assert.equal(await page.getAttribute('#source', 'lang'), 'fr');
  assert.match(await page.textContent('.bottom'), /^\s*French ↔ English\s*relaxed SIMD, 2 threads\s*\d+ tokens\/s\s*15 MB of memory\s/);
  await page.click('#copy');
  await page.waitForSelector('#copy:has-text("Copied")');
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "I'm a student");
});

pageTest('page stops at once, keeps what was produced, and Stop stands where Translate stood', async (page) => {
  await modelReady(page);
  await page.fill('#source', 'un deux trois quatre cinq six sept huit neuf dix. '.repeat(40));
  const place = await page.locator('#translate-run').boundingBox();
  await page.click('#translate-run');
  await page.waitForFunction(() => (document.querySelector('#target')?.textContent ?? '').length > 20);
  assert.equal(await page.textContent('#translate-run .label'), 'Stop');
  assert.deepEqual(await page.locator('#translate-run').boundingBox(), place);
  await page.waitForTimeout(400);
  await page.click('#translate-run');
  await page.waitForSelector('#translate-status:has-text("Stopped")');
  assert.ok((await output(page)).length > 20);
  await page.click('#translate-run');
  await page.waitForFunction(() => document.querySelector('#translate-run .label')?.textContent === 'Stop');
  await page.keyboard.press('Escape');
  await page.waitForSelector('#translate-status:has-text("Stopped")');
});

pageTest('page stops before the engine has, and what comes after is not shown', async (page) => {
  await modelReady(page);
  await page.fill('#source', 'un deux trois quatre');
  await page.click('#translate-run');
  await page.waitForFunction(() => document.querySelector('#target .tail')?.textContent === 'un ');
  await page.keyboard.press('Escape');
  await page.waitForSelector('#translate-status:has-text("Stopped")', { timeout: 500 });
  await page.waitForTimeout(1200);
  assert.equal(await output(page), 'un ');
}, { server: { models: { 'fr-en.gguf': mockModel({ ...TRANSLATOR, delay: 1000 }) }, manifest: { models: [] } } });

pageTest('page tells the progress of a long text in sentences and hands screen readers whole ones', async (page) => {
  await modelReady(page);
  await page.fill('#source', 'Une phrase de plusieurs mots ici. Une autre phrase la suit. Et voici la dernière des trois.');
  await page.click('#translate-run');
  await page.waitForSelector('#translate-status:has-text("Sentence 2 of 3")');
  assert.equal(await page.textContent('#target > span:first-child'), 'UNE PHRASE DE PLUSIEURS MOTS ICI. ');
  assert.equal(await page.getAttribute('#target .tail', 'aria-hidden'), 'true');
  assert.equal(await page.getAttribute('#translate-status', 'aria-live'), 'off');
  await done(page);
}, { server: { models: { 'fr-en.gguf': mockModel({ ...TRANSLATOR, delay: 80 }) }, manifest: { models: [] } } });

pageTest('page keeps text and translation across a reload, and swaps both with Alt+S', async (page) => {
  await page.fill('#source', 'Je suis étudiant');
  await page.click('#translate-run');
  await done(page);
  await page.reload();
  await modelReady(page);
  assert.equal(await page.inputValue('#source'), 'Je suis étudiant');
  assert.equal(await output(page), "I'm a student");
  await page.keyboard.press('Alt+KeyS');
  assert.deepEqual([await page.inputValue('#from'), await page.inputValue('#to'), await page.inputValue('#source'), await output(page)], ['en', 'fr', "I'm a student", 'Je suis étudiant']);
  await page.selectOption('#from', 'fr');
  assert.equal(await page.inputValue('#to'), 'en');
});

pageTest('page asks for text when there is none', async (page) => {
  await modelReady(page);
  await page.click('#translate-run');
  assert.equal(await page.textContent('#translate-status'), 'Type or paste some text first.');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'source');
});

pageTest('page chats two turns, tries again, clears, undoes, and remembers', async (page) => {
  await openChat(page);
  assert.equal(new URL(page.url()).hash, '#chat');
  await page.fill('#draft', 'What is a <img src=x onerror="document.title=1"> loquat?');
  await page.keyboard.press('Enter');
  await replies(page, 1);
  await page.fill('#draft', 'And a medlar?');
  await page.keyboard.press('Control+Enter');
  await replies(page, 2);
  const texts = await page.locator('.message .body').allTextContents();
  assert.equal(texts.length, 4);
  assert.match(texts[3], /^Answer 2 to “And a medlar\?”\. It has/);
  assert.equal(await page.locator('#log img').count(), 0);
  assert.deepEqual(await page.locator('.again:visible').count(), 1, 'only the last answer can be tried again');
  await page.click('.again:visible');
  await page.waitForFunction(() => document.querySelector('#send .label')?.textContent === 'Stop');
  await replies(page, 2);
  await page.click('#chat-clear');
  assert.equal(await page.locator('.message').count(), 0);
  await page.click('button:has-text("Undo")');
  assert.equal(await page.locator('.message').count(), 4);
  await page.fill('#draft', 'half a thought');
  await page.reload();
  assert.equal(await page.inputValue('#draft'), 'half a thought');
  assert.equal(await page.locator('.message').count(), 4);
  await inUse(page, 'SmolLM2');
});

pageTest('page lists models with size, licence and where they are, and removes one', async (page, server) => {
  await openChat(page);
  assert.equal(server.requests.filter((/** @type {string} */ r) => r === 'GET /models/smollm2.gguf').length, 1);
  await page.reload();
  await inUse(page, 'SmolLM2');
  assert.equal(server.requests.filter((/** @type {string} */ r) => r === 'GET /models/smollm2.gguf').length, 1);
  await page.click('#model');
  await page.waitForSelector('#models-list li');
  const rows = await page.locator('#models-list li').allTextContents();
  assert.match(rows[0], /SmolLM2 135M Instruct5\.0 MB · 48 MB in memory · English · Apache-2\.0 · on this device.*In use/);
  assert.match(rows[1], /A model elsewhere361 MB · over 361 MB in memory · English, French · Apache-2\.0 · from models\.example/);
  await page.fill('#models-url', 'ftp://example.org/x.gguf');
  await page.click('#models-form button');
  assert.match(await page.textContent('#models-problem'), /must begin with https/);
});

pageTest('page works after its server is gone, and says so truly', async (page, server) => {
  await page.waitForSelector('#badge:has-text("Works offline")');
  await server.close();
  await page.reload();
  await page.waitForSelector('#badge[data-state="offline"]');
  await page.fill('#source', 'Je suis étudiant');
  await page.click('#translate-run');
  await done(page);
  assert.equal(await output(page), "I'm a student");
}, { quiet: true });

pageTest('page opens within seconds on a network that never answers', async (page, server) => {
  await page.waitForSelector('#badge:has-text("Works offline")');
  server.state.override = () => true;
  const began = Date.now();
  await page.reload();
  await page.waitForSelector('#badge[data-state="offline"]');
  await page.fill('#source', 'Je suis étudiant');
  await page.click('#translate-run');
  await done(page);
  assert.equal(await output(page), "I'm a student");
  assert.ok(Date.now() - began < 8000, `${Date.now() - began} ms`);
}, { quiet: true });

pageTest('page gets its isolation headers from the service worker where the host sends none', async (page) => {
  await page.waitForSelector('#badge:has-text("Works offline")');
  assert.equal(await page.evaluate(() => crossOriginIsolated), false);
  await page.reload();
  await modelReady(page);
  assert.equal(await page.evaluate(() => crossOriginIsolated), true);
}, { server: { isolated: false } });

pageTest('page says what an old browser lacks and starts nothing', async (page, server) => {
  await page.waitForSelector('.notice:has-text("This browser lacks WebAssembly SIMD")');
  assert.equal(server.requests.some((/** @type {string} */ r) => r.includes('fr-en.gguf')), false);
}, { init: () => { WebAssembly.validate = () => false; } });

/* What the server may do wrong with the default model, and the sentence for it. */
const good = mockModel(TRANSLATOR, 3_000_000);
/** @type {[string, (res: any) => void, RegExp][]} */
const WRONGS = [
  ['a web page', (res) => res.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><p>hello'), /sent a web page in place of a model/],
  ['a web page under a false name', (res) => res.writeHead(200, { 'content-type': 'application/octet-stream' }).end('<!doctype html>'.padEnd(3_000_000)), /sent a web page in place of a model/],
  ['nothing at the address', (res) => res.writeHead(404).end(), /has no file at this address \(404\)/],
  ['an empty file', (res) => res.writeHead(200).end(), /sent an empty file|other version|another version/],
  ['another version', (res) => res.writeHead(200, { 'content-length': 9 }).end('GGUF12345'), /offers a file of 9 bytes where 3000000 were expected/],
  ['changed bytes', (res) => { const b = Buffer.from(good); b[b.length - 1] ^= 1; res.writeHead(200, { 'content-length': b.length }).end(b); }, /checksum is not the expected one/],
];

for (const [name, answer, expected] of WRONGS) {
  pageTest(`page refuses ${name} in place of the model, keeps the text, and Retry works`, async (page, server) => {
    await page.waitForSelector('#translate-load .notice');
    assert.match(await page.textContent('#translate-load .notice p'), expected);
    await page.fill('#source', 'Je suis étudiant');
    server.state.override = undefined;
    await page.click('#translate-load button:has-text("Retry")');
    await modelReady(page);
    await page.click('#translate-run');
    await done(page);
    assert.equal(await output(page), "I'm a student");
  }, { server: { override: (/** @type {any} */ req, /** @type {any} */ res) => req.method === 'GET' && req.url.endsWith('fr-en.gguf') && (answer(res), true) } });
}

pageTest('page goes on with a broken download where it stopped', async (page, server) => {
  await page.waitForSelector('#translate-load .notice:has-text("The connection broke after")');
  server.state.override = undefined;
  await page.click('#translate-load button:has-text("Retry")');
  await modelReady(page);
  const ranged = server.requests.find((/** @type {string} */ r) => r.includes('bytes='));
  assert.match(ranged, /bytes=1\d{6}-$/);
}, { quiet: true, server: { override: (/** @type {any} */ req, /** @type {any} */ res) => {
  if (req.method !== 'GET' || !req.url.endsWith('fr-en.gguf')) return false;
  res.writeHead(200, { 'content-length': good.length });
  res.write(good.subarray(0, 1_500_000));
  setTimeout(() => res.destroy(), 300);
  return true;
} } });

pageTest('page says that there is no room for a model, and can use it without keeping it', async (page, server, context) => {
  await modelReady(page);
  const cdp = await context.newCDPSession(page);
  await cdp.send('Storage.overrideQuotaForOrigin', { origin: new URL(server.url).origin, quotaSize: 6_000_000 });
  await page.click('#tab-chat');
  await page.click('button[aria-label="Download SmolLM2 135M Instruct"]');
  await page.waitForSelector('#chat-load .notice');
  assert.match(await page.textContent('#chat-load .notice p'), /needs 5\.0 MB of storage and the browser has [\d.]+ [kM]B left|storage is full after [\d.]+ [kM]B/);
  await page.click('button:has-text("Use without keeping it")');
  await inUse(page, 'SmolLM2');
});

const DENIED = () => { /* as in a private window, or with cookies turned off */
  const denied = () => { throw new DOMException('denied', 'SecurityError'); };
  StorageManager.prototype.getDirectory = async () => denied();
  ServiceWorkerContainer.prototype.getRegistration = async () => denied();
  ServiceWorkerContainer.prototype.register = async () => denied();
  for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name, { get: denied });
};
pageTest('page works where the browser keeps nothing', async (page) => {
  await modelReady(page);
  await page.fill('#source', 'Je suis étudiant');
  await page.click('#translate-run');
  await done(page);
  assert.equal(await output(page), "I'm a student");
  assert.equal(await page.textContent('#badge'), '', 'no promise that it cannot keep');
  await openChat(page);
}, { init: DENIED });

/** @param {any} page @param {string} name @param {Buffer} buffer */
async function drop(page, name, buffer) {
  const data = await page.evaluateHandle((/** @type {string[]} */ [n, b64]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(atob(b64), (c) => c.charCodeAt(0))], n));
    return transfer;
  }, [name, buffer.toString('base64')]);
  await page.dispatchEvent('body', 'drop', { dataTransfer: data });
}

pageTest('page takes a dropped model, and offers the other tab to one that belongs there', async (page) => {
  await modelReady(page);
  await drop(page, 'talker.gguf', mockModel({ ...CHATTER, info: { ...CHATTER.info, name: 'talker' } }));
  await page.waitForSelector('.notice:has-text("talker is made for chat, not for translation.")');
  assert.equal(await page.textContent('#model'), 'French ↔ English', 'the translation model stays');
  await page.click('button:has-text("Use it in Chat")');
  await inUse(page, 'talker');
  assert.equal(new URL(page.url()).hash, '#chat');
  await drop(page, 'fr-en-2.gguf', mockModel(TRANSLATOR));
  await page.waitForSelector('.notice:has-text("fr-en-2 is made for translation, not for chat.")');
});

pageTest('page refuses a picked file that is no model or empty, in one sentence', async (page) => {
  await modelReady(page);
  await page.click('#model');
  await page.setInputFiles('#models-file', { name: 'notes.gguf', mimeType: '', buffer: Buffer.from('some notes') });
  await page.waitForSelector('.notice:has-text("notes: This file is not a GGUF model")');
  await page.click('button:has-text("Choose another model")');
  await page.setInputFiles('#models-file', { name: 'void.gguf', mimeType: '', buffer: Buffer.alloc(0) });
  await page.waitForSelector('.notice:has-text("void: it is an empty file.")');
  await page.fill('#source', 'Je suis étudiant');
  await page.click('#translate-run');
  await done(page);
});

const failing = mockModel({ ...TRANSLATOR, fail: { code: 'LQ_E_NOMEM', message: 'This text needs 300 MB of memory and 120 MB are free.' } }, 4000);
pageTest('page keeps the text when the engine fails, and Retry goes through', async (page) => {
  await page.fill('#source', 'Je suis étudiant. Oui.');
  await page.click('#translate-run');
  await page.waitForSelector('#translate-problem .notice:has-text("needs 300 MB of memory")');
  assert.equal(await page.inputValue('#source'), 'Je suis étudiant. Oui.');
  await page.click('#translate-problem button:has-text("Retry")');
  await done(page);
  await page.waitForSelector('#translate-status:has-text("Done")');
}, { server: { models: { 'fr-en.gguf': failing }, manifest: { models: [] } } });

pageTest('page moves between tabs with the arrow keys and by address', async (page, server) => {
  await modelReady(page);
  await page.focus('#tab-translate');
  await page.keyboard.press('ArrowRight');
  await page.waitForSelector('#panel-chat:not([hidden])');
  assert.equal(await page.getAttribute('#tab-chat', 'aria-selected'), 'true');
  await page.goto(`${server.url}#translate`);
  await page.waitForSelector('#panel-translate:not([hidden])');
});

test('service worker keeps every file of the page', async () => {
  const text = await readFile(join(ROOT, 'web/sw.mjs'), 'utf8');
  const kept = new Set([...text.matchAll(/'([\w.\-/]+\.\w+)'/g)].map((m) => m[1]));
  const files = (await readdir(join(ROOT, 'web'))).filter((f) => /\.(mjs|css|svg|wasm|webmanifest)$/.test(f));
  assert.deepEqual(files.filter((f) => !kept.has(f) && !/^(sw\.mjs|serve\.mjs|bench.*)$/.test(f)), []);
});
