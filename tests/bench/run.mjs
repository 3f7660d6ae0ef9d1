// @ts-check
/* make bench: Loquat beside wllama on the same model, prompts and token counts, in Chromium; then start-up, sizes and the native rows.
 * Interleaved: a round visits every engine and thread count once, in an order that alternates; every visit is a fresh profile. Ratios are
 * made inside a round. Wall seconds swing on a machine that others use; the renderer's CPU seconds hold still.
 *   BENCH_ROUNDS=3  BENCH_THREADS=1,2  BENCH_PROMPT=512 (tokens, about)  BENCH_GENERATE=64  BENCH_BUILD=name (of Loquat)
 *   BENCH_QUIET=0 (seconds to wait at most, before each visit, for the cores that it wants)
 *   BENCH_ONLY=engines,startup,sizes,native  BENCH_MODEL=models/file.gguf
 * Writes build/bench/results.json and results.md, prints the latter. Fails when the engines' texts part where they should agree. */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { arch, cpus, loadavg } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { installPeers, openBrowser, othersMeter, PEERS, ROOT, serve, waitQuiet } from './browser.mjs';
import { nativeRows } from './native.mjs';
import { generationPrompt, longPrompt, parting } from './prompts.mjs';
import { markdown } from './report.mjs';
import { moduleSizes } from './sizes.mjs';
import { startups } from './startup.mjs';

/** @typedef {import('./report.mjs').Visit} Visit */

const env = (/** @type {string} */ name, /** @type {string} */ otherwise) => process.env[name] || otherwise;
const rounds = Number(env('BENCH_ROUNDS', '3'));
const threads = env('BENCH_THREADS', '1,2').split(',').map(Number);
const nPrompt = Number(env('BENCH_PROMPT', '512'));
const nPredict = Number(env('BENCH_GENERATE', '64'));
const only = env('BENCH_ONLY', 'engines,startup,sizes,native').split(',');
const modelFile = resolve(ROOT, env('BENCH_MODEL', 'models/smollm2-135m-instruct-q4_1.gguf'));

const PAGES = /** @type {Record<string, string>} */ ({ wllama: '/bench/wllama.html', loquat: '/loquat/bench.html' });

/** Speed from CPU seconds, which come in steps of 0.01: too few of them tell nothing. @param {number} n @param {number} seconds */
const perSecond = (n, seconds) => (seconds >= 0.05 ? n / seconds : NaN);

/**
 * One engine in one fresh browser: load, warm up, produce, read a long prompt.
 * @param {{url: string}} server
 * @param {string} engine
 * @param {number} nThreads
 * @returns {Promise<Visit>}
 */
async function visit(server, engine, nThreads) {
  await waitQuiet(nThreads, Number(env('BENCH_QUIET', '0')));
  const others = othersMeter();
  const browser = await openBrowser();
  try {
    const page = await browser.context.newPage();
    let atFirst = NaN;
    await page.exposeFunction('benchMark', async () => {
      atFirst = (await browser.meter()).cpu;
    });
    await page.goto(server.url + PAGES[engine]);
    await page.waitForFunction(() => /** @type {any} */ (window).benchReady && crossOriginIsolated);
    const base = {
      model: `/models/${basename(modelFile)}`,
      threads: nThreads,
      nCtx: 2048,
      ignoreEos: true,
      build: engine === 'loquat' ? process.env.BENCH_BUILD : undefined,
    };
    const call = async (/** @type {any} */ a) => {
      atFirst = NaN;
      const { cpu } = await browser.meter();
      const r = await page.evaluate((/** @type {any} */ x) => /** @type {any} */ (window).runBench(x), { ...base, ...a });
      const end = (await browser.meter()).cpu;
      return { ...r, cpuPrompt: atFirst - cpu, cpuGen: end - atFirst };
    };
    const { loadMs } = await call({ prompt: generationPrompt, nPredict: 8 });
    const gen = await call({ prompt: generationPrompt, nPredict });
    const long = await call({ prompt: longPrompt(nPrompt), nPredict: 1 });
    const about = await page.evaluate(() => /** @type {any} */ (window).contestantInfo?.());
    const { all, peakMb } = await browser.meter();
    return {
      engine,
      threads: nThreads,
      loadMs,
      ttftMs: gen.ttftMs,
      promptTps: long.promptTps,
      promptPerCpu: perSecond(long.nPrompt, long.cpuPrompt),
      genTps: gen.genTps,
      genPerCpu: perSecond(gen.nGen - 1, gen.cpuGen),
      nPrompt: long.nPrompt,
      nShort: gen.nPrompt,
      nGen: gen.nGen,
      text: gen.text,
      kernels: about ? `${about.build}, ${about.kernels}` : '',
      peakMb,
      others: others(all),
    };
  } finally {
    await browser.close();
  }
}

/** @param {{url: string}} server @returns {Promise<Visit[][]>} */
async function engineRounds(server) {
  /** @type {Visit[][]} */
  const all = [];
  for (let round = 0; round < rounds; round++) {
    const order = threads.flatMap((t) => Object.keys(PAGES).map((e) => /** @type {[string, number]} */ ([e, t])));
    if (round % 2) order.reverse();
    /** @type {Visit[]} */
    const visits = [];
    for (const [engine, t] of order) {
      const v = await visit(server, engine, t);
      console.error(
        `round ${round + 1}/${rounds} ${engine}, ${t} thread${t > 1 ? 's' : ''}: load ${v.loadMs.toFixed(0)} ms, ` +
          `first token ${v.ttftMs.toFixed(0)} ms, ` +
          `prompt ${v.promptTps.toFixed(1)}/s (${v.promptPerCpu.toFixed(1)} per CPU second), ` +
          `generation ${v.genTps.toFixed(1)}/s (${v.genPerCpu.toFixed(1)})`,
      );
      visits.push(v);
    }
    all.push(visits);
  }
  return all;
}

/** What should agree between the engines, as sentences; none when all is well. @param {Visit[][]} all */
function disagreements(all) {
  const visits = all.flat();
  const problems = [];
  for (const v of visits) {
    if (v.nGen !== nPredict) problems.push(`${v.engine} produced ${v.nGen} tokens, not ${nPredict}`);
    if (v.nPrompt !== visits[0].nPrompt || v.nShort !== visits[0].nShort)
      problems.push(
        `${v.engine} counts ${v.nShort} and ${v.nPrompt} prompt tokens, ${visits[0].engine} ${visits[0].nShort} and ${visits[0].nPrompt}`,
      );
    const odd = parting(v.text);
    if (odd) problems.push(`${v.engine}, ${v.threads} threads: ${odd}`);
  }
  return [...new Set(problems)];
}

async function main() {
  if (only.includes('engines') && !existsSync(modelFile)) throw new Error(`there is no ${modelFile}; run "make models"`);
  installPeers();
  const server = await serve({
    '/loquat/': join(ROOT, 'web'),
    '/bench/': join(ROOT, 'tests/bench'),
    '/peers/': join(PEERS, 'node_modules'),
    '/models/': dirname(modelFile),
  });
  const browser = await openBrowser();
  const results = {
    date: new Date().toISOString().slice(0, 10),
    machine: `${arch()}, ${cpus().length} cores`,
    chromium: browser.version(),
    node: process.version,
    load: loadavg(),
    model: basename(modelFile),
    rounds: /** @type {Visit[][]} */ ([]),
    problems: /** @type {string[]} */ ([]),
    startup: /** @type {any} */ (null),
    sizes: /** @type {any} */ (null),
    native: /** @type {any} */ (null),
  };
  await browser.close();
  if (only.includes('engines')) results.rounds = await engineRounds(server);
  results.problems = disagreements(results.rounds);
  if (only.includes('startup')) results.startup = await startups(rounds);
  if (only.includes('sizes')) results.sizes = moduleSizes();
  if (only.includes('native')) results.native = nativeRows(modelFile, threads);
  server.close();
  const out = join(ROOT, 'build/bench');
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'results.json'), `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(join(out, 'results.md'), markdown(results));
  console.log(markdown(results));
  if (results.problems.length) throw new Error(results.problems.join('; '));
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(`bench: ${error.message}`);
    process.exit(1);
  },
);
