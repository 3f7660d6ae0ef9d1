// @ts-check
/* The strip on top of a tab that says how its model is doing: arriving, failed, or meant for the other tab.
 * May import: download.mjs, slot.mjs, ui.mjs. */

import { megabytes } from './download.mjs';
import { memoryOf } from './slot.mjs';
import { el, notice, sentence } from './ui.mjs';

/** @param {import('./slot.mjs').Progress} p */
function bytesSentence({ loaded, total }) {
  if (!total) return loaded ? megabytes(loaded) : '';
  const unit = total >= 1e9 ? 1e9 : 1e6;
  const digits = total / unit < 10 ? 1 : 0;
  return `${(loaded / unit).toFixed(digits)} of ${(total / unit).toFixed(digits)} ${unit === 1e9 ? 'GB' : 'MB'}`;
}

/** @param {import('./store.mjs').Source | null} source */
function needs(source) {
  const { bytes, exact } = memoryOf(source ?? {});
  return bytes ? `needs ${exact ? '' : 'over '}${megabytes(bytes)} of memory` : '';
}

/** What a person can do about a file that cannot be read. @param {any} error @param {boolean} fetched */
function advice({ code, message }, fetched) {
  if (code !== 'LQ_E_FORMAT') return '';
  const cut = /truncated|damaged/.test(message);
  return cut ? ` The file is not whole; ${fetched ? 'fetch' : 'download'} it again.` : ' Choose another file, or a model from the list.';
}

const DOES = { translate: 'translation', chat: 'chat' };
const TAB = { translate: 'Translate', chat: 'Chat' };

/**
 * @param {HTMLElement} box
 * @param {import('./slot.mjs').Slot} slot
 * @param {{onOther: () => void, onChoose: () => void}} options onOther: the model that strayed here goes to the other tab
 */
export function loadStrip(box, slot, { onOther, onChoose }) {
  /** @type {{strip: HTMLElement, text: HTMLElement, bytes: HTMLElement, bar: HTMLProgressElement} | null} */
  let live = null;

  function busy() {
    const { progress, wanted } = slot;
    const opening = progress.status !== 'download';
    if (!live) {
      const text = el('span', { role: 'status' });
      const bytes = el('span', { class: 'bytes' });
      const bar = el('progress', { 'aria-label': 'Loading the model' });
      const strip = el('div', { class: 'strip' }, el('div', { class: 'strip-line' }, el('p', {}, text, bytes),
        el('button', { type: 'button', class: 'quiet', text: 'Stop', onclick: () => slot.stop() })), bar);
      live = { strip, text, bytes, bar };
      box.replaceChildren(strip);
    }
    const said = opening ? `Opening ${wanted?.name}` : `Fetching ${wanted?.name}`;
    if (live.text.textContent !== said) live.text.textContent = said;
    live.bytes.textContent = opening ? needs(wanted) : bytesSentence(progress);
    if (progress.total) {
      live.bar.max = progress.total;
      live.bar.value = progress.loaded;
    } else live.bar.removeAttribute('value');
  }

  function failed() {
    const { wanted, error } = slot;
    const code = /** @type {any} */ (error)?.code;
    const fetched = Boolean(wanted && !wanted.url.startsWith('file:'));
    const retry = wanted && fetched ? [{ label: 'Retry', run: () => slot.load(wanted) }] : [];
    const unkept = code === 'QUOTA' && wanted ? [{ label: 'Use without keeping it', run: () => slot.load(wanted, { keep: false }) }] : [];
    const text = `${wanted?.name}: ${sentence(error)}${advice(/** @type {any} */ (error ?? {}), fetched)}`;
    notice(box, { text, actions: [...retry, ...unkept, { label: 'Choose another model', run: onChoose }] });
  }

  /** @param {import('./store.mjs').Source} source */
  function halted(source) {
    const again = source.url.startsWith('file:') ? [] : [{ label: 'Go on', run: () => slot.load(source) }];
    const text = `${source.name} is not loaded; ${DOES[slot.task]} needs a model.`;
    notice(box, { kind: 'info', text, actions: [...again, { label: 'Choose another model', run: onChoose }] });
  }

  function unsuited() {
    const info = slot.stray?.model.info ?? {};
    const name = slot.stray?.source.name ?? 'This model';
    const other = slot.task === 'chat' ? 'translate' : 'chat';
    const fits = other === 'translate' ? info.tasks?.includes('translate') : info.tasks?.includes('chat') || info.tasks?.includes('generate');
    const move = fits ? [{ label: `Use it in ${TAB[other]}`, run: onOther }] : [];
    notice(box, {
      kind: 'info',
      text: fits ? `${name} is made for ${DOES[other]}, not for ${DOES[slot.task]}.`
        : `${name} (${info.architecture ?? 'unknown kind'}) is made for neither translation nor chat.`,
      actions: [...move, { label: 'Choose another model', run: onChoose }],
    });
  }

  function show() {
    if (slot.state === 'busy' && slot.wanted) return busy();
    live = null;
    if (slot.state === 'failed') failed();
    else if (slot.state === 'unsuited') unsuited();
    else if (slot.state === 'empty' && slot.halted) halted(slot.halted);
    else notice(box, null);
  }

  slot.addEventListener('change', show);
  show();
}
