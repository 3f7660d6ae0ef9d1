// @ts-check
/* The list of models: what the manifest offers, what is on this device, and any other GGUF by file or address.
 * May import: slot.mjs (what memory a model takes), store.mjs, download.mjs, ui.mjs. */

import { megabytes } from './download.mjs';
import { memoryOf } from './slot.mjs';
import * as store from './store.mjs';
import { byId, el, languageName } from './ui.mjs';

/**
 * @typedef {object} Entry
 * @property {string} file
 * @property {string} name
 * @property {string} task translate, chat
 * @property {string[]} languages
 * @property {string} licence
 * @property {string} [sha256]
 * @property {number} [bytes]
 * @property {number} [memory] bytes that it takes once loaded
 * @property {string} [url] where it can be had when this server does not hold it
 */

/** @typedef {{entry: Entry, source: store.Source | null, stored: boolean, partial: number, here: boolean}} Presence */

const FALLBACK = { file: 'fr-en.gguf', name: 'French ↔ English', task: 'translate', languages: ['fr', 'en'], licence: 'MIT' };

/** @type {Promise<{entries: Entry[], offline: boolean}> | null} offline: the server did not answer */
let manifest = null;

export function loadManifest() {
  manifest ??= readManifest();
  return manifest;
}

async function readManifest() {
  const response = await fetch('models/manifest.json', { cache: 'no-cache' }).catch(() => null);
  const offline = !response || response.headers.get('x-loquat-from') === 'cache';
  try {
    const json = await /** @type {Response} */ (response).json();
    const list = Array.isArray(json) ? json : json.models;
    return { entries: list.map(asEntry), offline };
  } catch {
    return { entries: [FALLBACK], offline }; /* a host without a manifest still has its default model */
  }
}

/**
 * @param {any} m
 * @returns {Entry}
 */
function asEntry(m) {
  const direct = typeof m.url === 'string' && /^https:.*\.gguf($|\?)/.test(m.url) ? m.url : undefined;
  return {
    file: String(m.file ?? `${m.id ?? m.name}.gguf`), name: String(m.title ?? m.name ?? m.id ?? m.file),
    task: String(m.task ?? m.tasks?.[0] ?? 'chat'), languages: m.languages ?? [], licence: String(m.licence ?? m.license ?? ''),
    sha256: m.sha256, bytes: m.bytes, memory: m.memory_bytes, url: direct,
  };
}

export async function defaultSource() {
  const { entries } = await loadManifest();
  const entry = entries.find((e) => e.file === FALLBACK.file) ?? entries.find((e) => e.task === 'translate') ?? FALLBACK;
  return sourceOf(entry);
}

/**
 * @param {Entry} entry
 * @param {string} [url]
 * @returns {store.Source}
 */
function sourceOf(entry, url = `models/${entry.file}`) {
  return { url, name: entry.name, sha256: entry.sha256, bytes: entry.bytes, memory: entry.memory };
}

/**
 * @param {Entry} entry
 * @returns {Promise<Presence>}
 */
async function presenceOf(entry) {
  const local = sourceOf(entry);
  const remote = entry.url ? sourceOf(entry, entry.url) : null;
  for (const source of [local, remote]) {
    if (!source) continue;
    const { file, partial } = await store.find(source);
    if (file) return { entry, source, stored: true, partial: 0, here: false };
    if (partial && source === remote) return { entry, source, stored: false, partial, here: false };
  }
  const here = await fetch(local.url, { method: 'HEAD' }).then((r) => r.ok && !/html/.test(r.headers.get('content-type') ?? ''), () => false);
  const { partial } = await store.find(local);
  return { entry, source: here ? local : remote, stored: false, partial, here };
}

/** @param {string} [task] absent: whatever they are for */
export async function presences(task) {
  const { entries } = await loadManifest();
  const listed = await Promise.all(entries.filter((e) => !task || e.task === task).map(presenceOf));
  return [...listed, ...await strangers(entries)];
}

/** Models on this device that the manifest does not name: fetched by address, for either tab. @param {Entry[]} entries */
async function strangers(entries) {
  const known = new Set(entries.flatMap((e) => [new URL(`models/${e.file}`, location.href).href, e.url]));
  return (await store.all()).filter(({ complete, source }) => complete && !known.has(source.url)).map(({ source }) => /** @type {Presence} */ ({
    entry: { file: '', name: source.name, task: '', languages: [], licence: '', bytes: source.bytes }, source, stored: true, partial: 0, here: false,
  }));
}

/** @param {Presence} p */
function facts({ entry, stored, here, source, partial }) {
  const where = stored ? 'on this device' : here ? 'on this server' : source ? `from ${new URL(source.url).host}` : 'not on this server';
  const size = entry.bytes ? megabytes(entry.bytes) : '';
  const need = memoryOf(entry);
  const memory = need.bytes ? `${need.exact ? '' : 'over '}${megabytes(need.bytes)} in memory` : '';
  const had = partial ? `${megabytes(partial)} of it on this device` : where;
  return [size, memory, entry.languages.map(languageName).join(', '), entry.licence, had].filter(Boolean).join(' · ');
}

/**
 * @param {HTMLElement} box
 * @param {{task: string, inUse?: string, onChoose: (source: store.Source) => void}} options inUse: name of the model in use
 */
export async function listModels(box, { task, inUse, onChoose }) {
  const found = await presences(task);
  const rows = found.map((p) => row(p, p.entry.name === inUse, onChoose, () => listModels(box, { task, inUse, onChoose })));
  const none = 'The list of this server names no model for this.';
  box.replaceChildren(rows.length ? el('ul', { class: 'models' }, ...rows) : el('p', { class: 'hint', text: none }));
  return found;
}

/**
 * @param {Presence} p
 * @param {boolean} inUse
 * @param {(source: store.Source) => void} onChoose
 * @param {() => void} refresh
 */
function row(p, inUse, onChoose, refresh) {
  const { source } = p;
  const label = p.stored ? 'Load' : p.partial ? 'Go on' : 'Download';
  const about = p.entry.name;
  const act = inUse ? el('span', { class: 'state', text: 'In use' })
    : source ? el('button', { type: 'button', class: 'quiet', text: label, 'aria-label': `${label} ${about}`, onclick: () => onChoose(source) })
      : el('span', { class: 'state', text: 'Not available here' });
  const remove = p.stored && source && !inUse ? el('button', {
    type: 'button', class: 'quiet', text: 'Remove', 'aria-label': `Remove ${about} from this device`,
    onclick: async () => { await store.remove(source); refresh(); },
  }) : null;
  return el('li', {}, el('div', {}, el('strong', { text: about }), el('span', { class: 'facts', text: facts(p) })),
    el('div', { class: 'actions' }, remove, act));
}

/**
 * The address of the file behind an address a person may paste.
 * @param {string} text
 * @returns {store.Source}
 */
export function sourceFromAddress(text) {
  const url = new URL(text.trim(), location.href);
  const local = url.origin === location.origin || ['localhost', '127.0.0.1'].includes(url.hostname);
  if (url.protocol !== 'https:' && !local) throw new Error('The address must begin with https://.');
  if (url.hostname === 'huggingface.co') url.pathname = url.pathname.replace('/blob/', '/resolve/');
  const name = decodeURIComponent(url.pathname.split('/').pop() || url.host).replace(/\.gguf$/i, '');
  return { url: url.href, name };
}

/** @param {File} file */
export function sourceFromFile(file) {
  return { url: `file:${file.name}`, name: file.name.replace(/\.gguf$/i, ''), bytes: file.size };
}

/**
 * The dialog that lists, opens and fetches models for one tab.
 * @param {{onSource: (task: 'translate' | 'chat', source: store.Source, blob?: File) => void}} options
 */
export function modelDialog({ onSource }) {
  const dialog = byId('models');
  /** @type {'translate' | 'chat'} */
  let task = 'chat';
  const problem = byId('models-problem');
  /** @param {store.Source} source @param {File} [file] */
  const choose = (source, file) => {
    dialog.close();
    onSource(task, source, file);
  };
  byId('models-close').addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', (/** @type {MouseEvent} */ e) => { if (e.target === dialog) dialog.close(); });
  const picker = byId('models-file');
  byId('models-open').addEventListener('click', () => picker.click());
  picker.addEventListener('change', () => {
    const file = picker.files[0];
    picker.value = '';
    if (file) choose(sourceFromFile(file), file);
  });
  byId('models-form').addEventListener('submit', (/** @type {Event} */ e) => {
    e.preventDefault();
    problem.textContent = '';
    try {
      choose(sourceFromAddress(byId('models-url').value));
    } catch (error) {
      problem.textContent = error instanceof TypeError ? 'This is not an address; it should look like https://example.org/model.gguf.'
        : /** @type {Error} */ (error).message;
    }
  });
  return {
    /**
     * @param {'translate' | 'chat'} forTask
     * @param {string} [inUse]
     */
    open(forTask, inUse) {
      task = forTask;
      problem.textContent = '';
      byId('models-title').textContent = task === 'chat' ? 'Models for chat' : 'Models for translation';
      byId('models-list').replaceChildren(el('p', { class: 'hint', text: 'Looking for models…' }));
      dialog.showModal();
      listModels(byId('models-list'), { task, inUse, onChoose: choose });
    },
  };
}
