// @ts-check
/* Chat settings, under the names of Hugging Face's generate(), each with one plain line. May import: ui.mjs. */

import { el } from './ui.mjs';

/** name, kind, what the page starts with, bounds, one line */
const FIELDS = /** @type {const} */ ([
  { name: 'do_sample', value: true, help: 'On: some chance in the choice of words. Off: always the likeliest word, the same answer every time.' },
  { name: 'temperature', value: 0.2, min: 0.01, max: 5, step: 'any', help: 'Low keeps to the likely words, high wanders.' },
  { name: 'top_k', value: 50, min: 0, max: 1000, step: 1, help: 'Chooses among this many likeliest pieces; 0 is no limit.' },
  { name: 'top_p', value: 0.9, min: 0.01, max: 1, step: 'any',
    help: 'Chooses among the likeliest pieces that together reach this share; 1 is no limit.' },
  { name: 'min_p', value: 0, min: 0, max: 1, step: 'any', help: 'Leaves out pieces less likely than this share of the likeliest one.' },
  { name: 'repetition_penalty', value: 1.05, min: 0.5, max: 3, step: 'any', help: 'Above 1, words already used become less likely.' },
  { name: 'max_new_tokens', value: 512, min: 1, max: 8192, step: 1,
    help: 'An answer stops after this many pieces, each about three quarters of a word.' },
  { name: 'seed', value: '', min: 0, max: 4294967295, step: 1, help: 'The same number gives the same answer again; empty is a new one each time.' },
]);

/** Without it a model as small as SmolLM2 wanders: asked for the capital of France it may answer in French, about something else. */
export const SYSTEM = 'You are a helpful assistant. Give short, clear answers.';

export const DEFAULTS = Object.fromEntries(FIELDS.map((f) => [f.name, f.value]));

/**
 * @param {HTMLElement} box
 * @param {HTMLElement} reset button that brings the defaults back
 * @param {Record<string, any>} values changed in place
 * @param {() => void} onChange
 */
export function settingsForm(box, reset, values, onChange) {
  const inputs = FIELDS.map((field) => {
    const id = `set-${field.name}`;
    const check = typeof field.value === 'boolean';
    const help = el('p', { id: `${id}-help`, class: 'hint', 'aria-live': 'polite', text: field.help });
    const say = (/** @type {string} */ refused) => {
      help.textContent = refused || field.help;
      help.classList.toggle('bad', Boolean(refused));
    };
    const input = check ? el('input', { id, type: 'checkbox', 'aria-describedby': `${id}-help` })
      : el('input', { id, type: 'number', inputmode: 'decimal', min: field.min, max: field.max, step: field.step, 'aria-describedby': `${id}-help` });
    const show = () => { say(''); if (check) input.checked = Boolean(values[field.name]); else input.value = values[field.name]; };
    show();
    input.addEventListener('change', () => {
      if (!input.checkValidity()) {
        const typed = input.value;
        show();
        const takes = `${!check && field.step === 1 ? 'a whole number' : 'a number'} from ${input.min} to ${input.max}`;
        return say(`${typed || 'That'} is not taken: ${field.name} is ${takes}. It stays ${input.value || 'empty'}.`);
      }
      values[field.name] = check ? input.checked : input.value === '' ? field.value : Number(input.value);
      show();
      onChange();
    });
    box.append(el('div', { class: 'field' }, el('label', { for: id }, el('code', { text: field.name })), input, help));
    return show;
  });
  reset.addEventListener('click', () => { Object.assign(values, DEFAULTS); for (const show of inputs) show(); onChange(); });
}

/**
 * What the engine is asked for: sampling's own options only while it is on, and a new seed each time unless one was chosen.
 * @param {Record<string, any>} values
 */
export function optionsOf(values) {
  const { do_sample, temperature, top_k, top_p, min_p, repetition_penalty, max_new_tokens, seed } = { ...DEFAULTS, ...values };
  return {
    do_sample, repetition_penalty, max_new_tokens,
    ...(do_sample ? { temperature, top_k, top_p, min_p, seed: seed === '' ? Math.floor(Math.random() * 2 ** 32) : seed } : {}),
  };
}
