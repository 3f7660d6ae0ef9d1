// @ts-check
/* The ways in which a person may act: two clicks for one, an input method, the browser's own buttons, two tabs at once. Mock engine. */

import assert from 'node:assert/strict';
import { CHATTER, mockModel, sha256, TRANSLATOR } from './harness.mjs';
import { inUse, modelReady, openChat, done, pageTest, replies } from './steps.mjs';

const only = (/** @type {any} */ spec) => ({ server: { models: { 'fr-en.gguf': mockModel(spec) }, manifest: { models: [] } } });

pageTest('page takes a double click for one', async (page) => {
  await modelReady(page);
  await page.fill('#source', 'un deux trois quatre cinq six sept huit neuf dix');
  await page.dblclick('#translate-run');
  await done(page);
  assert.match(await page.textContent('#target'), /dix$/);
}, only({ ...TRANSLATOR, delay: 60 }));

pageTest('page sends with Enter, not with Shift+Enter, nor with the Enter of an input method', async (page) => {
  await openChat(page);
  await page.focus('#draft');
  await page.keyboard.type('one');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('two');
  await page.evaluate(() => document.querySelector('#draft')?.dispatchEvent(
    new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true })));
  assert.equal(await page.inputValue('#draft'), 'one\ntwo');
  assert.equal(await page.locator('.message').count(), 0);
  await page.keyboard.press('Enter');
  await replies(page, 1);
  assert.equal(await page.textContent('.message.user .body'), 'one\ntwo');
});

pageTest('page sets language and direction of both texts, and reads the translation out politely', async (page) => {
  const both = () => page.evaluate(() => ['source', 'target'].map((id) => /** @type {any} */ (document.getElementById(id)))
    .map((n) => `${n.lang} ${n.dir}`));
  await modelReady(page);
  await page.selectOption('#to', 'ar');
  await page.fill('#source', 'Bonjour');
  await page.click('#translate-run');
  await done(page);
  assert.deepEqual(await both(), ['fr ltr', 'ar rtl']);
  assert.equal(await page.getAttribute('#target', 'aria-live'), 'polite');
  await page.click('#swap');
  assert.deepEqual(await both(), ['ar rtl', 'fr ltr']);
}, only({ ...TRANSLATOR, info: { ...TRANSLATOR.info, languages: ['fr', 'en', 'ar'] } }));

pageTest('page says when the browser does not let it copy', async (page) => {
  await page.fill('#source', 'Je suis étudiant');
  await page.click('#translate-run');
  await done(page);
  await page.evaluate(() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); });
  await page.click('#copy');
  await page.waitForSelector('#copy:has-text("Not allowed to copy")');
  await page.waitForFunction(() => document.querySelector('#copy')?.textContent === 'Copy');
});

pageTest('page forgets the oldest messages of a conversation that has grown too long, when asked to', async (page) => {
  await openChat(page);
  await page.fill('#draft', 'Hello');
  await page.click('#send');
  await replies(page, 1);
  await page.fill('#draft', 'Please fail.');
  await page.click('#send');
  await page.click('#chat-problem button:has-text("Forget the oldest messages")');
  await page.waitForFunction(() => document.querySelectorAll('.message').length === 1);
  assert.equal(await page.textContent('.message .body'), 'Please fail.');
});

pageTest('page refuses a model that no page has memory for, before it is fetched', async (page, server) => {
  await page.click('#tab-chat');
  await page.click('button[aria-label="Download Giant"]');
  await page.waitForSelector('#chat-load .notice:has-text("Giant: it needs 9.00 GB of memory and a page can have 4.29 GB")');
  assert.deepEqual(server.requests.filter((/** @type {string} */ r) => /^GET .*giant/.test(r)), []);
}, { server: { models: { 'giant.gguf': mockModel(CHATTER) }, manifest: { models: [
  { file: 'giant.gguf', name: 'Giant', task: 'chat', languages: ['en'], licence: 'MIT', memory_bytes: 9e9 }] } } });

const chatter = mockModel(CHATTER, 3_000_000);
pageTest('page fetches a model once that two tabs ask for at the same time', async (page, server, context) => {
  const second = await context.newPage();
  await second.goto(server.url);
  for (const tab of [page, second]) {
    await tab.click('#tab-chat');
    await tab.waitForSelector('button[aria-label="Download Talker"]');
  }
  const click = () => /** @type {any} */ (document.querySelector('button[aria-label="Download Talker"]')).click();
  await Promise.all([page, second].map((tab) => tab.evaluate(click))); /* at once, also in the tab that is behind */
  await second.waitForSelector('#chat-load .strip', { state: 'attached' });
  await Promise.all([page, second].map((tab) => inUse(tab, 'Talker')));
  assert.equal(server.requests.filter((/** @type {string} */ r) => r.startsWith('GET /models/talker.gguf')).length, 1);
}, { server: { models: { 'fr-en.gguf': mockModel(TRANSLATOR), 'talker.gguf': chatter }, manifest: { models: [
  { file: 'talker.gguf', name: 'Talker', task: 'chat', languages: ['en'], licence: 'MIT', bytes: chatter.length, sha256: sha256(chatter) }] },
  override: async (/** @type {any} */ req) => { /* slow enough that the second asks meanwhile */
    if (req.method === 'GET' && req.url.includes('talker')) await new Promise((go) => { setTimeout(go, 1500); });
    return false;
  } } });

pageTest('page follows the Back and Forward buttons of the browser, and answers go on meanwhile', async (page) => {
  await openChat(page);
  await page.fill('#draft', 'Hello');
  await page.click('#send');
  await page.waitForSelector('.reading');
  await page.goBack();
  await page.waitForSelector('#panel-translate:not([hidden])');
  await page.goForward();
  await page.waitForSelector('#panel-chat:not([hidden])');
  await replies(page, 1);
  assert.equal(await page.title(), 'Loquat: Chat');
});

const damaged = mockModel({ ...TRANSLATOR, failLoad: { code: 'LQ_E_FORMAT', message: 'truncated: the file ends in the middle of a tensor' } });
pageTest('page fetches a model again that was kept and cannot be read', async (page, server) => {
  await page.waitForSelector('#translate-load .notice:has-text("The file is not whole; fetch it again.")');
  server.models['fr-en.gguf'] = mockModel(TRANSLATOR);
  await page.click('#translate-load button:has-text("Retry")');
  await modelReady(page);
}, { server: { models: { 'fr-en.gguf': damaged }, manifest: { models: [] } } });
