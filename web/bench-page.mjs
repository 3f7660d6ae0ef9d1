// @ts-check
/* The measuring page: choose a model, run, read the table. May import: bench.mjs, models.mjs, store.mjs, ui.mjs. */

import { info, release, runBench } from './bench.mjs';
import { presences } from './models.mjs';
import * as store from './store.mjs';
import { byId, copyButton, el, isAbort, notice, sentence } from './ui.mjs';

const LINE = 'The river runs past the old mill and on to the sea, and the boats go with it. '; /* about 20 tokens */
const PHRASES = ['Je suis étudiant.', 'Il fait beau aujourd’hui.', 'Où est la gare ?', 'Le chat dort sur la chaise.'];
const N_PREDICT = 64;
const BUILDS = { 'relaxed-mt': 'Relaxed SIMD, threads', 'simd-mt': 'SIMD, threads', relaxed: 'Relaxed SIMD, one thread', simd: 'SIMD, one thread' };

/** @typedef {{loadMs: number, ttftMs: number, promptTps: number, genTps: number}} Speeds */
/** @typedef {Speeds & {model: string, build: string, kernels: string, threads: number}} Row */

/** @type {import('./models.mjs').Presence[]} */
let choices = [];
/** @type {Row[]} */
const rows = [];
/** @type {AbortController | null} */
let running = null;

/** @param {string} text */
const say = (text) => {
  byId('bench-status').textContent = text;
};

const round = (/** @type {number | null} */ x) => (x === null || !Number.isFinite(x) ? '–' : x.toFixed(x < 100 ? 1 : 0));

/**
 * A chat model: a long prompt for one speed, a short one for the others. The first, unmeasured call loads and lets the browser compile.
 * @param {any} base
 * @returns {Promise<Speeds>}
 */
async function measureGeneration(base) {
  const short = { ...base, prompt: LINE + LINE.slice(0, 40), ignoreEos: true };
  const { loadMs } = await runBench({ ...short, nPredict: 8 });
  say('Reading a long prompt…');
  const long = await runBench({ ...base, prompt: LINE.repeat(25), nPredict: 1, ignoreEos: true });
  say(`Producing ${N_PREDICT} tokens…`);
  const gen = await runBench({ ...short, nPredict: N_PREDICT });
  return { loadMs, ttftMs: gen.ttftMs, promptTps: long.promptTps, genTps: gen.genTps };
}

/** A translator: no prompt speed. @param {any} base @returns {Promise<Speeds>} */
async function measureTranslation(base) {
  const { loadMs } = await runBench({ ...base, sentences: PHRASES });
  say('Translating one sentence…');
  const one = await runBench({ ...base, sentences: PHRASES.slice(0, 1) });
  say('Translating sixteen sentences…');
  const many = await runBench({ ...base, sentences: [...PHRASES, ...PHRASES, ...PHRASES, ...PHRASES] });
  return { loadMs, ttftMs: one.ttftMs, promptTps: NaN, genTps: many.outputTokens / many.seconds };
}

/** @param {Row} row */
function show(row) {
  rows.unshift(row);
  byId('bench-rows').prepend(
    el(
      'tr',
      {},
      el('th', { scope: 'row', text: row.model }),
      el('td', { text: `${row.build} (${row.kernels})` }),
      el('td', { text: String(row.threads) }),
      ...[row.loadMs, row.ttftMs, row.promptTps, row.genTps].map((x) => el('td', { text: round(x) })),
    ),
  );
  byId('bench-table').hidden = byId('bench-copy').hidden = false;
}

async function run() {
  const choice = choices[Number(byId('bench-model').value)];
  const { source, entry } = choice;
  running = new AbortController();
  byId('bench-run').classList.add('stop');
  byId('bench-run').firstElementChild.textContent = 'Stop';
  notice(byId('bench-problem'), null);
  say(`Loading ${entry.name}…`);
  try {
    const file = source && (await store.find(source)).file;
    const base = {
      model: file ?? source?.url,
      threads: Number(byId('bench-threads').value) || undefined,
      build: byId('bench-build').value || undefined,
      nCtx: entry.task === 'translate' ? undefined : 1024,
      signal: running.signal,
    };
    const measured = await (entry.task === 'translate' ? measureTranslation(base) : measureGeneration(base));
    const { build = '', kernels = '', threads = 0 } = info() ?? {};
    show({ model: entry.name, build, kernels, threads, ...measured });
    say('Done.');
  } catch (error) {
    say(isAbort(error) ? 'Stopped.' : '');
    if (!isAbort(error)) notice(byId('bench-problem'), { text: sentence(error) });
  } finally {
    release(); /* every run loads, so that its load time is its own */
    running = null;
    byId('bench-run').classList.remove('stop');
    byId('bench-run').firstElementChild.textContent = 'Run';
  }
}

function fillThreads() {
  const most = globalThis.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, 16) : 1;
  byId('bench-threads').append(
    el('option', { value: '', text: 'Automatic' }),
    ...Array.from({ length: most }, (_, i) => el('option', { value: i + 1, text: String(i + 1) })),
  );
  if (!globalThis.crossOriginIsolated)
    byId('bench-note').textContent = 'This host does not send the headers that allow threads (COOP, COEP), so one thread is measured.';
}

async function start() {
  fillThreads();
  byId('bench-build').append(
    el('option', { value: '', text: 'Automatic' }),
    ...Object.entries(BUILDS).map(([value, text]) => el('option', { value, text })),
  );
  choices = (await presences()).filter((p) => p.stored || p.here);
  byId('bench-model').append(...choices.map((p, i) => el('option', { value: i, text: p.entry.name })));
  byId('bench-run').disabled = choices.length === 0;
  if (!choices.length)
    notice(byId('bench-problem'), { text: 'There is no model on this device or this server; open one in Translate or Chat first.', kind: 'info' });
  byId('bench-form').addEventListener('submit', (/** @type {Event} */ e) => {
    e.preventDefault();
    if (running) running.abort();
    else run();
  });
  copyButton(byId('bench-copy'), () => JSON.stringify(rows, null, 1));
}

start();
