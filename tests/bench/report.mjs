// @ts-check
/* Medians, ratios inside a round, and Markdown. */

/**
 * @typedef {object} Visit
 * @property {string} engine
 * @property {number} threads
 * @property {number} loadMs
 * @property {number} ttftMs to the first token behind the short prompt
 * @property {number} promptTps
 * @property {number} promptPerCpu tokens per CPU second of the renderer
 * @property {number} genTps
 * @property {number} genPerCpu
 * @property {number} nPrompt tokens of the long prompt
 * @property {number} nShort tokens of the short prompt
 * @property {number} nGen
 * @property {string} text
 * @property {string} kernels
 * @property {number | null} peakMb
 * @property {number} others cores that other programs used meanwhile
 */

/** @param {number[]} values */
export function median(values) {
  const a = values.filter(Number.isFinite).sort((x, y) => x - y);
  const mid = a.length >> 1;
  return a.length === 0 ? NaN : a.length % 2 ? a[mid] : (a[mid - 1] + a[mid]) / 2;
}

const show = (/** @type {number} */ x) => (!Number.isFinite(x) ? '–' : x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));
const row = (/** @type {(string | number)[]} */ cells) => `| ${cells.map((c) => (typeof c === 'number' ? show(c) : c)).join(' | ')} |`;
const table = (/** @type {string[]} */ head, /** @type {(string | number)[][]} */ rows) =>
  [row(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(row)].join('\n');

const FIELDS = /** @type {const} */ (['loadMs', 'ttftMs', 'promptTps', 'promptPerCpu', 'genTps', 'genPerCpu', 'peakMb', 'others']);

/** @param {Visit[][]} rounds */
function speeds(rounds) {
  const keys = [...new Map(rounds.flat().map((v) => [`${v.engine} ${v.threads}`, v])).values()].sort(
    (a, b) => a.threads - b.threads || a.engine.localeCompare(b.engine),
  );
  return table(
    [
      'engine',
      'threads',
      'load ms',
      'first token ms',
      'prompt tokens/s',
      'per CPU second',
      'generated tokens/s',
      'per CPU second',
      'peak MB',
      'cores of others',
    ],
    keys.map((k) => {
      const same = rounds.flat().filter((v) => v.engine === k.engine && v.threads === k.threads);
      return [k.kernels ? `${k.engine} (${k.kernels})` : k.engine, String(k.threads), ...FIELDS.map((f) => median(same.map((v) => v[f] ?? NaN)))];
    }),
  );
}

/** Loquat over wllama within each round: smallest, median, largest. @param {Visit[][]} rounds */
export function ratios(rounds) {
  const counts = [...new Set(rounds.flat().map((v) => v.threads))].sort((a, b) => a - b);
  return counts.map((threads) => {
    const pairs = rounds
      .map((r) => [r.find((v) => v.engine === 'loquat' && v.threads === threads), r.find((v) => v.engine === 'wllama' && v.threads === threads)])
      .filter(([a, b]) => a && b);
    const of = (/** @type {typeof FIELDS[number]} */ f, faster = 1) =>
      pairs
        .map(([a, b]) => (Number(a?.[f]) / Number(b?.[f])) ** faster)
        .filter(Number.isFinite)
        .sort((x, y) => x - y);
    return {
      threads,
      load: of('loadMs', -1),
      first: of('ttftMs', -1),
      prompt: of('promptTps'),
      promptCpu: of('promptPerCpu'),
      gen: of('genTps'),
      genCpu: of('genPerCpu'),
      memory: of('peakMb'),
    };
  });
}

/** @param {number[]} sorted */
const spread = (sorted) => (sorted.length ? `${show(sorted[0])} / **${show(median(sorted))}** / ${show(sorted[sorted.length - 1])}` : '–');

/** @param {any} results of run.mjs */
export function markdown(results) {
  const parts = [
    `# Measured ${results.date}`,
    `${results.machine}; Chromium ${results.chromium}; load average ${results.load.map(show).join(', ')} at the start.`,
  ];
  if (results.rounds.length) {
    const v = results.rounds[0][0];
    parts.push(
      `## ${results.model} in Chromium, beside wllama 3.8.1`,
      `${results.rounds.length} interleaved rounds, medians; greedy; prompt of ${v.nPrompt} tokens, then ${v.nGen} tokens behind one of ${v.nShort}.`,
      speeds(results.rounds),
      'Loquat over wllama inside one round (smallest / median / largest; above 1 is faster, for memory below 1 is less):',
      table(
        ['threads', 'load', 'first token', 'prompt', 'prompt per CPU second', 'generation', 'generation per CPU second', 'peak memory'],
        ratios(results.rounds).map((r) => [String(r.threads), ...[r.load, r.first, r.prompt, r.promptCpu, r.gen, r.genCpu, r.memory].map(spread)]),
      ),
    );
    parts.push(
      results.problems.length
        ? `Not as expected: ${results.problems.join('; ')}.`
        : 'All texts follow the recorded greedy text, with the same token counts.',
    );
  }
  if (results.startup) {
    const { cold, warm, peakMb } = results.startup;
    const m = (/** @type {string} */ f) => median(warm.map((/** @type {any} */ w) => w[f]));
    parts.push(
      '## Start of the page (translation, ms from the start of the navigation)',
      table(
        ['visit', 'first paint', 'model ready', 'first translated word'],
        [
          ['first, empty profile', cold.paintMs, cold.readyMs, cold.wordMs],
          [`again, median of ${warm.length}`, m('paintMs'), m('readyMs'), m('wordMs')],
        ],
      ),
      `Peak memory of the renderer: ${peakMb ?? '–'} MB.`,
    );
  }
  if (results.native) {
    parts.push(
      '## Native, build/loquat bench',
      table(
        ['kernels', 'threads', 'load ms', 'prompt tokens/s', 'generated tokens/s'],
        results.native.map((/** @type {any} */ n) => [n.kernels, String(n.threads), n.load_ms, n.prompt_per_second, n.generated_per_second]),
      ),
    );
  }
  if (results.sizes) {
    parts.push(
      '## Sizes',
      table(
        ['file', 'bytes', 'brotli'],
        results.sizes.map((/** @type {any} */ s) => [s.file, String(s.bytes), String(s.brotli)]),
      ),
    );
  }
  return `${parts.join('\n\n')}\n`;
}
