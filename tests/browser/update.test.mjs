// @ts-check
/* New versions of the page: none may break a page that is open, or one that is opened without a network. */

import assert from 'node:assert/strict';
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, mockModel, mockServer, realServer, ROOT, sha256, TRANSLATOR } from './harness.mjs';

/** @type {any} */
let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

/**
 * @param {string} name
 * @param {(at: {page: any, folder: string, server: any, context: any, deploy: (mark: string) => void}) => Promise<void>} body
 */
function updateTest(name, body) {
  test(name, { timeout: 60_000 }, async (t) => {
    if (!browser) return t.skip('no Chromium or no playwright-core on this machine');
    const folder = mkdtempSync(join(tmpdir(), 'page-'));
    cpSync(join(ROOT, 'web'), folder, { recursive: true });
    cpSync(join(ROOT, 'tests/browser/mock-engine.mjs'), join(folder, 'engine.mjs'));
    const models = mkdtempSync(join(tmpdir(), 'models-'));
    writeFileSync(join(models, 'fr-en.gguf'), mockModel(TRANSLATOR));
    const server = await realServer({ web: folder, models });
    const context = await browser.newContext();
    context.setDefaultTimeout(8000);
    const deploy = (/** @type {string} */ mark) => { /* a version shows in the page, in its script and in what a worker runs */
      writeFileSync(join(folder, 'index.html'), readFileSync(join(folder, 'index.html'), 'utf8').replace(/data-version="[^"]*"|<html/, (m) => (m === '<html' ? `<html data-version="${mark}"` : `data-version="${mark}"`)));
      appendFileSync(join(folder, 'app.mjs'), `\ndocument.documentElement.dataset.script = '${mark}';\n`);
      writeFileSync(join(folder, 'worker.mjs'), `import('./wasm.mjs').then((m) => postMessage('${mark} ' + m.version));`);
      writeFileSync(join(folder, 'wasm.mjs'), `export const version = '${mark}';`);
    };
    deploy('one');
    try {
      const page = await context.newPage();
      await page.goto(server.url);
      await page.waitForSelector('#badge:has-text("Works offline")');
      await body({ page, folder, server, context, deploy });
    } finally {
      await context.close();
      await server.close();
      for (const f of [folder, models]) rmSync(f, { recursive: true });
    }
  });
}

/** The version of a page's document, of its script, and of a worker that it starts now. @param {any} page */
const versions = (page) => page.evaluate(async () => {
  const worker = new Worker('worker.mjs', { type: 'module' });
  const said = await new Promise((done) => { worker.onmessage = (e) => done(e.data); worker.onerror = () => done('failed'); });
  const { version, script } = document.documentElement.dataset;
  return `${version} ${script} ${said}`;
});

/** @param {any} page */
const reload = async (page) => { await page.reload(); await page.waitForSelector('html[data-script]'); };

updateTest('a new version shows at the next opening; a page that is open keeps its own, workers too', async ({ page, server, context, deploy }) => {
  assert.equal(await versions(page), 'one one one one');
  await reload(page);
  assert.equal(await versions(page), 'one one one one');
  deploy('two');
  const second = await context.newPage();
  await second.goto(server.url);
  await second.waitForSelector('html[data-script]');
  assert.equal(await versions(second), 'two two two two');
  assert.equal(await versions(page), 'one one one one', 'an old page got a new worker');
  await server.close();
  assert.equal(await versions(page), 'one one one one', 'an old page lost its version with the network');
  await reload(page);
  assert.equal(await versions(page), 'two two two two');
});

test('a new version is found on a host that sends no validators', { timeout: 40_000 }, async (t) => {
  if (!browser) return t.skip('no Chromium or no playwright-core on this machine');
  const server = await mockServer();
  const context = await browser.newContext();
  context.setDefaultTimeout(8000);
  try {
    const page = await context.newPage();
    await page.goto(server.url);
    await page.waitForSelector('#badge:has-text("Works offline")');
    const names = () => page.evaluate(async () => (await caches.keys()).filter((k) => k.startsWith('loquat-page-')).join());
    const first = await names();
    await page.reload();
    await page.waitForSelector('#badge:has-text("Works offline")');
    assert.equal(await names(), first, 'the same version is not kept twice');
    server.state.override = (/** @type {any} */ req, /** @type {any} */ res) => req.url === '/app.mjs'
      && (res.writeHead(200, { 'content-type': 'text/javascript' }).end(readFileSync(join(ROOT, 'web/app.mjs'), 'utf8').replace('`Loquat: ', '`Loquat; ')), true);
    await page.reload();
    await page.waitForFunction(() => document.title.startsWith('Loquat; '));
    await page.waitForSelector('#badge:has-text("Works offline")');
  } finally {
    await context.close();
    await server.close();
  }
});

/** What a host may do while its files are looked at, in place of giving app.mjs as it is. @type {Record<string, (res: any, nth: number) => void>} */
const UNSTEADY = {
  'changes its files meanwhile': (res, nth) => res.writeHead(200, { 'content-type': 'text/javascript' }).end(`/* ${nth} */`),
  'sends elsewhere': (res) => res.writeHead(302, { location: '/ui.mjs' }).end(),
};
for (const [name, answer] of Object.entries(UNSTEADY)) {
  test(`the version that is here stays while the host ${name}`, { timeout: 40_000 }, async (t) => {
    if (!browser) return t.skip('no Chromium or no playwright-core on this machine');
    const server = await mockServer();
    const context = await browser.newContext();
    context.setDefaultTimeout(8000);
    try {
      const page = await context.newPage();
      await page.goto(server.url);
      await page.waitForSelector('#badge:has-text("Works offline")');
      const names = () => page.evaluate(async () => (await caches.keys()).filter((k) => k.startsWith('loquat-page-')).join());
      const first = await names();
      let nth = 0;
      server.state.override = (/** @type {any} */ req, /** @type {any} */ res) => req.url === '/app.mjs' && (answer(res, ++nth), true);
      await page.reload();
      await page.waitForSelector('#badge:has-text("Works offline")');
      assert.ok(nth > 0, 'the host was looked at');
      await page.waitForTimeout(500);
      assert.equal(await names(), first);
    } finally {
      await context.close();
      await server.close();
    }
  });
}

updateTest('a version that is not whole is not taken', async ({ page, folder, server, deploy }) => {
  deploy('two');
  rmSync(join(folder, 'chat.mjs'));
  await reload(page);
  assert.equal(await versions(page), 'one one one one');
  await server.close();
  await reload(page);
  await page.waitForSelector('#badge[data-state="offline"]');
  assert.equal(await versions(page), 'one one one one');
});

updateTest('old versions are removed once no page uses them', async ({ page, deploy }) => {
  const names = () => page.evaluate(async () => (await caches.keys()).filter((k) => k.startsWith('loquat-page-')));
  const [first] = await names();
  for (const mark of ['two', 'three']) {
    deploy(mark);
    await reload(page);
  }
  await page.evaluate(async () => { /* as if the closed pages had closed a while ago */
    const cache = await caches.open('loquat-state');
    for (const { url } of await cache.keys()) {
      const text = await (await cache.match(url))?.text() ?? '';
      if (url.includes('/client/')) await cache.put(url, new Response(`${text.split(' ')[0]} 0`));
    }
  });
  await reload(page);
  await page.waitForFunction(async () => (await caches.keys()).filter((k) => k.startsWith('loquat-page-')).length === 1);
  assert.notEqual((await names())[0], first);
  assert.equal(await versions(page), 'three three three three');
});

test('a new version of a model that does not arrive leaves the one that is here', { timeout: 40_000 }, async (t) => {
  if (!browser) return t.skip('no Chromium or no playwright-core on this machine');
  const [old, next] = ['old', 'new'].map((name) => mockModel({ ...TRANSLATOR, info: { ...TRANSLATOR.info, threads: name === 'old' ? 1 : 3 } }, 100_000));
  const manifest = { models: [{ file: 'fr-en.gguf', name: 'French ↔ English', task: 'translate', languages: ['fr', 'en'], licence: 'MIT', bytes: old.length, sha256: sha256(old) }] };
  const server = await mockServer({ models: { 'fr-en.gguf': old }, manifest });
  const context = await browser.newContext();
  context.setDefaultTimeout(8000);
  try {
    const page = await context.newPage();
    await page.goto(server.url);
    await page.waitForSelector('#facts:has-text("1 thread")');
    await page.waitForSelector('#badge:has-text("Works offline")');
    Object.assign(manifest.models[0], { bytes: next.length, sha256: sha256(next) });
    server.models['fr-en.gguf'] = /** @type {any} */ (undefined);
    await page.reload();
    await page.waitForSelector('#facts:has-text("1 thread")');
    assert.equal(await page.locator('#translate-load .notice').count(), 0);
    server.models['fr-en.gguf'] = next;
    await page.reload();
    await page.waitForSelector('#facts:has-text("3 threads")');
    await page.waitForFunction(async () => { /* and the old bytes are gone */
      const names = [];
      const dir = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
      for await (const name of /** @type {any} */ (dir).keys()) names.push(name);
      return names.length === 2;
    });
  } finally {
    await context.close();
    await server.close();
  }
});
