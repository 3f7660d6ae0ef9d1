// @ts-check
/* Bytes of what a page downloads, as brotli at its best. */

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { ROOT } from './browser.mjs';

/** Every .wasm and .mjs of web/ but the server's. @returns {{file: string, bytes: number, brotli: number}[]} */
export function moduleSizes() {
  return readdirSync(join(ROOT, 'web'))
    .filter((f) => /\.(wasm|mjs)$/.test(f) && f !== 'serve.mjs')
    .sort()
    .map((file) => {
      const bytes = readFileSync(join(ROOT, 'web', file));
      const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } };
      return { file, bytes: bytes.length, brotli: brotliCompressSync(bytes, options).length };
    });
}
