// @ts-check
/* The command line's own figures on the same model: build/loquat bench. */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './browser.mjs';

/**
 * @param {string} model
 * @param {number[]} threads
 * @returns {any[] | null} rows of kernels, threads, load_ms, prompt_tokens, prompt_per_second, generated_per_second; null: not built
 */
export function nativeRows(model, threads) {
  const loquat = join(ROOT, 'build/loquat');
  if (!existsSync(loquat)) return null;
  const run = spawnSync(loquat, ['bench', '-m', model, '-p', '512', '-n', '64', '-t', threads.join(','), '--json'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (run.status !== 0) throw new Error(`loquat bench ended with ${run.status ?? run.signal}`);
  return JSON.parse(run.stdout);
}
