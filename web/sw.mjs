// @ts-check
/* Service worker: the page opens without a network, and has the headers that allow threads where the host does not send them.
 * Models are not its business (store.mjs keeps them). Imports nothing: it runs as a classic script everywhere.
 *
 * A snapshot is one whole version of the page in one cache. It is built beside the current one and becomes current in one step,
 * once every file has arrived and a second look has found the same version; a network that fails half-way changes nothing.
 * A page and its workers are answered from the snapshot that they began with, however long they stay open, so an old page never
 * meets a new worker. Opening the page asks the network first, for as long as PATIENCE_MS, whether there is a newer version. */

const PREFIX = 'loquat-page-';
/** './current' names the snapshot that new pages get; './client/ID' the one that an open page or worker has. Later versions of this
 * file find the same layout: they take over while old pages are open. */
const STATE = 'loquat-state';
const PATIENCE_MS = 2000;
const NETWORK = 'network';
const LIST = 'models/manifest.json';

/** Everything the page may need before it has been visited twice. The test compares it with what the folder holds. */
const FILES = [
  './', 'app.mjs', 'chat.mjs', 'download.mjs', 'engine.mjs', 'icon.svg', 'loadstrip.mjs', 'manifest.webmanifest', 'models.mjs',
  'settings.mjs', 'sha256.mjs', 'slot.mjs', 'source.mjs', 'store-worker.mjs', 'store.mjs', 'style.css', 'translate.mjs', 'ui.mjs',
  'wasm.mjs', 'worker.mjs',
];
/** Kept where they are: a browser uses one of the builds, and a host may hold some of them only. */
const BUILDS = [
  'loquat.mjs', 'loquat-mt.mjs', 'loquat-simd.wasm', 'loquat-relaxed.wasm', 'loquat-simd-mt.wasm', 'loquat-relaxed-mt.wasm',
];

const worker = /** @type {any} */ (self);
const home = new URL('./', location.href).href;

worker.addEventListener('install', (/** @type {any} */ event) => {
  event.waitUntil(Promise.all([refresh(), list(new Request(LIST)).catch(() => {})]).then(() => worker.skipWaiting()));
});

worker.addEventListener('activate', (/** @type {any} */ event) => {
  event.waitUntil(takeOver());
});

worker.addEventListener('fetch', (/** @type {any} */ event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || !url.href.startsWith(home)) return;
  if (/\.(gguf|safetensors|bin)$/.test(url.pathname) || request.headers.has('range')) return;
  const path = (url.origin + url.pathname).slice(home.length);
  if (path === LIST) event.respondWith(list(request));
  else if (request.mode === 'navigate') event.respondWith(path === '' || path === 'index.html' ? open(event) : other(event));
  else event.respondWith(part(event));
});

/** The pages that opened before there was a service worker have the files of the first snapshot. */
async function takeOver() {
  const name = await read('./current');
  for (const { id } of await worker.clients.matchAll({ type: 'all', includeUncontrolled: true })) {
    if (name && !await begunWith(id)) await begin(id, name);
  }
  await worker.clients.claim();
}

/** The page itself. @param {any} event */
async function open(event) {
  const current = await read('./current');
  const fresh = refresh();
  event.waitUntil(fresh.catch(() => {}).then(() => alone(sweep)));
  const name = current ? await Promise.race([fresh.catch(() => current), later(PATIENCE_MS, current)]) : await fresh.catch(() => '');
  const kept = name && await (await caches.open(name)).match('./');
  if (!kept) return other(event);
  await begin(event.resultingClientId, name);
  return kept;
}

/** Another page of this folder, which gets its files from the network while there is one. @param {any} event */
async function other(event) {
  await begin(event.resultingClientId, NETWORK);
  return isolated(await fetch(event.request));
}

/** A file that a page or a worker asks for. @param {any} event */
async function part({ request, clientId, resultingClientId }) {
  const name = await begunWith(clientId) || await read('./current');
  if (resultingClientId && name) await begin(resultingClientId, name); /* a worker starts: it belongs to its page */
  const kept = name && await (await caches.open(name === NETWORK ? String(await read('./current')) : name)).match(request, { ignoreSearch: true });
  if (kept && name !== NETWORK) return kept;
  return fetch(new Request(request, { cache: 'no-cache' })).then(isolated).catch((error) => {
    if (kept) return kept;
    throw error;
  });
}

/** The list of models: the newest that can be had, and the page is told when that is the kept one. @param {Request} request */
async function list(request) {
  const cache = await caches.open(STATE);
  const network = fetch(new Request(request, { cache: 'no-cache' })).then(async (response) => {
    if (response.ok && !response.redirected) await cache.put(LIST, response.clone());
    return isolated(response);
  });
  const kept = await cache.match(LIST);
  if (!kept) return network;
  const first = await Promise.race([network.catch(() => null), later(PATIENCE_MS, null)]);
  if (first) return first;
  const headers = new Headers(kept.headers);
  headers.set('x-loquat-from', 'cache');
  return isolated(new Response(kept.body, { headers }));
}

/** @type {Promise<string> | null} */
let refreshing = null;

/** Resolves to the name of the newest complete snapshot; rejects when the network does not have a whole one to give. */
function refresh() {
  refreshing ??= alone(look).finally(() => { refreshing = null; });
  return refreshing;
}

/** One at a time, also while a new version of this worker takes over. @template T @param {() => Promise<T>} job @returns {Promise<T>} */
const alone = (job) => (navigator.locks ? navigator.locks.request('loquat:snapshot', job) : job());

async function look() {
  const current = await read('./current');
  const kept = current ? await caches.open(current) : null;
  const found = await fetchAll();
  if (kept && await same(kept, found)) return current;
  const name = `${PREFIX}${Date.now().toString(36)}`;
  const cache = await caches.open(name);
  try {
    await Promise.all([...found].map(([file, response]) => response && cache.put(file, isolated(response))));
    if (!await same(cache, await fetchAll())) throw new Error('The host was changing its files.');
  } catch (error) {
    await caches.delete(name);
    throw error;
  }
  await write('./current', name);
  return name;
}

/** Every file, or null for a build that is not there. @returns {Promise<Map<string, Response | null>>} */
async function fetchAll() {
  const stop = new AbortController();
  const get = async (/** @type {string} */ file) => {
    const response = await fetch(file, { cache: 'no-cache', signal: stop.signal });
    const html = /html/.test(response.headers.get('content-type') ?? '');
    if (response.ok && !response.redirected && html === (file === './')) return response;
    if (BUILDS.includes(file) && (html || response.status === 404)) return null;
    throw new Error(`The host did not give ${file}.`);
  };
  const files = [...FILES, ...BUILDS];
  try {
    const all = await Promise.all(files.map(get));
    return new Map(files.map((file, i) => [file, all[i]]));
  } catch (error) {
    stop.abort();
    throw error;
  }
}

/** @param {Cache} cache @param {Map<string, Response | null>} found */
async function same(cache, found) {
  const equal = async (/** @type {string} */ file) => {
    const [a, b] = [await cache.match(file), found.get(file)];
    if (!a || !b) return !a && !b;
    const tag = b.headers.get('etag');
    if (tag && !tag.startsWith('W/')) return tag === a.headers.get('etag');
    const [x, y] = [new Uint8Array(await a.arrayBuffer()), new Uint8Array(await b.clone().arrayBuffer())];
    return x.length === y.length && x.every((v, i) => v === y[i]);
  };
  const answers = await Promise.all([...FILES, ...BUILDS].map(equal));
  return answers.every(Boolean);
}

/** @param {string} client @param {string} name what it began with */
const begin = (client, name) => write(`./client/${client}`, `${name} ${Date.now()}`);

/** @param {string} client */
const begunWith = async (client) => (await read(`./client/${client}`)).split(' ')[0];

/** Forgets the pages that are closed and the snapshots that none is left of. One that is just opening is not listed yet. */
async function sweep() {
  const open = new Set((await worker.clients.matchAll({ type: 'all', includeUncontrolled: true })).map((/** @type {any} */ c) => c.id));
  const cache = await caches.open(STATE);
  const used = new Set([await read('./current')]);
  for (const { url } of await cache.keys()) {
    const id = url.split('/client/')[1];
    if (!id) continue;
    const [name, since] = (await read(url)).split(' ');
    if (open.has(id) || Date.now() - Number(since) < 60_000) used.add(name);
    else await cache.delete(url);
  }
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) ? !used.has(name) : name === 'loquat-page') await caches.delete(name);
  }
}

/** @param {string} key */
async function read(key) {
  const found = await (await caches.open(STATE)).match(key);
  return found ? found.text() : '';
}

/** @param {string} key @param {string} value */
async function write(key, value) {
  await (await caches.open(STATE)).put(key, new Response(value));
}

/** @template T @param {number} ms @param {T} value @returns {Promise<T>} */
const later = (ms, value) => new Promise((resolve) => { setTimeout(resolve, ms, value); });

/** The same answer with the headers that let the page use threads. @param {Response} response */
function isolated(response) {
  if (response.type === 'opaqueredirect' || response.status === 0 || response.status === 304) return response;
  const headers = new Headers(response.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  headers.set('Cross-Origin-Resource-Policy', 'same-origin');
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
