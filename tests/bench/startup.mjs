// @ts-check
/* From opening the real page to its first translated word, in a browser that has been there before: the page's files and the model are
 * on the device, the wasm module is compiled anew. Times come from the page itself, counted from the start of its navigation. */

import { createServer, listen } from '../../web/serve.mjs';
import { openBrowser } from './browser.mjs';

/** @typedef {{paintMs: number, readyMs: number, wordMs: number}} Startup */

/** Runs in the page: types a sentence and asks for it as soon as the page takes it, and notes what happens when. */
function pageScript() {
  const seen = { readyMs: 0, wordMs: 0 };
  Object.assign(window, { startup: seen });
  let asked = false;
  localStorage.clear(); /* a translation kept from the last visit would count as a word */
  const look = () => {
    if (!seen.readyMs && document.getElementById('facts')?.textContent) seen.readyMs = performance.now();
    if (asked && !seen.wordMs && document.querySelector('#target > span:not(.placeholder)')?.textContent?.trim()) seen.wordMs = performance.now();
  };
  const ask = () => {
    const source = /** @type {HTMLTextAreaElement | null} */ (document.getElementById('source'));
    if (source && document.querySelector('#from option') && !asked) {
      source.value = 'Je suis étudiant';
      source.dispatchEvent(new InputEvent('input', { bubbles: true }));
      document.getElementById('translate-run')?.click();
      asked = document.getElementById('translate-run')?.textContent?.trim() === 'Stop';
    }
    if (!asked) setTimeout(ask, 4);
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });
  ask();
}

/** @param {any} context @param {string} url @returns {Promise<Startup>} */
async function visit(context, url) {
  const page = await context.newPage();
  await page.addInitScript(pageScript);
  await page.goto(url);
  await page.waitForFunction(() => /** @type {any} */ (window).startup.wordMs > 0);
  await page.waitForFunction(() => /student/.test(document.getElementById('target')?.textContent ?? ''));
  const times = await page.evaluate(() => ({
    .../** @type {any} */ (window).startup,
    paintMs: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN,
  }));
  await page.close();
  return times;
}

/**
 * A fresh profile visits once with nothing there (cold), then again and again (warm).
 * @param {number} rounds
 * @returns {Promise<{cold: Startup, warm: Startup[], peakMb: number | null}>}
 */
export async function startups(rounds) {
  const server = createServer();
  const url = `http://127.0.0.1:${await listen(server, 0, '127.0.0.1')}/`;
  const browser = await openBrowser();
  try {
    const cold = await visit(browser.context, url);
    const warm = [];
    for (let i = 0; i < Math.max(5, rounds); i++) warm.push(await visit(browser.context, url));
    return { cold, warm, peakMb: (await browser.meter()).peakMb };
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
  }
}
