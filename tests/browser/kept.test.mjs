// @ts-check
/* Nothing that a person typed is lost: not by a reload, a swap, a second tab, a wrong setting, a stop. With the mock engine. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { optionsOf } from '../../web/settings.mjs';
import { mockModel, TRANSLATOR } from './harness.mjs';
import { done, modelReady, openChat, output, pageTest, replies } from './steps.mjs';

const SLOW = { server: { models: { 'fr-en.gguf': mockModel({ ...TRANSLATOR, delay: 80 }) }, manifest: { models: [] } } };
const LONG = 'un deux trois quatre cinq. '.repeat(40);
const source = (/** @type {any} */ page) => page.inputValue('#source');
const growing = (/** @type {any} */ page) => page.waitForFunction(() => document.querySelector('#target .tail')?.parentElement?.textContent);
const languages = async (/** @type {any} */ page) => `${await page.inputValue('#from')} ${await page.inputValue('#to')}`;

pageTest('page keeps the text, and what there is of its translation, when it is reloaded in the middle', async (page) => {
  await page.fill('#source', 'Je suis étudiant');
  await page.click('#translate-run');
  await done(page);
  await page.fill('#source', LONG);
  await page.click('#translate-run');
  await growing(page);
  await page.reload();
  await modelReady(page);
  assert.equal(await source(page), LONG);
  assert.match(await output(page), /^UN /, 'not the translation of an earlier text');
  await page.click('#swap');
  assert.equal(await source(page), LONG, 'a part is no translation to go on from');
}, SLOW);

pageTest('page swaps the texts only where each is the other\'s translation', async (page) => {
  await page.fill('#source', 'Je suis étudiant');
  await page.click('#translate-run');
  await done(page);
  await page.click('#swap');
  assert.equal(await source(page), "I'm a student");
  await page.click('#swap');
  assert.equal(await source(page), 'Je suis étudiant');
  await page.fill('#source', 'Je suis étudiant, et plus');
  await page.click('#swap');
  assert.deepEqual([await source(page), await languages(page)], ['Je suis étudiant, et plus', 'en fr']);
  await page.fill('#source', LONG);
  await page.click('#translate-run');
  await growing(page);
  await page.click('#swap');
  assert.deepEqual([await source(page), await languages(page)], [LONG, 'fr en']);
  assert.equal(await page.textContent('#translate-run'), 'Translate');
}, SLOW);

pageTest('page says when the text was changed while it was translated', async (page) => {
  await modelReady(page);
  await page.fill('#source', 'un deux trois');
  await page.click('#translate-run');
  await growing(page);
  await page.fill('#source', 'un deux trois quatre');
  await page.waitForSelector('#translate-status:has-text("The text has changed since")');
  assert.equal(await output(page), 'un deux trois');
}, SLOW);

pageTest('page clears the text and brings it back', async (page) => {
  await page.fill('#source', 'Je suis étudiant');
  await page.click('#translate-run');
  await done(page);
  await page.click('#source-clear');
  assert.deepEqual([await source(page), await output(page)], ['', 'The translation appears here.']);
  await page.click('#translate-problem button:has-text("Undo")');
  assert.deepEqual([await source(page), await output(page)], ['Je suis étudiant', "I'm a student"]);
  await page.click('#swap');
  assert.equal(await source(page), "I'm a student");
});

pageTest('page asks again for text when it was removed while the model came', async (page, server) => {
  await page.waitForSelector('#translate-load .strip');
  await page.fill('#source', 'Je suis étudiant');
  await page.click('#translate-run');
  await page.fill('#source', '');
  server.state.open();
  await page.waitForSelector('#translate-status:has-text("Type or paste some text first.")');
  assert.equal(await page.locator('#translate-problem .notice').count(), 0);
}, { server: { override: function hold(/** @type {any} */ req, /** @type {any} */ res) { /* the model waits for open() */
  if (req.method !== 'GET' || !req.url.endsWith('fr-en.gguf')) return false;
  const bytes = mockModel(TRANSLATOR, 3_000_000);
  res.writeHead(200, { 'content-length': bytes.length });
  res.write(bytes.subarray(0, 1_500_000));
  /** @type {any} */ (this).open = () => res.end(bytes.subarray(1_500_000));
  return true;
} } });

pageTest('page gives each of two tabs its own text back', async (page, server, context) => {
  await page.fill('#source', 'le premier');
  const second = await context.newPage();
  await page.waitForTimeout(300);
  await second.goto(server.url);
  assert.equal(await source(second), 'le premier', 'a new tab begins with what was last typed');
  await second.fill('#source', 'le second');
  await second.waitForTimeout(300);
  await page.reload();
  await second.reload();
  assert.deepEqual([await source(page), await source(second)], ['le premier', 'le second']);
});

pageTest('page opens whatever another program left in its storage', async (page) => {
  await page.evaluate(() => {
    sessionStorage.clear();
    localStorage.setItem('loquat.chat', '{"messages":"none","settings":null,"draft":7,"system":"Be kind."}');
    localStorage.setItem('loquat.translate', '[1,');
    localStorage.setItem('loquat.models', 'null');
  });
  await page.reload();
  await modelReady(page);
  await openChat(page);
  assert.deepEqual([await page.inputValue('#draft'), await page.inputValue('#system'), await page.inputValue('#set-top_k')], ['', 'Be kind.', '50']);
});

pageTest('page answers a message later that was stopped or left before its answer began', async (page) => {
  await openChat(page);
  await page.fill('#draft', 'What is a loquat?');
  await page.click('#send');
  await page.waitForSelector('.reading');
  await page.waitForTimeout(400);
  await page.keyboard.press('Escape');
  await page.click('button:has-text("Answer this")');
  await page.waitForSelector('.reading');
  await page.reload();
  await page.click('button:has-text("Answer this")');
  await replies(page, 1);
  assert.equal(await page.locator('.message').count(), 2);
  assert.equal(await page.locator('.unanswered').count(), 0);
  await page.click('.again');
  await page.waitForFunction(() => (document.querySelector('.growing')?.textContent ?? '').length > 8);
  await page.reload();
  await page.waitForSelector('.message.assistant .hint:has-text("Stopped.")');
  assert.match(await page.textContent('.message.assistant .body'), /^Answer 1/, 'what there was of the answer');
});

pageTest('page refuses a setting out of its range, keeps the last good one, and sends the message all the same', async (page) => {
  await openChat(page);
  await page.click('#settings-toggle');
  for (const [name, typed, says] of [['top_p', '7', '7 is not taken: top_p is a number from 0.01 to 1. It stays 0.9.'],
    ['max_new_tokens', '-3', '-3 is not taken: max_new_tokens is a whole number from 1 to 8192. It stays 512.'],
    ['seed', '1.5', '1.5 is not taken: seed is a whole number from 0 to 4294967295. It stays empty.']]) {
    await page.fill(`#set-${name}`, typed);
    await page.keyboard.press('Tab');
    assert.equal(await page.textContent(`#set-${name}-help`), says);
  }
  await page.fill('#set-top_p', '0.5');
  await page.keyboard.press('Tab');
  assert.match(await page.textContent('#set-top_p-help'), /^Chooses among/);
  await page.fill('#draft', 'Hello');
  await page.fill('#set-temperature', '99');
  await page.click('#send');
  await replies(page, 1);
  assert.equal(await page.inputValue('#set-temperature'), '0.2');
  await page.click('#settings-reset');
  assert.equal(await page.inputValue('#set-top_p'), '0.9');
});

test('an empty seed is a new one each time, a chosen one stays', () => {
  const seeds = new Set(Array.from({ length: 20 }, () => /** @type {any} */ (optionsOf({})).seed));
  assert.equal(seeds.size, 20);
  assert.ok([...seeds].every((s) => Number.isInteger(s) && s >= 0 && s < 2 ** 32));
  assert.equal(/** @type {any} */ (optionsOf({ seed: 7 })).seed, 7);
  assert.equal('seed' in optionsOf({ do_sample: false }), false);
});
