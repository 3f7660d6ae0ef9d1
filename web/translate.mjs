// @ts-check
/* The Translate tab. May import: loadstrip.mjs, ui.mjs. */

import { loadStrip } from './loadstrip.mjs';
import {
  autoGrow, byId, copyButton, count, el, GrowingText, isAbort, languageName, Meter, notice, remembered, sentence, setLanguage,
} from './ui.mjs';

/** Above this a person is told that a long text takes a while. */
const LONG = 2000;
/** Far above what anyone waits for; keeps a pasted book from freezing the page. */
const LIMIT = 200_000;

/**
 * @param {{slot: import('./slot.mjs').Slot, onOther: () => void, onChoose: () => void, onSpeed: (rate: number) => void}} app
 */
export function translateTab({ slot, onOther, onChoose, onSpeed }) {
  const source = byId('source');
  const target = byId('target');
  const from = byId('from');
  const to = byId('to');
  const button = byId('translate-run');
  const status = byId('translate-status');
  const bar = byId('translate-progress');
  const problem = byId('translate-problem');
  const hint = byId('source-hint');
  const copy = byId('copy');
  const memory = remembered('translate', { text: '', from: 'fr', to: 'en', output: '', fits: false }, () => running?.abort());
  /** @type {AbortController | null} */
  let running = null;
  let pending = false;
  let startedAt = 0;
  let output = '';
  let fits = false; /* whether the output is the whole translation of the text as it stands */

  /** @param {string} text @param {string} language */
  function showOutput(text, language) {
    output = text;
    target.classList.remove('growing');
    target.replaceChildren(text ? el('span', { text }) : el('span', { class: 'placeholder', text: 'The translation appears here.' }));
    setLanguage(target, text ? language : 'en');
    copy.hidden = !text;
  }

  function keep() {
    Object.assign(memory.value, { text: source.value, from: from.value, to: to.value, output, fits });
    memory.save();
  }

  function showHint() {
    const n = source.value.length;
    byId('source-clear').hidden = !n;
    hint.classList.toggle('bad', n > LIMIT);
    if (n > LIMIT) hint.textContent = `${count(n)} characters; at most ${count(LIMIT)} at once`;
    else if (n > LONG) hint.textContent = `${count(n)} characters, translated sentence by sentence`;
    else hint.textContent = n ? `${count(n)} character${n === 1 ? '' : 's'}` : '';
  }

  function languagesChanged() {
    setLanguage(source, from.value);
    source.placeholder = `Type or paste ${languageName(from.value)} text`;
    source.setAttribute('aria-label', `Text in ${languageName(from.value)}`);
    target.setAttribute('aria-label', `Translation into ${languageName(to.value)}`);
  }

  /** @param {string[]} languages */
  function fillPickers(languages) {
    const known = languages.length > 1 ? languages : ['fr', 'en'];
    for (const [picker, wanted, other] of [[from, memory.value.from, known[0]], [to, memory.value.to, known[1]]]) {
      picker.replaceChildren(...known.map((code) => el('option', { value: code, text: languageName(code) })));
      picker.value = known.includes(wanted) ? wanted : other;
    }
    if (from.value === to.value) to.value = known.find((l) => l !== from.value);
    [memory.value.from, memory.value.to] = [from.value, to.value];
    languagesChanged();
  }

  /** @param {any} changed @param {any} other @param {string} before what `changed` was: two equal languages trade places */
  function keepApart(changed, other, before) {
    if (changed.value === other.value) other.value = before;
    languagesChanged();
    keep();
  }

  /** The texts trade places too where each is the other's translation; else what was typed stays, so that no later translation takes its place. */
  function swap() {
    running?.abort();
    const both = fits;
    const [text, translated] = [source.value, output];
    [from.value, to.value] = [to.value, from.value];
    if (both) {
      source.value = translated;
      source.dispatchEvent(new Event('input'));
    }
    showOutput(both ? text : '', to.value);
    fits = both;
    status.textContent = '';
    languagesChanged();
    showHint();
    keep();
  }

  /** @param {boolean} busy */
  function showRunning(busy) {
    button.querySelector('.label').textContent = busy ? 'Stop' : 'Translate';
    button.classList.toggle('stop', busy);
    if (!busy) bar.hidden = true;
  }

  function start() {
    notice(problem, null);
    if (!source.value.trim()) {
      status.textContent = 'Type or paste some text first.';
      source.focus();
      return;
    }
    if (source.value.length > LIMIT) {
      const size = count(source.value.length);
      notice(problem, { text: `This text has ${size} characters and the page takes ${count(LIMIT)} at once; translate it in parts.` });
      problem.scrollIntoView({ block: 'nearest' });
      return;
    }
    startedAt = performance.now();
    showRunning(true);
    if (!slot.model) {
      pending = true;
      status.textContent = slot.state === 'busy' ? 'Starts when the model is here' : '';
      if (slot.state !== 'busy') waitOver();
      return;
    }
    run(source.value, from.value, to.value);
  }

  function waitOver() {
    pending = false;
    showRunning(false);
    status.textContent = '';
    if (slot.state === 'empty') notice(problem, { text: 'No translation model is loaded.', actions: [{ label: 'Choose a model', run: onChoose }] });
  }

  /** @param {string} text @param {string} src @param {string} dst */
  async function run(text, src, dst) {
    const abort = running = new AbortController();
    const meter = new Meter();
    showOutput('', dst);
    setLanguage(target, dst);
    fits = false;
    keep();
    const growing = new GrowingText(target);
    status.textContent = 'Translating';
    let before = -1;
    /** At the end, or at once when a person stops it: the engine needs a moment more. @param {string} word @param {unknown} error */
    const over = (word, error) => {
      if (running !== abort) return;
      running = null;
      growing.finish();
      output = growing.text;
      fits = Boolean(output && !word && !error && source.value === text);
      if (!output) showOutput('', dst);
      copy.hidden = !output;
      showRunning(false);
      finished(word || (source.value === text ? '' : 'The text has changed since'), meter);
      if (error) failed(error, text, src, dst);
      keep();
    };
    abort.signal.addEventListener('abort', () => over('Stopped', null));
    try {
      await slot.use(async (model) => {
        for await (const piece of model.translate(text, { from: src, to: dst, signal: abort.signal })) {
          if (abort.signal.aborted) break;
          if (before >= 0 && piece.sentence !== before) growing.settle();
          before = piece.sentence ?? 0;
          growing.push(piece.text, false);
          meter.tick(piece.tokenId);
          showProgress(piece.sentence ?? 0, piece.nSentences ?? 1);
        }
      });
      over('', null);
    } catch (error) {
      over('', isAbort(error) ? null : error);
    }
  }

  /** @param {number} at @param {number} total */
  function showProgress(at, total) {
    if (total < 2) return;
    bar.hidden = false;
    bar.max = total;
    bar.value = at;
    const said = `Sentence ${Math.min(at + 1, total)} of ${total}`;
    status.setAttribute('aria-live', 'off'); /* the sentences themselves are read out, not their numbers */
    if (status.textContent !== said) status.textContent = said;
  }

  /** @param {string} word @param {Meter} meter */
  function finished(word, meter) {
    status.setAttribute('aria-live', 'polite');
    const seconds = (performance.now() - startedAt) / 1000;
    status.textContent = word || (seconds < 0.1 ? 'Done' : `Done in ${seconds.toFixed(1)} s`);
    onSpeed(meter.rate);
  }

  /** @param {unknown} error @param {string} text @param {string} src @param {string} dst */
  function failed(error, text, src, dst) {
    status.textContent = '';
    const retry = async () => {
      startedAt = performance.now();
      showRunning(true);
      await slot.revive(error);
      if (slot.model) run(text, src, dst);
      else showRunning(false);
    };
    notice(problem, { text: sentence(error), actions: [{ label: 'Retry', run: retry }] });
  }

  function stop() {
    if (pending) waitOver();
    running?.abort();
  }

  button.addEventListener('click', () => {
    if (!running && !pending) start();
    else if (performance.now() - startedAt > 350) stop(); /* the second half of a double click is not a Stop */
  });
  byId('swap').addEventListener('click', swap);
  from.addEventListener('change', () => keepApart(from, to, memory.value.from));
  to.addEventListener('change', () => keepApart(to, from, memory.value.to));
  source.addEventListener('input', () => {
    fits = false;
    showHint();
    keep();
    if (running) return;
    status.textContent = '';
    notice(problem, null);
  });
  byId('source-clear').addEventListener('click', () => {
    running?.abort();
    const [text, translated, language, both] = [source.value, output, target.lang, fits];
    const put = (/** @type {string} */ typed, /** @type {string} */ shown) => {
      source.value = typed;
      source.dispatchEvent(new Event('input'));
      showOutput(shown, language);
      fits = Boolean(shown) && both;
      keep();
      source.focus();
    };
    put('', '');
    notice(problem, { kind: 'info', text: 'Text cleared.', actions: [{ label: 'Undo', run: () => put(text, translated) }] });
  });
  copyButton(copy, () => output);

  source.value = memory.value.text;
  fillPickers([]);
  showOutput(memory.value.output, to.value);
  fits = memory.value.fits;
  autoGrow(source);
  showHint();
  loadStrip(byId('translate-load'), slot, { onOther, onChoose });
  slot.addEventListener('change', () => {
    if (slot.state === 'busy') return;
    if (slot.info) fillPickers(slot.info.languages ?? []);
    if (!pending) return;
    if (!slot.model) return waitOver();
    pending = false;
    showRunning(false);
    start(); /* the text may have changed meanwhile */
  });

  return {
    run: () => { if (!running && !pending) start(); },
    stop,
    swap,
    get busy() { return Boolean(running || pending); },
    focus: () => source.focus({ preventScroll: true }),
  };
}
