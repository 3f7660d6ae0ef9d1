// @ts-check
/* The Chat tab. May import: loadstrip.mjs, models.mjs, settings.mjs, ui.mjs. */

import { loadStrip } from './loadstrip.mjs';
import { listModels } from './models.mjs';
import { DEFAULTS, optionsOf, settingsForm, SYSTEM } from './settings.mjs';
import { autoGrow, byId, copyButton, count, el, GrowingText, hasKeyboard, isAbort, Meter, notice, remembered, sentence } from './ui.mjs';

/** @typedef {{role: 'user' | 'assistant', content: string, note?: string}} Message */

/** How an answer can end short of its own end, by the engine's word for it. */
const NOTES = /** @type {Record<string, (n: any) => string>} */ ({
  length: (n) => `Cut at max_new_tokens (${n}).`,
  context: () => 'Cut: the conversation has filled what this model can hold.',
});

/**
 * @param {{slot: import('./slot.mjs').Slot, onOther: () => void, onChoose: () => void, onSource: (s: any) => void,
 *   onSpeed: (rate: number) => void}} app
 */
export function chatTab({ slot, onOther, onChoose, onSource, onSpeed }) {
  const log = byId('log');
  const draft = byId('draft');
  const button = byId('send');
  const problem = byId('chat-problem');
  const empty = byId('chat-empty');
  const system = byId('system');
  const initial = { messages: /** @type {Message[]} */ ([]), draft: '', system: SYSTEM, settings: { ...DEFAULTS } };
  const memory = remembered('chat', initial, () => running?.abort()); /* what there is of an answer is kept */
  const state = memory.value;
  /** @type {AbortController | null} */
  let running = null;
  let startedAt = 0;
  let waiting = false; /* for the model, with a message already sent */

  /** @param {Message} message */
  function bubble(message) {
    const body = el('div', { class: 'body', lang: '', dir: 'auto', text: message.content }); /* in whatever language */
    const item = el('li', { class: `message ${message.role}` }, el('h3', { class: 'sr', text: message.role === 'user' ? 'You' : 'Reply' }), body);
    return { item, body };
  }

  /** What stands below a reply that is over. @param {HTMLElement} item @param {Message} message */
  function close(item, message) {
    if (message.role !== 'assistant') return item;
    const copy = el('button', { type: 'button', class: 'quiet small', text: 'Copy' });
    copyButton(copy, () => message.content);
    const again = el('button', { type: 'button', class: 'quiet small again', text: 'Try again', onclick: regenerate });
    item.append(message.note ? el('p', { class: 'hint', text: message.note }) : '', el('div', { class: 'actions', 'aria-live': 'off' }, copy, again));
    return item;
  }

  function render() {
    log.replaceChildren(...state.messages.map((m) => close(bubble(m).item, m)));
    showEmpty();
    showUnanswered();
  }

  /** A message that was stopped, or left by a reload, before its answer began can still be answered. */
  function showUnanswered() {
    log.querySelector('.unanswered')?.remove();
    if (running || waiting || state.messages.at(-1)?.role !== 'user') return;
    log.append(el('li', { class: 'unanswered' }, el('button', { type: 'button', class: 'quiet small', text: 'Answer this', onclick: answer })));
  }

  function showEmpty() {
    byId('chat-clear').hidden = !state.messages.length;
    const none = !slot.model && slot.state !== 'busy';
    byId('chat-models').hidden = !none;
    empty.hidden = state.messages.length > 0 || none;
    empty.textContent = slot.model ? 'Say something to begin.' : 'You can write already; the answer comes when the model is here.';
    draft.placeholder = 'Write a message';
  }

  function keep() {
    Object.assign(state, { draft: draft.value, system: system.value });
    memory.save();
  }

  /** @param {boolean} busy */
  function showRunning(busy) {
    button.querySelector('.label').textContent = busy ? 'Stop' : 'Send';
    button.classList.toggle('stop', busy);
  }

  const nearEnd = () => innerHeight + scrollY > document.documentElement.scrollHeight - 160;
  const toEnd = () => scrollTo({ top: document.documentElement.scrollHeight });

  function send() {
    const text = draft.value.trim();
    if (!text) {
      notice(problem, null);
      return draft.focus();
    }
    const message = /** @type {Message} */ ({ role: 'user', content: text });
    state.messages.push(message);
    draft.value = '';
    draft.dispatchEvent(new Event('input'));
    log.querySelector('.unanswered')?.remove();
    log.append(bubble(message).item);
    showEmpty();
    toEnd();
    answer();
  }

  function answer() {
    notice(problem, null);
    log.querySelector('.unanswered')?.remove();
    startedAt = performance.now();
    waiting = !slot.model;
    if (!waiting) return void run();
    if (slot.state === 'busy') return showRunning(true);
    waitOver();
  }

  function waitOver() {
    waiting = false;
    showRunning(false);
    if (slot.model || slot.state === 'failed') return;
    const actions = [{ label: 'Choose a model', run: onChoose }, { label: 'Retry', run: answer }];
    notice(problem, { kind: 'info', text: 'Your message is kept; it needs a model to answer.', actions });
  }

  /** @param {Message[]} conversation @param {any} options @param {AbortSignal} signal @param {(piece: any) => void} onPiece */
  async function ask(conversation, options, signal, onPiece) {
    const asked = system.value.trim() ? [{ role: 'system', content: system.value.trim() }] : [];
    const messages = [...asked, ...conversation.map(({ role, content }) => ({ role, content }))];
    await slot.use(async (model) => {
      for await (const piece of model.generate(messages, { ...options, signal })) {
        if (signal.aborted) break;
        const follow = nearEnd();
        onPiece(piece);
        if (follow) toEnd();
      }
    });
  }

  async function run() {
    const abort = running = new AbortController();
    const conversation = state.messages; /* "New chat" gives the tab another one */
    const meter = new Meter();
    const options = optionsOf(state.settings);
    const reply = /** @type {Message} */ ({ role: 'assistant', content: '' });
    const { item, body } = bubble(reply);
    const reading = readingLine(body);
    item.append(reading.line);
    log.append(item);
    const growing = new GrowingText(body);
    showEmpty();
    showRunning(true);
    toEnd();
    let finish = '';
    /** At the end, or at once when a person stops it: the engine needs a moment more. @param {unknown} failure */
    const over = (failure) => {
      if (running !== abort) return;
      running = null;
      showRunning(false);
      reading.end();
      growing.finish();
      onSpeed(meter.rate);
      reply.content = growing.text;
      reply.note = abort.signal.aborted ? 'Stopped.' : NOTES[finish]?.(options.max_new_tokens);
      const follow = nearEnd();
      if (reply.content || (!failure && !abort.signal.aborted)) {
        conversation.push(reply);
        close(item, reply);
      } else item.remove();
      memory.save();
      showEmpty();
      if (failure) showFailure(failure);
      else showUnanswered();
      if (follow) toEnd();
    };
    abort.signal.addEventListener('abort', () => over(null));
    try {
      await ask(conversation, options, abort.signal, (piece) => {
        reading.show(piece);
        growing.push(piece.text);
        meter.tick(piece.tokenId);
        if (piece.finish) finish = String(piece.finish);
        if (meter.tokens % 8 === 0) onSpeed(meter.rate);
      });
      over(null);
    } catch (error) {
      over(isAbort(error) ? null : error);
    }
  }

  /** What there is to see until the first word: a long conversation takes a while to read. @param {HTMLElement} body */
  function readingLine(body) {
    const bar = el('progress', { 'aria-label': 'Read of the conversation' });
    const line = el('div', { class: 'reading', 'aria-live': 'off' }, el('span', { class: 'hint', text: 'Reading' }), bar);
    body.hidden = true;
    const end = () => {
      line.remove();
      body.hidden = false;
    };
    /** @param {any} piece */
    const show = ({ tokenId, promptDone, promptTotal }) => {
      if (tokenId >= 0) end();
      else if (promptTotal) [bar.max, bar.value] = [promptTotal, promptDone];
    };
    return { line, show, end };
  }

  /** @param {unknown} error */
  function showFailure(error) {
    const retry = async () => {
      if (state.messages.at(-1)?.role === 'assistant') state.messages.pop();
      render();
      showRunning(true);
      await slot.revive(error);
      answer();
    };
    const shorter = /** @type {any} */ (error)?.code === 'LQ_E_CONTEXT' && state.messages.length > 2
      ? [{ label: 'Forget the oldest messages', run: () => { state.messages.splice(0, 2); retry(); } }] : [];
    notice(problem, { text: sentence(error), actions: [...shorter, { label: 'Retry', run: retry }] });
  }

  function regenerate() {
    if (running) return;
    if (state.messages.at(-1)?.role === 'assistant') state.messages.pop();
    log.lastElementChild?.remove();
    answer();
  }

  function clear() {
    running?.abort();
    const before = state.messages;
    state.messages = [];
    memory.save();
    render();
    notice(problem, { kind: 'info', text: `${before.length === 1 ? '1 message' : `${count(before.length)} messages`} removed.`, actions: [{
      label: 'Undo', run: () => { state.messages = before; memory.save(); render(); },
    }] });
    draft.focus();
  }

  function stop() {
    if (waiting) waitOver();
    running?.abort();
  }

  function showModels() {
    const box = byId('chat-models-list');
    if (!slot.model && slot.state !== 'busy') listModels(box, { task: 'chat', onChoose: onSource });
    showEmpty();
  }

  byId('composer').addEventListener('submit', (/** @type {Event} */ e) => {
    e.preventDefault();
    if (!running && !waiting) send();
    else if (performance.now() - startedAt > 350) stop();
  });
  draft.addEventListener('keydown', (/** @type {KeyboardEvent} */ e) => {
    if (e.key !== 'Enter' || e.shiftKey || e.ctrlKey || e.metaKey || e.isComposing || !hasKeyboard()) return;
    e.preventDefault();
    if (!running && !waiting) send();
  });
  draft.addEventListener('input', keep);
  system.addEventListener('input', keep);
  byId('settings-toggle').addEventListener('click', () => {
    const box = byId('settings-box');
    box.hidden = !box.hidden;
    byId('settings-toggle').setAttribute('aria-expanded', String(!box.hidden));
  });
  byId('chat-clear').addEventListener('click', clear);
  byId('chat-more').addEventListener('click', onChoose);

  draft.value = state.draft;
  system.value = state.system;
  settingsForm(byId('settings'), byId('settings-reset'), state.settings, () => memory.save());
  byId('settings-reset').addEventListener('click', () => { system.value = SYSTEM; keep(); });
  autoGrow(draft);
  loadStrip(byId('chat-load'), slot, { onOther, onChoose });
  let shown = '';
  slot.addEventListener('change', () => {
    if (slot.state !== shown) {
      shown = slot.state;
      showModels();
      showUnanswered();
    }
    if (!waiting || slot.state === 'busy') return;
    waiting = false;
    if (slot.model) run();
    else waitOver();
  });
  render();

  return {
    run: () => { if (!running && !waiting) send(); },
    stop,
    get busy() { return Boolean(running || waiting); },
    /** The list of models is made when the tab is looked at. */
    shown: showModels,
    focus: () => draft.focus({ preventScroll: true }),
  };
}
