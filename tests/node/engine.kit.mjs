// @ts-check
/* What the engine's tests share. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { LoquatError } from '../../web/engine.mjs';

/** @typedef {import('../../web/engine.mjs').Piece} Piece */

const TOP = fileURLToPath(new URL('../..', import.meta.url));
export const FR_EN = path.join(TOP, 'models/fr-en.gguf');
export const TINY = path.join(TOP, 'models/tiny');
export const SMOLLM2 = path.join(TOP, 'models/smollm2-135m-instruct-q4_1.gguf');
export const LONG = 'Je suis étudiant. '.repeat(50);

/** A file's bytes in a buffer of their own. @param {string} file */
export const bytesOf = (file) => new Uint8Array(readFileSync(file)).buffer;
export const sleep = (/** @type {number} */ ms) => new Promise((done) => { setTimeout(done, ms); });

/** @param {AsyncIterable<Piece>} stream */
export async function collect(stream) {
  const pieces = [];
  for await (const p of stream) pieces.push(p);
  return pieces;
}

/** @param {AsyncIterable<Piece>} stream */
export const textOf = async (stream) => (await collect(stream)).map((p) => p.text).join('');

/** @param {Piece[]} pieces */
export const idsOf = (pieces) => pieces.filter((p) => p.tokenId >= 0).map((p) => p.tokenId);

/** A check for assert.rejects: the code, and a sentence that matches. @param {string} code @param {RegExp} [says] */
export const failsWith = (code, says = /\w+ \w+/) => (/** @type {any} */ e) => {
  assert.ok(e instanceof LoquatError || e?.constructor?.name === 'LoquatError', `${e?.stack ?? e}`);
  assert.equal(e.code, code, e.message);
  assert.match(e.message, says);
  return true;
};

/**
 * The engine from a copy of web/, so that a test may break it.
 * @param {(folder: string) => void} change
 * @param {(engine: typeof import('../../web/engine.mjs')) => Promise<void>} run
 */
export async function withBroken(change, run) {
  const folder = mkdtempSync(path.join(tmpdir(), 'loquat-'));
  try {
    cpSync(path.join(TOP, 'web'), folder, { recursive: true });
    change(folder);
    await run(await import(pathToFileURL(path.join(folder, 'engine.mjs')).href));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
