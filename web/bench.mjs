// @ts-check
/* What benchmark harnesses call, on the real engine, in a page or in any module that imports it:
 *   runBench({model, prompt, nPredict, threads, nCtx, ignoreEos}) -> {loadMs, promptTps, genTps, ttftMs, nPrompt, nGen, text, ids}
 *   runBench({model, sentences, maxTokens, threads})              -> {loadMs, seconds, outputTokens, texts}
 *   runEmbed({model, sentences, batch, dtype, seconds, want})     -> {loadMs, sps, vectors}
 * One engine is kept loaded and used again while model, threads, nCtx and build stay the same; loadMs is that of the load that made it.
 * May import: engine.mjs. */

import { LoquatError, Model } from './engine.mjs';

/**
 * @typedef {object} Request
 * @property {string | Blob} model address of a GGUF file, or a name under /models/
 * @property {number} [threads] default: the engine's choice
 * @property {number} [nCtx]
 * @property {'relaxed-mt' | 'simd-mt' | 'relaxed' | 'simd'} [build] default: the engine's choice
 * @property {AbortSignal} [signal]
 * @property {string} [dtype] which of a model's files: fp32, q8...; default: the one there is
 *
 * @typedef {Request & {prompt: string, nPredict: number, ignoreEos?: boolean}} GenerateRequest
 * @typedef {Request & {sentences: string[], maxTokens?: number, from?: string, to?: string}} TranslateRequest
 */

/** @type {{key: string, model: Model, loadMs: number} | null} */
let kept = null;

/** The engine for a request, loaded unless the last one fits. @param {Request} request */
async function ensure({ model, threads, nCtx, build, signal, dtype }) {
  const key = JSON.stringify([typeof model === 'string' ? model : [/** @type {any} */ (model).name, model.size], threads, nCtx, build, dtype]);
  if (kept?.key === key) return kept;
  release();
  const source = typeof model === 'string' ? await addressOf(model, dtype) : model;
  const t0 = performance.now();
  const loaded = await Model.load(source, { threads, nCtx, build, signal });
  kept = { key, model: loaded, loadMs: performance.now() - t0 };
  return kept;
}

/** Frees the engine. */
export function release() {
  kept?.model.dispose();
  kept = null;
}

/** What the kept engine says it is: architecture, kernels, threads... */
export const info = () => kept?.model.info ?? null;

/**
 * A path or address is taken as it is. A bare name is looked for where the harnesses keep models: a GGUF file first.
 * @param {string} model @param {string} [dtype] looked for first, by the engine's own name of it
 */
async function addressOf(model, dtype) {
  if (/\.gguf($|[?#])/.test(model)) return model;
  const name = model.includes('/') ? model : `/models/${model}`;
  const there = (/** @type {string} */ url) =>
    fetch(url, { method: 'HEAD' }).then(
      (r) => r.ok,
      () => false,
    );
  const type = dtype && ({ fp32: 'f32', fp16: 'f16', q8: 'q8_0' }[dtype] ?? dtype);
  for (const url of [...(type ? [`${name}-${type}.gguf`] : []), `${name}.gguf`, `${name}/model.gguf`]) if (await there(url)) return url;
  const marian = await there(`${name}/model.bin`);
  throw new LoquatError(
    'LQ_E_UNSUPPORTED',
    marian
      ? `the model ${model} is a Marian binary (${name}/model.bin), which this version does not run; it runs GGUF files`
      : `there is no GGUF file for the model ${model} (looked for ${name}.gguf and ${name}/model.gguf); this version runs no other format`,
  );
}

/** @param {any} request a GenerateRequest or a TranslateRequest @returns {Promise<any>} */
export async function runBench(request) {
  try {
    if (Array.isArray(request?.sentences)) return await translate(request);
    if (typeof request?.prompt === 'string') return await generate(request);
  } catch (error) {
    if (/** @type {any} */ (error).code === 'LQ_E_TRAP') release(); /* the next call loads anew */
    throw error;
  }
  throw new LoquatError('LQ_E_ARG', 'runBench needs a prompt (generation) or sentences (translation)');
}

/**
 * Reads a stream to its end and keeps the times of its first and last token.
 * @param {ReadableStream<import('./engine.mjs').Piece> & AsyncIterable<import('./engine.mjs').Piece>} stream
 */
async function timed(stream) {
  const out = { text: '', ids: /** @type {number[]} */ ([]), nPrompt: 0, first: 0, last: 0 };
  for await (const p of stream) {
    out.text += p.text;
    if (p.promptTotal) out.nPrompt = p.promptTotal;
    if (p.tokenId < 0) continue;
    out.last = performance.now();
    if (!out.ids.length) {
      out.first = out.last;
      /** @type {any} */ (globalThis).benchMark?.();
    }
    out.ids.push(p.tokenId);
  }
  return out;
}

/** With ignoreEos exactly nPredict tokens. @param {GenerateRequest} request */
async function generate(request) {
  const { model, loadMs } = await ensure(request);
  const { prompt, nPredict, ignoreEos, signal } = request;
  const t0 = performance.now();
  const r = await timed(model.generate(prompt, { max_new_tokens: nPredict, ...(ignoreEos ? { min_new_tokens: nPredict } : {}), signal }));
  const [ttftMs, nGen] = [r.first - t0, r.ids.length];
  return {
    loadMs,
    ttftMs,
    totalMs: performance.now() - t0,
    nPrompt: r.nPrompt,
    nGen,
    text: r.text,
    ids: r.ids,
    promptTps: (r.nPrompt / ttftMs) * 1e3,
    genTps: nGen > 1 ? ((nGen - 1) / (r.last - r.first)) * 1e3 : null,
  };
}

/**
 * All sentences in one call, a line each, so that the engine may batch them. With maxTokens every sentence gets exactly that many tokens.
 * @param {TranslateRequest} request
 */
async function translate(request) {
  const { model, loadMs } = await ensure(request);
  const { sentences, maxTokens, signal } = request;
  const [from, to] = [request.from ?? model.info.languages?.[0], request.to ?? model.info.languages?.[1]];
  const exact = maxTokens ? { max_new_tokens: maxTokens, min_new_tokens: maxTokens } : {};
  const t0 = performance.now();
  const r = await timed(model.translate(sentences.map((s) => s.replace(/\s+/g, ' ')).join('\n'), { from, to, ...exact, signal }));
  return {
    loadMs,
    seconds: (performance.now() - t0) / 1e3,
    outputTokens: r.ids.length,
    ttftMs: r.first - t0,
    genTps: r.ids.length > 1 ? ((r.ids.length - 1) / (r.last - r.first)) * 1e3 : null,
    texts: r.text.split('\n'),
    text: r.text,
  };
}

/**
 * Sentence embeddings, mean pooled and normalised, batch by batch for so many seconds; vectors of the first `want` sentences.
 * @param {Request & {sentences: string[], batch?: number, dtype?: string, seconds?: number, want?: number}} request
 */
export async function runEmbed({ sentences, batch = 1, dtype, seconds = 3, want = 0, ...request }) {
  const { model, loadMs } = await ensure({ ...request, dtype });
  if (!model.info.tasks.includes('embed'))
    throw new LoquatError(
      'LQ_E_TASK',
      `the architecture ${model.info.architecture} gives no sentence embeddings; the model is made for ${model.info.tasks.join(', ')}`,
    );
  const run = (/** @type {string[]} */ texts) => model.embed(texts, { pooling: 'mean', normalize: true });
  await run(sentences.slice(0, batch));
  let n = 0;
  const t0 = performance.now();
  for (let i = 0; performance.now() - t0 < seconds * 1e3; i = (i + batch) % sentences.length) n += (await run(sentences.slice(i, i + batch))).length;
  const sps = (n / (performance.now() - t0)) * 1e3;
  return { loadMs, sps, vectors: want ? (await run(sentences.slice(0, want))).map((v) => [...v]) : undefined };
}

if (typeof window !== 'undefined')
  Object.assign(window, { runBench, runEmbed, benchReady: true, contestantInfo: () => ({ engine: 'loquat', ...info() }) });
