// @ts-check
/* The page: tabs, keys, dropped files, the footer line, and whether it works without a network.
 * May import: everything of the page; the engine only through slot.mjs, once the browser is known to run it. */

import { chatTab } from './chat.mjs';
import { megabytes } from './download.mjs';
import { defaultSource, loadManifest, modelDialog, sourceFromFile } from './models.mjs';
import { Slot, warm } from './slot.mjs';
import * as store from './store.mjs';
import { translateTab } from './translate.mjs';
import { byId, el, hasKeyboard, notice, remembered } from './ui.mjs';

/** @typedef {'translate' | 'chat'} Task */

/** A module that only a browser with SIMD accepts: i32.const 0, i8x16.splat, drop. */
const SIMD_PROBE = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 9, 1, 7, 0, 65, 0, 253, 15, 26, 11]);

/** What the browser lacks, as a sentence; '' when it has all. */
function missing() {
  const advice = 'Chrome 91, Edge 91, Firefox 89, Safari 16.4 and later have it.';
  if (typeof WebAssembly !== 'object') return `This browser lacks WebAssembly, or its settings turn it off; Loquat cannot run without it. ${advice}`;
  if (!WebAssembly.validate(SIMD_PROBE)) return `This browser lacks WebAssembly SIMD, which Loquat computes with. ${advice}`;
  if (typeof Worker !== 'function') return `This browser lacks web workers, which Loquat computes in. ${advice}`;
  return '';
}

const slots = { translate: new Slot('translate'), chat: new Slot('chat') };
const speeds = { translate: 0, chat: 0 };
const chosen = remembered('models', { chat: /** @type {any} */ (null), translate: /** @type {any} */ (null) });
/** @type {Record<Task, any>} */
let tabs;
/** @type {ReturnType<typeof modelDialog>} */
let dialog;
/** @type {Task} */
let current = 'translate';

/** @param {Task} task @param {any} source @param {Blob} [blob] */
function loadInto(task, source, blob) {
  if (!blob) store.persist();
  slots[task].load(source, { blob });
}

/** @param {Task} to */
function moveStray(to) {
  const given = slots[to === 'chat' ? 'translate' : 'chat'].takeStray();
  if (!given) return;
  slots[to].adopt(given);
  location.hash = to;
}

/** @param {Task} task */
function tabOptions(task) {
  const other = task === 'chat' ? 'translate' : 'chat';
  return {
    slot: slots[task],
    onOther: () => moveStray(/** @type {Task} */ (other)),
    onChoose: () => chooseModel(task),
    onSource: (/** @type {any} */ source) => loadInto(task, source),
    onSpeed: (/** @type {number} */ rate) => { speeds[task] = rate; showFooter(); },
  };
}

/** @param {Task} task */
function chooseModel(task) {
  dialog.open(task, slots[task].source?.name);
}

function showTab() {
  current = location.hash === '#chat' ? 'chat' : 'translate';
  for (const task of /** @type {Task[]} */ (['translate', 'chat'])) {
    const on = task === current;
    byId(`tab-${task}`).setAttribute('aria-selected', String(on));
    byId(`tab-${task}`).tabIndex = on ? 0 : -1;
    byId(`panel-${task}`).hidden = !on;
  }
  document.title = `Loquat: ${current === 'chat' ? 'Chat' : 'Translate'}`;
  showFooter();
  if (current === 'chat' && slots.chat.state === 'empty' && chosen.value.chat) resumeChat();
  tabs[current].shown?.();
}

/** The chat model of the last visit, if its bytes are still here; never a download that nobody asked for. */
async function resumeChat() {
  const source = chosen.value.chat;
  if ((await store.find(source)).file && slots.chat.state === 'empty') loadInto('chat', source);
}

function tabKeys() {
  const list = ['translate', 'chat'];
  byId('tabs').addEventListener('keydown', (/** @type {KeyboardEvent} */ e) => {
    const at = list.indexOf(current);
    const to = { ArrowRight: at + 1, ArrowLeft: at + list.length - 1, Home: 0, End: list.length - 1 }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    const next = list[to % list.length];
    byId(`tab-${next}`).focus();
    location.hash = next;
  });
}

function keys() {
  addEventListener('keydown', (e) => {
    if (byId('models').open) return;
    if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) {
      e.preventDefault();
      tabs[current].run();
    } else if (e.key === 'Escape' && tabs[current].busy) tabs[current].stop();
    else if (e.altKey && e.code === 'KeyS' && current === 'translate') {
      e.preventDefault();
      tabs.translate.swap();
    }
  });
}

function dropping() {
  let depth = 0;
  const files = (/** @type {DragEvent} */ e) => e.dataTransfer?.types.includes('Files');
  const show = () => document.body.classList.toggle('dropping', depth > 0);
  addEventListener('dragenter', (e) => {
    if (!files(e)) return;
    depth++;
    byId('drop').textContent = `Drop a .gguf model to open it in ${current === 'chat' ? 'Chat' : 'Translate'}`;
    show();
  });
  addEventListener('dragleave', (e) => { if (files(e)) { depth--; show(); } });
  addEventListener('dragover', (e) => { if (files(e)) e.preventDefault(); });
  addEventListener('drop', (e) => {
    if (!files(e)) return;
    e.preventDefault();
    depth = 0;
    show();
    const file = e.dataTransfer?.files[0];
    if (file) loadInto(current, sourceFromFile(file), file);
  });
}

/** The quiet line: model, build, speed, memory. */
function showFooter() {
  const slot = slots[current];
  const info = slot.info;
  const parts = [];
  byId('model').hidden = !slot.model; /* until there is one, the tab itself says how to get it */
  byId('model').textContent = slot.source?.name ?? '';
  if (info) {
    parts.push(buildName(info));
    if (speeds[current]) parts.push(`${speeds[current].toFixed(speeds[current] < 10 ? 1 : 0)} tokens/s`);
    const bytes = (info.memory?.weights ?? 0) + (info.memory?.session?.bytes ?? 0);
    if (bytes) parts.push(`${megabytes(bytes)} of memory`);
  }
  byId('facts').title = info?.buildNote ?? '';
  byId('facts').replaceChildren(...parts.flatMap((text) => [el('span', { text }), ' ']));
  const more = Boolean(info && !crossOriginIsolated && navigator.serviceWorker?.controller && navigator.hardwareConcurrency > 1);
  byId('isolate').hidden = !more;
}

/** @param {any} info */
function buildName(info) {
  const kind = /^relaxed/.test(info.build) ? 'relaxed SIMD' : 'SIMD';
  return `${kind}, ${info.threads} thread${info.threads > 1 ? 's' : ''}`;
}

/** Says "works offline" only after looking: the page's files are kept, and so is a model. */
async function showBadge() {
  const badge = byId('badge');
  const { offline } = await loadManifest();
  const shell = await shellKept();
  const model = Object.values(slots).some((s) => s.model && s.stored);
  const off = !navigator.onLine || offline;
  badge.dataset.state = off ? 'offline' : shell && model ? 'ready' : 'online';
  badge.textContent = off ? 'Offline' : shell && model ? 'Works offline' : '';
  badge.title = off ? 'There is no network, and none is needed.'
    : shell && model ? 'The page and a model are kept on this device: it opens and runs without a network.' : '';
}

async function shellKept() {
  const registration = await navigator.serviceWorker?.getRegistration().catch(() => null); /* storage may be blocked */
  return Boolean(registration?.active);
}

async function registerServiceWorker() {
  if (!('serviceWorker' in navigator)) return;
  navigator.serviceWorker.addEventListener('controllerchange', showFooter);
  try {
    await navigator.serviceWorker.register('sw.mjs', { updateViaCache: 'none' });
    await navigator.serviceWorker.ready;
    showBadge();
  } catch { /* without it the page works while its server does */ }
}

async function start() {
  byId('boot').remove();
  const lack = missing();
  if (lack) {
    byId('unsupported').hidden = false;
    notice(byId('unsupported'), { text: lack });
    return;
  }
  byId('app').hidden = false;
  dialog = modelDialog({ onSource: loadInto });
  tabs = { translate: translateTab(tabOptions('translate')), chat: chatTab(tabOptions('chat')) };
  for (const task of /** @type {Task[]} */ (['translate', 'chat'])) {
    let last = '';
    slots[task].addEventListener('change', () => {
      const { state, source, stored } = slots[task];
      if (state === last) return;
      last = state;
      if (state === 'ready' && source && !source.url.startsWith('file:')) {
        chosen.value[task] = source;
        chosen.save();
      }
      if (stored) showBadge();
      showFooter();
    });
  }
  tabKeys();
  keys();
  dropping();
  addEventListener('hashchange', showTab);
  addEventListener('online', showBadge);
  addEventListener('offline', showBadge);
  byId('isolate').addEventListener('click', () => location.reload());
  byId('model').addEventListener('click', () => chooseModel(current));
  showTab();
  if (hasKeyboard()) tabs[current].focus();
  warm();
  registerServiceWorker();
  loadTranslator();
}

/** The translation model of the last visit, at once; else the default one. A newer version of it takes its place when it has come. */
async function loadTranslator() {
  const slot = slots.translate;
  slot.expect(); /* who asks for a translation already waits for it */
  const last = chosen.value.translate;
  const kept = Boolean(last && (await store.find(last)).file);
  const loading = kept ? slot.load(last) : null;
  const source = await defaultSource();
  showBadge();
  if (!kept) await slot.load(source);
  else if (last.url !== source.url || last.sha256 === source.sha256 || !source.sha256) return;
  else {
    await loading;
    if (slot.source === last) await slot.load(source, { quiet: Boolean(slot.model) });
  }
  if (slot.stored && slot.source === source) store.forgetOlder(source);
}

start();
