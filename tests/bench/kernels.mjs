// @ts-check
/* make bench-kernels: every kernel table, native and in Chromium, beside ceilings measured in the same run.
 * The wasm part needs the toolchain of wasm/ and is left out, with a word, where there is none. Writes build/bench/kernels.json and .md. */

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installPeers, openBrowser, ROOT, serve } from './browser.mjs';

const OUT = join(ROOT, 'build/bench');
const BUILDS = /** @type {Record<string, string[]>} */ ({ simd: [], relaxed: ['-mrelaxed-simd'] });

/** Builds kernels.c for each wasm build into build/bench. @returns {boolean} false: there is no toolchain */
function buildWasm() {
  const tool = join(ROOT, 'wasm/toolchain.sh');
  const found = spawnSync(tool, ['dir'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  if (found.status !== 0) return false;
  const dir = found.stdout.trim();
  for (const room of ['kernel', 'quant', 'base']) cpSync(join(ROOT, 'src', room), join(dir, 'bench/src', room), { recursive: true });
  for (const f of ['kernels.c', 'peaks.c', 'peaks.h']) copyFileSync(join(ROOT, 'tests/bench', f), join(dir, 'bench', f));
  for (const [build, flags] of Object.entries(BUILDS)) {
    const command =
      `cd bench && emcc -std=c11 -D_GNU_SOURCE -DNDEBUG -O3 -msimd128 ${flags.join(' ')} -ffp-contract=off -Isrc` +
      ` kernels.c peaks.c src/kernel/*.c src/quant/*.c` +
      ` -sMODULARIZE -sEXPORT_ES6 -sENVIRONMENT=web -sSINGLE_FILE -sALLOW_MEMORY_GROWTH -sINITIAL_MEMORY=320MB -o kernels-${build}.mjs`;
    execFileSync(tool, ['run', 'sh', '-c', command], { stdio: ['ignore', 'inherit', 'inherit'] });
    copyFileSync(join(dir, 'bench', `kernels-${build}.mjs`), join(OUT, `kernels-${build}.mjs`));
  }
  return true;
}

async function inChromium() {
  installPeers();
  const server = await serve({ '/built/': OUT, '/bench/': join(ROOT, 'tests/bench') });
  const browser = await openBrowser();
  try {
    const results = [];
    for (const build of Object.keys(BUILDS)) {
      const page = await browser.context.newPage();
      await page.goto(`${server.url}/bench/kernels.html`);
      await page.waitForFunction(() => /** @type {any} */ (window).runKernels);
      results.push([`Chromium, ${build}`, await page.evaluate((/** @type {string} */ b) => /** @type {any} */ (window).runKernels(b), build)]);
      await page.close();
    }
    return results;
  } finally {
    await browser.close();
    server.close();
  }
}

/** @param {string} where @param {any} r */
function markdown(where, r) {
  const ceilings = r.ceilings
    .map((/** @type {any} */ c) => `${c.name} ${c.gbytes ? `${c.gbytes.toFixed(1)} GB/s` : `${c.gmacs.toFixed(0)} G MAC/s`}`)
    .join(', ');
  const percent = (/** @type {number} */ x) => `${(100 * x).toFixed(0)} %`;
  const rows = r.kernels.map(
    (/** @type {any} */ k) =>
      `| ${k.table} | ${k.type}${k.packed ? ', packed' : ''} | ${k.matvec_gbytes.toFixed(1)} | ${percent(k.matvec_of_bandwidth)} | ` +
      `${k.matvec_gmacs.toFixed(1)} | ${k.matmul_gmacs.toFixed(1)} | ${percent(k.matmul_of_dot)} |`,
  );
  const head = `| table | weights | one row: GB/s | of reading | one row: G MAC/s | 64 rows: G MAC/s | of the best dot |\n|${'---|'.repeat(7)}`;
  return `## ${where}\n\nCeilings, one thread: ${ceilings}.\n\n${head}\n${rows.join('\n')}\n`;
}

mkdirSync(OUT, { recursive: true });
const tables = process.argv.slice(2);
/** @type {any[]} */
const results = [['Native', JSON.parse(execFileSync(join(OUT, 'kernels'), tables, { encoding: 'utf8' }))]];
if (process.env.BENCH_NATIVE_ONLY) console.error('Chromium left out: BENCH_NATIVE_ONLY is set.');
else if (buildWasm()) results.push(...(await inChromium()));
else console.error('Chromium left out: there is no wasm toolchain.');
const text = results.map(([where, r]) => markdown(where, r)).join('\n');
writeFileSync(join(OUT, 'kernels.json'), `${JSON.stringify(Object.fromEntries(results), null, 1)}\n`);
writeFileSync(join(OUT, 'kernels.md'), text);
console.log(text);
process.exit(0);
