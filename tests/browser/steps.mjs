// @ts-check
/* The page with a mock engine: one test a page, and the steps that many tests take. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, mockServer, PLAIN, watch } from './harness.mjs';

/** @type {any} */
let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

/**
 * @param {string} name
 * @param {(page: any, server: any, context: any) => Promise<void>} body
 * @param {{server?: any, context?: any, init?: () => void, quiet?: boolean}} [options] quiet: errors on the console are part of the test
 */
export function pageTest(name, body, options = {}) {
  test(name, { timeout: 40_000 }, async (t) => {
    if (!browser) return t.skip('no Chromium or no playwright-core on this machine');
    const server = await mockServer(options.server);
    const context = await browser.newContext({ ...PLAIN, ...options.context });
    context.setDefaultTimeout(8000);
    try {
      const page = await context.newPage();
      if (options.init) await page.addInitScript(options.init);
      const problems = watch(page);
      await page.goto(server.url);
      await body(page, server, context);
      if (!options.quiet) assert.deepEqual(problems, []);
    } finally {
      await context.close();
      await server.close();
    }
  });
}

export const modelReady = (/** @type {any} */ page) => page.waitForSelector('#facts:not(:empty)');
export const inUse = (/** @type {any} */ page, /** @type {string} */ name) => page.waitForSelector(`#model:has-text("${name}")`);
export const done = (/** @type {any} */ page) => page.waitForFunction(() => !document.querySelector('#target .placeholder')
  && document.querySelector('#translate-run .label')?.textContent === 'Translate');
export const replies = (/** @type {any} */ page, /** @type {number} */ n) => page.waitForFunction(
  (/** @type {number} */ k) => document.querySelectorAll('.message.assistant .actions').length >= k, n);
export const output = (/** @type {any} */ page) => page.textContent('#target');

/** @param {any} page @param {string} name */
export async function openChat(page, name = 'SmolLM2 135M Instruct') {
  await page.click('#tab-chat');
  await page.click(`button[aria-label="Download ${name}"]`);
  await inUse(page, name);
}
