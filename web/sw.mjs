// @ts-check
/* Service worker: keeps the page's own files so that it opens without a network, and adds the headers that allow threads when
 * the host does not send them. Models are not its business (store.mjs keeps them). Imports nothing: it runs as a classic
 * script everywhere.
 * The network is asked first and the kept copy answers when it fails or dawdles, so a new version is never hidden by an old one. */

const CACHE = 'loquat-page';
const PATIENCE_MS = 3000;

/** Everything the page may need before it has been visited twice. The test compares it with what the folder holds. */
const FILES = [
  './', 'app.mjs', 'chat.mjs', 'download.mjs', 'engine.mjs', 'icon.svg', 'loadstrip.mjs', 'manifest.webmanifest', 'models.mjs',
  'settings.mjs', 'sha256.mjs', 'slot.mjs', 'source.mjs', 'store-worker.mjs', 'store.mjs', 'style.css', 'translate.mjs', 'ui.mjs',
  'wasm.mjs', 'worker.mjs',
];

/** Fetched too, but their absence is no failure: a browser uses one of the builds, a host may lack a manifest. */
const EXTRAS = [
  'models/manifest.json', 'loquat.mjs', 'loquat-mt.mjs', 'loquat-simd.wasm', 'loquat-relaxed.wasm', 'loquat-simd-mt.wasm', 'loquat-relaxed-mt.wasm',
];

const worker = /** @type {any} */ (self);

worker.addEventListener('install', (/** @type {any} */ event) => {
  event.waitUntil(install());
});

async function install() {
  const cache = await caches.open(CACHE);
  await cache.addAll(FILES.map((f) => new Request(f, { cache: 'no-cache' })));
  await Promise.allSettled(EXTRAS.map((f) => cache.add(new Request(f, { cache: 'no-cache' }))));
  await worker.skipWaiting();
}

worker.addEventListener('activate', (/** @type {any} */ event) => {
  event.waitUntil(worker.clients.claim());
});

worker.addEventListener('fetch', (/** @type {any} */ event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin || !url.href.startsWith(worker.registration.scope)) return;
  if (/\.(gguf|safetensors|bin)$/.test(url.pathname) || request.headers.has('range')) return;
  event.respondWith(answer(request));
});

/** @param {Request} request */
async function answer(request) {
  const cache = await caches.open(CACHE);
  const path = new URL(request.url).pathname;
  const home = new URL(worker.registration.scope).pathname;
  const key = path === home || path === `${home}index.html` ? './' : request;
  const network = fromNetwork(request, cache, key);
  network.catch(() => {});
  const kept = await cache.match(key, { ignoreSearch: true });
  if (!kept) return isolated(await network);
  const slow = new Promise((resolve) => { setTimeout(resolve, PATIENCE_MS, null); });
  const first = await Promise.race([network.catch(() => null), slow]);
  return first ? isolated(/** @type {Response} */ (first)) : isolated(kept, 'cache');
}

/**
 * @param {Request} request
 * @param {Cache} cache
 * @param {Request | string} key
 */
async function fromNetwork(request, cache, key) {
  const response = await fetch(request.mode === 'navigate' ? request : new Request(request, { cache: 'no-cache' }));
  if (response.ok && !response.redirected && response.type === 'basic') await cache.put(key, response.clone());
  return response;
}

/**
 * @param {Response} response
 * @param {string} [from]
 */
function isolated(response, from) {
  if (response.type === 'opaqueredirect' || response.status === 0 || response.status === 304) return response;
  const headers = new Headers(response.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  headers.set('Cross-Origin-Resource-Policy', 'same-origin');
  if (from) headers.set('x-loquat-from', from);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
