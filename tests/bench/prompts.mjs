// @ts-check
/* What is asked of the chat model. */

import { readFileSync } from 'node:fs';

/* Recorded greedy texts of the model (tests/golden): the prompt whose quantised and float32 answers agree for 64 tokens. */
const golden = JSON.parse(readFileSync(new URL('../golden/smollm2.json', import.meta.url), 'utf8')).prompts[1];
const SAME = 60; /* characters that every engine has to share with the record; later ones may part where two tokens are nearly even */

/** 44 tokens. */
export const generationPrompt = /** @type {string} */ (golden.prompt);

/** How a text parts from the record, as a sentence; '' when it does not. @param {string} text */
export function parting(text) {
  const want = golden.f32.text;
  let n = 0;
  while (n < text.length && text[n] === want[n]) n++;
  return n >= Math.min(SAME, text.length) && n > 0
    ? ''
    : `the text parts from the recorded one after ${n} characters: ${JSON.stringify(text.slice(0, 80))}`;
}

const SENTENCES = [
  'The harbour of the little town lies open to the west, and in winter the storms come straight in from the sea.',
  'Nobody there remembers who built the old stone pier, although every child has counted its steps.',
  'In spring the boats are painted blue and green, and the nets hang between the houses to dry.',
  'A baker, two teachers and a retired engineer meet each Thursday to play cards in the room above the shop.',
  'They disagree about politics, about football and about how long tea should stand, but never about the weather.',
]; /* about 21 tokens each */

/** Plain English of about n tokens. @param {number} n */
export function longPrompt(n) {
  const count = Math.max(1, Math.round(n / 21));
  return Array.from({ length: count }, (_, i) => SENTENCES[i % SENTENCES.length]).join(' ');
}
