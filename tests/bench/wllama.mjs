// @ts-check
/* wllama 3 behind the same calls as web/bench.mjs: window.runBench({model, prompt, nPredict, threads, nCtx, ignoreEos}). */

const quiet = { debug() {}, log() {}, warn() {}, error() {} };
/** @type {any} */ let engine;
let key = '';
let loadMs = 0;

/** @param {any} request */
async function ensure({ model, threads, nCtx }) {
  const wanted = JSON.stringify([model, threads, nCtx]);
  if (key === wanted) return;
  await engine?.exit();
  const t0 = performance.now();
  const { Wllama } = await import(new URL('/peers/@wllama/wllama/esm/index.min.js', location.href).href);
  engine = new Wllama({ default: '/peers/@wllama/wllama/esm/wasm/wllama.wasm' }, { logger: quiet });
  engine.setCompat(null);
  await engine.loadModelFromUrl(new URL(model, location.href).href, { n_threads: threads, n_ctx: nCtx, n_gpu_layers: 0, n_parallel: 1 });
  loadMs = performance.now() - t0;
  key = wanted;
}

/** @param {any} request */
async function runBench(request) {
  await ensure(request);
  const out = { loadMs, text: '', nPrompt: 0, nGen: 0, ttftMs: 0, promptTps: 0, genTps: /** @type {number | null} */ (null) };
  let [first, last] = [0, 0];
  const t0 = performance.now();
  await engine.createCompletion({
    prompt: request.prompt,
    max_tokens: request.nPredict,
    temperature: 0,
    top_k: 1,
    cache_prompt: false,
    ignore_eos: Boolean(request.ignoreEos),
    timings_per_token: true,
    stream: true,
    onData: (/** @type {any} */ chunk) => {
      out.text += chunk.choices?.[0]?.text ?? '';
      const t = chunk.timings;
      if (!t) return;
      out.nPrompt = t.prompt_n;
      if (t.predicted_n <= out.nGen) return;
      last = performance.now();
      if (!first) {
        first = last;
        /** @type {any} */ (window).benchMark?.();
      }
      out.nGen = t.predicted_n;
    },
  });
  out.ttftMs = first - t0;
  out.promptTps = (out.nPrompt / out.ttftMs) * 1e3;
  if (out.nGen > 1) out.genTps = ((out.nGen - 1) / (last - first)) * 1e3;
  return out;
}

Object.assign(window, { runBench, benchReady: true });
