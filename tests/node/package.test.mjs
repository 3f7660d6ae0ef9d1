// @ts-check
/* The npm package: what it holds, and that the types in every module's comments hold together. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const TOP = fileURLToPath(new URL('../..', import.meta.url));
const TSC = path.join(TOP, 'node_modules/typescript/bin/tsc');
const NPM = spawnSync('npm', ['--version']).status === 0;

const noTsc = !existsSync(TSC) && 'SKIP: the development packages are not installed (npm ci)';

test('the types hold together (tsc over web/ and tests/)', { skip: noTsc }, () => {
  const done = spawnSync(process.execPath, [TSC, '--project', TOP], { encoding: 'utf8' });
  assert.equal(done.stdout, '');
  assert.equal(done.status, 0, done.stderr);
});

test('the package holds the engine and its modules, and nothing else', { skip: !NPM && 'SKIP: npm is not installed' }, () => {
  const done = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: TOP, encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
  const files = JSON.parse(done.stdout)[0].files.map((/** @type {any} */ f) => f.path).sort();
  assert.deepEqual(files, ['LICENSE', 'README.md', 'package.json', 'web/engine.mjs', 'web/loquat-mt.mjs', 'web/loquat-relaxed-mt.wasm',
    'web/loquat-relaxed.wasm', 'web/loquat-simd-mt.wasm', 'web/loquat-simd.wasm', 'web/loquat.mjs', 'web/source.mjs', 'web/wasm.mjs',
    'web/worker.mjs']);
});

test('the package has no dependency, and what it exports is there', async () => {
  const made = JSON.parse(readFileSync(path.join(TOP, 'package.json'), 'utf8'));
  assert.equal(made.dependencies, undefined);
  for (const file of Object.values(made.exports)) assert.ok(existsSync(path.join(TOP, String(file))), String(file));
  const { Model, LoquatError } = await import('loquat'); // by its own name
  assert.equal(typeof Model.load, 'function');
  assert.ok(new LoquatError('LQ_E_ARG', 'x') instanceof Error);
});

test('the lines that the README shows for embedding run as they stand', () => {
  const lines = /## Embedding\n\n((?: {4}.*\n)+)/.exec(readFileSync(path.join(TOP, 'README.md'), 'utf8'))?.[1] ?? '';
  assert.ok(lines.includes('Model.load'));
  const done = spawnSync(process.execPath, ['--input-type=module', '-e', lines], { cwd: TOP, encoding: 'utf8', timeout: 30000 });
  assert.equal(done.stdout, "I'm a student\n", done.stderr);
});

test('the lock names no registry', () => {
  assert.doesNotMatch(readFileSync(path.join(TOP, 'package-lock.json'), 'utf8'), /"resolved"/);
});
