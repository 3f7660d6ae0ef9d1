// @ts-check
/* The command line's own figures on the same model: build/loquat bench. */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './browser.mjs';

/**
 * @param {string} model
 * @param {number[]} threads
 * @returns {{kernels: string, threads: number, load_ms: number, prompt_tokens: number, prompt_per_second: number, generated_per_second: number}[] | null} null: not built
 */
export function nativeRows(model, threads) {
  const loquat = join(ROOT, 'build/loquat');
  if (!existsSync(loquat)) return null;
  const run = spawnSync(loquat, ['bench', '-m', model, '-p', '512', '-n', '64', '-t', threads.join(','), '--json'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  if (run.status !== 0) throw new Error(`loquat bench ended with ${run.status ?? run.signal}`);
  return JSON.parse(run.stdout);
}
