// @ts-check
/* How the page looks in every state: pictures in build/screenshots, and what can be measured of it. A mock engine answers. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { audit, mockModel, SHOTS, TRANSLATOR } from './harness.mjs';
import { done, modelReady, openChat, pageTest, replies } from './steps.mjs';

const good = mockModel(TRANSLATOR, 3_000_000);

for (const colorScheme of ['light', 'dark']) {
  for (const width of [1280, 390]) {
    const context = { colorScheme, viewport: { width, height: width === 390 ? 844 : 800 }, isMobile: width === 390, hasTouch: width === 390 };
    /** @type {any} */
    const gate = {};
    const override = (/** @type {any} */ req, /** @type {any} */ res) => gate.hold?.(req, res) ?? false;
    gate.hold = halfOf('fr-en.gguf', gate);
    pageTest(`page fits ${width} px, ${colorScheme}, in every state`, (page, server) => walk(page, server, gate, `${width}-${colorScheme}`), { context, server: { override } });
  }
}

/** Sends the first half of a model and keeps the rest until gate.open(). @param {string} name @param {any} gate */
function halfOf(name, gate) {
  return (/** @type {any} */ req, /** @type {any} */ res) => {
    if (req.method !== 'GET' || !req.url.endsWith(name)) return false;
    const half = good.length / 2;
    res.writeHead(200, { 'content-length': good.length });
    res.write(good.subarray(0, half));
    gate.open = () => res.end(good.subarray(half));
    return true;
  };
}

/** Checks what holds in every state, and keeps a picture. @param {any} page @param {string} file @param {string} state */
async function look(page, file, state) {
  await page.screenshot({ path: join(SHOTS, `${state}-${file}.png`) });
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${state} scrolls sideways`);
  assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('button, select, textarea, input:not([type=checkbox]), a[role=tab]')]
    .filter((b) => b.getClientRects().length && b.getBoundingClientRect().height < 43.5).map((b) => b.id || b.textContent)), [], `${state}: targets under 44 px`);
  if (!file.startsWith('1280')) await audit(page); /* the same elements as at 390 */
}

/** @param {any} page @param {any} server @param {any} gate @param {string} file */
async function walk(page, server, gate, file) {
  const shot = (/** @type {string} */ state) => look(page, file, state);
  await page.waitForSelector('#translate-load .bytes:has-text("1.5 of 3.0 MB")');
  await shot('translate-first-visit');
  await page.fill('#source', 'Je suis étudiant');
  await page.click('#translate-run');
  await page.waitForSelector('#translate-status:has-text("Starts when the model is here")');
  await shot('translate-waiting');
  gate.hold = undefined;
  gate.open();
  await page.waitForSelector('#copy:not([hidden])');
  await page.click('#source-clear');
  await page.waitForSelector('#badge:has-text("Works offline")');
  await shot('translate-empty');
  await page.fill('#source', 'Je suis étudiant. Il fait beau aujourd’hui et nous allons à la plage. Et voici la dernière des trois.');
  await page.click('#translate-run');
  await page.waitForSelector('#translate-status:has-text("Sentence 2 of 3")');
  await shot('translate-working');
  await page.waitForSelector('#copy:not([hidden])');
  await shot('translate-done');
  await page.fill('#source', 'Bonjour. '.repeat(30_000));
  await page.click('#translate-run');
  await page.waitForSelector('#translate-problem .notice');
  await shot('translate-too-long');
  await page.click('#model');
  await page.setInputFiles('#models-file', { name: 'notes.gguf', mimeType: '', buffer: Buffer.from('some notes') });
  await page.fill('#source', 'Je suis étudiant');
  await page.waitForSelector('#translate-load .notice');
  await shot('translate-failed');
  await page.click('#tab-chat');
  await page.waitForSelector('.models li');
  await shot('chat-empty');
  await page.click('#chat-more');
  await page.waitForSelector('#models-list li');
  await shot('chat-models');
  await page.click('#models-close');
  await page.click('button[aria-label="Download SmolLM2 135M Instruct"]');
  await page.waitForSelector('#model:has-text("SmolLM2")');
  await shot('chat-ready');
  await page.fill('#draft', 'What is a loquat?');
  await page.click('#send');
  await page.waitForSelector('.reading');
  await shot('chat-reading');
  await page.waitForFunction(() => (document.querySelector('.growing')?.textContent ?? '').length > 20);
  await shot('chat-working');
  await replies(page, 1);
  await page.fill('#draft', 'And a medlar? '.repeat(9));
  await page.click('#send');
  await replies(page, 2);
  await page.fill('#draft', 'One line\nand another\nand a third');
  await shot('chat-done');
  await page.click('#settings-toggle');
  await page.evaluate(() => scrollTo(0, 0));
  await shot('chat-settings');
  await page.focus('#system');
  for (let i = 0; i < 8; i++) {
    await page.keyboard.press('Tab');
    const [id, below] = await page.evaluate(() => { /* WCAG 2.2, 2.4.11 */
      const focus = /** @type {Element} */ (document.activeElement);
      return [focus.id, focus.getBoundingClientRect().bottom - /** @type {Element} */ (document.querySelector('.dock')).getBoundingClientRect().top];
    });
    assert.ok(id.startsWith('set-') && below <= 0, `${id} is ${below} px behind the composer`);
  }
  await page.click('#settings-toggle');
  await page.fill('#draft', 'Please fail.');
  await page.click('#send');
  await page.waitForSelector('#chat-problem .notice');
  await shot('chat-failed');
  await server.close();
  await page.goto(`${server.url}#translate`);
  await page.reload();
  await page.waitForSelector('#badge[data-state="offline"]');
  await shot('translate-offline');
}

pageTest('page shows its sentence to an old browser', async (page) => {
  await page.waitForSelector('.notice');
  await look(page, '390-light', 'unsupported');
}, { context: { viewport: { width: 390, height: 844 } }, init: () => { WebAssembly.validate = () => false; } });

/* 1280 px at 200 % and at 400 % are 640 and 320 px of CSS. */
for (const [width, height] of [[640, 400], [320, 256]]) {
  pageTest(`page works at ${1280 / width * 100} % zoom`, async (page) => {
    await modelReady(page);
    await page.fill('#source', 'Je suis étudiant. Anticonstitutionnellementanticonstitutionnellementanticonstitutionnellement.');
    await page.click('#translate-run');
    await done(page);
    await look(page, `${width}`, 'zoom-translate');
    await openChat(page);
    await page.fill('#draft', 'https://example.org/a-very-long-address-without-any-place-to-break-it-anywhere-at-all-in-it');
    await page.click('#send');
    await replies(page, 1);
    await look(page, `${width}`, 'zoom-chat');
    await page.click('#model');
    await page.waitForSelector('#models-list li');
    await look(page, `${width}`, 'zoom-models');
  }, { context: { viewport: { width, height }, deviceScaleFactor: 2 } });
}

pageTest('page can be read with forced colours, and nothing moves when motion is unwanted', async (page) => {
  await modelReady(page);
  await page.fill('#source', 'Une phrase. '.repeat(40));
  await page.click('#translate-run');
  await page.waitForSelector('#target .tail');
  assert.equal(await page.evaluate(() => getComputedStyle(/** @type {any} */ (document.querySelector('#target .tail')), '::after').animationName), 'none');
  await page.keyboard.press('Tab');
  assert.ok(await page.evaluate(() => [document.activeElement, document.activeElement?.closest('.pane')].some((n) => n && getComputedStyle(n).outlineStyle !== 'none')), 'the focus is not seen');
  await page.screenshot({ path: join(SHOTS, 'translate-forced-colors.png') });
  const moving = await page.evaluate(() => document.getAnimations().length);
  assert.equal(moving, 0);
}, { context: { forcedColors: 'active', reducedMotion: 'reduce' } });

for (const colorScheme of ['light', 'dark']) {
  pageTest(`page has the contrast that it promises, ${colorScheme}`, async (page) => {
    await page.fill('#source', 'Je suis étudiant');
    await page.click('#translate-run');
    await done(page);
    await openChat(page);
    await page.fill('#draft', 'Hello');
    await page.click('#send');
    await replies(page, 1);
    const ratios = await page.evaluate(() => {
      for (const p of document.querySelectorAll('[role=tabpanel]')) /** @type {any} */ (p).hidden = false;
      const channels = (/** @type {string} */ c) => (c.match(/[\d.]+/g) ?? []).map(Number);
      const luminance = (/** @type {number[]} */ [r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
      const ground = (/** @type {Element | null} */ node) => {
        for (let n = node; n; n = n.parentElement) {
          const c = channels(getComputedStyle(n).backgroundColor);
          if (c.length === 3 || c[3] > 0) return c;
        }
        return [255, 255, 255];
      };
      const ratio = (/** @type {string} */ selector) => {
        const node = /** @type {Element} */ (document.querySelector(selector));
        const [a, b] = [luminance(channels(getComputedStyle(node).color)), luminance(ground(node))].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05);
      };
      const all = ['#target', '#source', '.message.assistant .body', '.message.user .body', '.promise', '.badge', '#tab-translate', '#tab-chat', '.hint', '.primary', '.quiet', '#model', '#facts'];
      return Object.fromEntries(all.map((s) => [s, ratio(s)]));
    });
    for (const [name, ratio] of Object.entries(ratios)) {
      const least = /^#target|^#source|body$/.test(name) ? 7 : 4.5;
      assert.ok(ratio >= least, `${name}: ${ratio.toFixed(2)} where ${least} is promised`);
    }
  }, { context: { colorScheme } });
}
