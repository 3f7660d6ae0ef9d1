// @ts-check
/* Small helpers of the page: elements, notices, streamed text, remembered state. Text reaches the page as text only, never as
 * markup. May import: nothing. */

/**
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element "${id}".`);
  return found;
}

/**
 * @param {string} tag
 * @param {Record<string, any>} [props] text, class, onclick and friends, else attributes; false and null are left out
 * @param {...(Node | string | null)} children
 * @returns {any}
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === 'text') node.textContent = value;
    else if (name === 'class') node.className = value;
    else if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.filter((c) => c !== null));
  return node;
}

/** @param {string} path of a 24-unit icon, drawn as a line */
export function icon(path) {
  const ns = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(ns, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', 'icon');
  const line = document.createElementNS(ns, 'path');
  line.setAttribute('d', path);
  svg.append(line);
  return svg;
}

/**
 * One sentence with what can be done about it, in place of whatever the box said before.
 * @param {HTMLElement} box
 * @param {{text: string, kind?: 'error' | 'info', actions?: {label: string, run: () => void}[]} | null} what null clears
 */
export function notice(box, what) {
  box.replaceChildren();
  if (!what) return;
  const actions = (what.actions ?? []).map((a) => el('button', {
    type: 'button', class: 'quiet', text: a.label,
    onclick: () => { box.replaceChildren(); a.run(); },
  }));
  box.append(el('div', { class: `notice ${what.kind ?? 'error'}`, role: what.kind === 'info' ? 'status' : 'alert' },
    el('p', { text: what.text }), actions.length ? el('div', { class: 'actions' }, ...actions) : null));
}

const RTL = new Set(['ar', 'arc', 'ckb', 'dv', 'fa', 'he', 'ks', 'ps', 'sd', 'ug', 'ur', 'yi']);

/**
 * @param {HTMLElement} node
 * @param {string} language BCP 47; '' when unknown
 */
export function setLanguage(node, language) {
  node.lang = language;
  node.dir = language ? (RTL.has(language.split('-')[0]) ? 'rtl' : 'ltr') : 'auto';
}

/** @param {string} language */
export function languageName(language) {
  try {
    return new Intl.DisplayNames(['en'], { type: 'language' }).of(language) ?? language;
  } catch {
    return language;
  }
}

/** Text that grows. Eyes see every piece at once; screen readers hear whole sentences, because the part still growing is
 * hidden from them and finished sentences move into the part that is not. */
export class GrowingText {
  /** @param {HTMLElement} box */
  constructor(box) {
    this.box = box;
    this.tail = el('span', { class: 'tail', 'aria-hidden': 'true' });
    this.text = '';
    box.replaceChildren(this.tail);
    box.classList.add('growing');
  }

  /**
   * @param {string} piece
   * @param {boolean} [sentenceEnded] known from outside; else found in the text
   */
  push(piece, sentenceEnded) {
    this.text += piece;
    this.tail.append(piece);
    const tail = this.tail.textContent;
    sentenceEnded ??= tail.length > 20 && /([.!?…。！？][\s"'”»)]|\n)\s*$/.test(tail);
    if (sentenceEnded) this.settle();
  }

  settle() {
    const done = this.tail.textContent ?? '';
    this.tail.textContent = '';
    if (done) this.box.insertBefore(el('span', { text: done }), this.tail);
  }

  finish() {
    this.settle();
    this.tail.remove();
    this.box.classList.remove('growing');
  }
}

/**
 * What a person typed or chose, kept across reloads: each tab gets its own back, a new one what was last kept in any. Storage that is
 * refused (private mode, full) costs only the keeping.
 * @template {object} T
 * @param {string} name
 * @param {T} initial what is kept has the same types, or is left out
 * @param {() => void} [leaving] called when the page goes away, before the last of it is kept
 * @returns {{value: T, save: () => void}}
 */
export function remembered(name, initial, leaving) {
  const key = `loquat.${name}`;
  const value = { ...initial };
  const kind = (/** @type {any} */ v) => (Array.isArray(v) ? 'array' : typeof v);
  try {
    const kept = JSON.parse(sessionStorage.getItem(key) ?? localStorage.getItem(key) ?? '{}');
    for (const [k, v] of Object.entries(initial)) {
      if (kind(kept[k]) === kind(v) && (kept[k] !== null || v === null)) Object.assign(value, { [k]: kept[k] });
    }
  } catch { /* unreadable: start afresh */ }
  let unsaved = false;
  const write = () => {
    if (!unsaved) return;
    unsaved = false;
    const text = JSON.stringify(value);
    for (const storage of ['sessionStorage', 'localStorage']) {
      try { /** @type {any} */ (globalThis)[storage].setItem(key, text); } catch { /* kept in this tab only */ }
    }
  };
  addEventListener('pagehide', () => {
    leaving?.();
    write();
  });
  const save = () => {
    if (!unsaved) setTimeout(write, 200);
    unsaved = true;
  };
  return { value, save };
}

/**
 * Lets a text box grow with its text up to the limit its style sheet sets.
 * @param {HTMLTextAreaElement} box
 */
export function autoGrow(box) {
  if (CSS.supports('field-sizing', 'content')) return;
  const fit = () => {
    box.style.height = 'auto';
    box.style.height = `${box.scrollHeight + 2}px`;
  };
  box.addEventListener('input', fit);
  fit();
}

/**
 * @param {HTMLButtonElement} button whose label says "Copied" for a moment
 * @param {() => string} text
 */
export function copyButton(button, text) {
  const label = button.querySelector('.label') ?? button;
  const before = label.textContent;
  let timer = 0;
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text());
      label.textContent = 'Copied';
    } catch {
      label.textContent = 'Not allowed to copy';
    }
    clearTimeout(timer);
    timer = window.setTimeout(() => { label.textContent = before; }, 1600);
  });
}

/** Whether a keyboard is the likely way to type here. */
export const hasKeyboard = () => matchMedia('(pointer: fine)').matches;

/** @param {number} n */
export const count = (n) => n.toLocaleString('en');

/** Tokens per second of one answer, from its first token on. */
export class Meter {
  tokens = 0;
  #first = 0;
  #last = 0;

  /** @param {number} tokenId */
  tick(tokenId) {
    if (!(tokenId >= 0)) return;
    this.#last = performance.now();
    if (!this.tokens++) this.#first = this.#last;
  }

  /** 0 while there is too little to tell. */
  get rate() {
    return this.tokens > 2 && this.#last > this.#first ? ((this.tokens - 1) * 1000) / (this.#last - this.#first) : 0;
  }
}

/** @param {unknown} error */
export const isAbort = (error) => /** @type {any} */ (error)?.name === 'AbortError';

/** @param {unknown} error */
export function sentence(error) {
  const { message, code } = /** @type {any} */ (error ?? {});
  const text = String(message || error || 'Something failed without saying what.');
  const whole = /[.!?]$/.test(text) ? text : `${text}.`;
  return /^LQ_/.test(code) ? whole[0].toUpperCase() + whole.slice(1) : whole; /* other sentences may begin with the name of a host */
}
