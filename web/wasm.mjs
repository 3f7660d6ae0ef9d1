// @ts-check
/* The wasm module: which build runs here, how it is started, and calls into it. Runs in the engine's worker. Imports nothing of the
 * page. Builds are tried from the fastest this place may run to the simplest; the C side names its statuses and modes (lqw_abi). */

/** @typedef {'relaxed-mt' | 'simd-mt' | 'relaxed' | 'simd'} Build */
/** @typedef {{version: string, status: string[], finish: string[], mode: string[]}} Abi */
/** @typedef {{wasm: Wasm, build: Build, threads: number, note: string}} Started note: why a better build does not run; '' if none failed */

/** What a worker's caller is told: a stable code and one sentence. */
export class EngineError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export const inNode = typeof process !== 'undefined' && !!process.versions?.node;

/* Tiny modules that only validate where a feature is there. What each function does: */
const HEAD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0];
const SPLAT = [65, 0, 253, 15]; // i32.const 0, i8x16.splat
const PROBES = {
  simd: [...HEAD, 10, 9, 1, 7, 0, ...SPLAT, 26, 11],
  relaxed: [...HEAD, 10, 20, 1, 18, 0, ...SPLAT, ...SPLAT, ...SPLAT, 253, 147, 2, 26, 11], // i32x4.relaxed_dot_i8x16_i7x16_add_s
  threads: [...HEAD, 5, 4, 1, 3, 1, 1, 10, 11, 1, 9, 0, 65, 0, 254, 16, 2, 0, 26, 11], // i32.atomic.load in a shared memory
};
const has = (/** @type {keyof typeof PROBES} */ feature) => WebAssembly.validate(new Uint8Array(PROBES[feature]));

/* Written out, so that a bundler sees them. */
const FILES = /** @type {Record<Build, () => URL>} */ ({
  'relaxed-mt': () => new URL('./loquat-relaxed-mt.wasm', import.meta.url),
  'simd-mt': () => new URL('./loquat-simd-mt.wasm', import.meta.url),
  relaxed: () => new URL('./loquat-relaxed.wasm', import.meta.url),
  simd: () => new URL('./loquat-simd.wasm', import.meta.url),
});
const PAGE = 65536;
const INITIAL_PAGES = 256; // 16 MB, as linked
/* The most the memory may grow to. A shared memory reserves its maximum when it is made, which some devices refuse: then less is asked for. */
const MAXIMA = [65536, 32768, 16384, 8192];
const START_MS = 20000; // a thread's script that never answers must not hold the page for ever

/** Whether threads may run: a page must be cross-origin isolated for its memory to be shared. */
export function isolated() {
  return typeof SharedArrayBuffer === 'function' && (inNode || /** @type {any} */ (globalThis).crossOriginIsolated === true);
}

/** Old drafts of relaxed SIMD validate but compute otherwise: Node 20 has one. */
const relaxedIsFinal = () => !inNode || Number(process.versions.node.split('.')[0]) >= 22;

/** Half of what the device calls its cores are often the slower half, or the same cores counted twice. */
function sensibleThreads() {
  const n = globalThis.navigator?.hardwareConcurrency ?? 1;
  return n <= 2 ? n : Math.min(8, Math.ceil(n / 2));
}

/**
 * The builds to try, best first.
 * @param {number} threads 0: as many as are sensible
 * @param {string} wanted '' or one build's name
 * @returns {{builds: Build[], threads: number}}
 */
export function choose(threads, wanted) {
  const lacking = typeof WebAssembly !== 'object' ? 'there is no WebAssembly here: the browser lacks it, or its settings turn it off'
    : !has('simd') ? 'there is no WebAssembly SIMD here, which the engine computes with (Chrome 91, Firefox 89, Safari 16.4 and later have it)'
      : wanted.endsWith('-mt') && !isolated() ? `the build "${wanted}" needs threads, and this page is not cross-origin isolated` : '';
  if (lacking) throw new EngineError('LQ_E_BROWSER', lacking);
  if (!Number.isInteger(threads) || threads < 0 || threads > 64)
    throw new EngineError('LQ_E_OPTION', `threads is ${JSON.stringify(threads)}; it must be a whole number from 0 (choose) to 64`);
  if (wanted && !Object.hasOwn(FILES, wanted))
    throw new EngineError('LQ_E_OPTION', `there is no build "${wanted}"; there are ${Object.keys(FILES).join(', ')}`);
  const n = threads || (isolated() ? sensibleThreads() : 1);
  const relaxed = relaxedIsFinal() && has('relaxed');
  const shared = n > 1 && isolated() && has('threads');
  /** @type {Build[]} */
  const all = [...(shared && relaxed ? [/** @type {const} */ ('relaxed-mt')] : []), ...(shared ? [/** @type {const} */ ('simd-mt')] : []),
    ...(relaxed ? [/** @type {const} */ ('relaxed')] : []), 'simd'];
  return { builds: wanted ? [/** @type {Build} */ (wanted)] : all, threads: n };
}

/** @param {boolean} shared */
function makeMemory(shared) {
  let last;
  for (const maximum of MAXIMA) {
    try {
      return new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum, shared });
    } catch (e) {
      last = e;
    }
  }
  const why = /** @type {Error} */ (last).message;
  throw new EngineError('LQ_E_NOMEM', `not enough memory to start: ${INITIAL_PAGES * PAGE / 1e6} MB were refused (${why})`);
}

/** @param {URL} url */
async function compile(url) {
  if (inNode && url.protocol === 'file:') return WebAssembly.compile(await (await import('node:fs/promises')).readFile(url));
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the server answered ${response.status} for ${url.pathname}`);
  const streaming = /^application\/wasm/.test(response.headers.get('content-type') ?? '');
  return streaming ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}

/** @param {Build} build @param {number} threads */
async function instantiate(build, threads) {
  const shared = build.endsWith('-mt');
  const module = await compile(FILES[build]());
  const memory = makeMemory(shared);
  const { default: create } = await (shared ? import('./loquat-mt.mjs') : import('./loquat.mjs'));
  let timer = /** @type {any} */ (0);
  const quiet = () => {}; // a trap is reported by whoever called, not on the console
  const lib = await new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`it did not start within ${START_MS / 1000} s`)), START_MS);
    create({ wasmMemory: memory, threads, print: quiet, printErr: quiet,
      instantiateWasm: (/** @type {any} */ imports, /** @type {any} */ done) => {
        WebAssembly.instantiate(module, imports).then((instance) => done(instance, module)).catch(reject);
        return {};
      } }).then(resolve, reject);
  }).finally(() => clearTimeout(timer));
  return new Wasm(lib, memory);
}

/**
 * Starts the first of the builds that compiles, starts and passes its self-test.
 * @param {number} threads @param {string} wanted
 * @returns {Promise<Started>}
 */
export async function start(threads, wanted) {
  const choice = choose(threads, wanted);
  const failures = [];
  for (const build of choice.builds) {
    try {
      const wasm = await instantiate(build, choice.threads);
      wasm.check(wasm.call('lqw_selftest', wasm.handle));
      return { wasm, build, threads: build.endsWith('-mt') ? choice.threads : 1, note: failures.join('; ') };
    } catch (e) {
      failures.push(`${build}: ${/** @type {Error} */ (e).message ?? e}`);
    }
  }
  throw new EngineError('LQ_E_BROWSER', `the engine does not start here (${failures.join('; ')})`);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Calls into one instance. Pointers are unsigned (`>>> 0`); the view of the memory is taken anew after every call, which may have grown it. */
export class Wasm {
  #lib;
  #memory;
  #view = new Uint8Array(0);
  handle = 0;
  /** @type {Abi} */ abi;

  /** @param {any} lib @param {WebAssembly.Memory} memory */
  constructor(lib, memory) {
    this.#lib = lib;
    this.#memory = memory;
    this.handle = this.call('lqw_new') >>> 0;
    if (!this.handle || this.call('lqw_abi', this.handle) !== 0) throw new EngineError('LQ_E_NOMEM', 'not enough memory to start');
    this.abi = JSON.parse(this.out());
  }

  get bytes() {
    if (this.#view.buffer !== this.#memory.buffer) this.#view = new Uint8Array(this.#memory.buffer);
    return this.#view;
  }

  /**
   * A trap leaves the instance in no defined state: it is reported as such, and the worker has to go.
   * @param {string} name @param {...number} args @returns {number}
   */
  call(name, ...args) {
    try {
      return this.#lib[`_${name}`](...args);
    } catch (e) {
      const why = e === 'unwind' ? 'one of its threads died' : /** @type {any} */ (e)?.message ?? e;
      throw new EngineError('LQ_E_TRAP', `the engine stopped unexpectedly (${why}); load the model again`);
    }
  }

  /** Throws what a status says went wrong; gives back whether it was LQ_OK (true) or LQ_DONE (false). @param {number} status */
  check(status) {
    if (status > 1) throw new EngineError(this.abi.status[status] ?? 'LQ_E_ENGINE', this.#text(this.call('lqw_message', this.handle) >>> 0));
    return status === 0;
  }

  /** @param {number} at NUL-terminated */
  #text(at) {
    return decoder.decode(this.bytes.slice(at, this.bytes.indexOf(0, at)));
  }

  /** The last result's bytes, copied. */
  outBytes() {
    const at = this.call('lqw_out', this.handle) >>> 0;
    return this.bytes.slice(at, at + (this.call('lqw_out_bytes', this.handle) >>> 0));
  }

  out() { return decoder.decode(this.outBytes()); }
  json() { return JSON.parse(this.out()); }

  /** @param {number} n @returns {number} 0 when there is no room */
  alloc(n) { return n < 2 ** 32 ? this.call('lqw_alloc', n) >>> 0 : 0; } // a call takes a number modulo 2^32

  /**
   * Calls fn with each text (or bytes) as a NUL-terminated copy in the module's memory.
   * @param {(string | Uint8Array)[]} texts
   * @param {(...at: number[]) => number} fn given address, length, address, length...
   */
  withTexts(texts, fn) {
    const all = texts.map((t) => (typeof t === 'string' ? encoder.encode(t) : t));
    const at = /** @type {number[]} */ ([]);
    try {
      for (const bytes of all) {
        const p = this.alloc(bytes.length + 1);
        if (!p) throw new EngineError('LQ_E_NOMEM', `not enough memory for a text of ${bytes.length} bytes`);
        at.push(p, bytes.length);
        this.bytes.set(bytes, p);
        this.bytes[p + bytes.length] = 0;
      }
      return this.check(fn(...at));
    } finally {
      for (let i = 0; i < at.length; i += 2) this.call('lqw_free', at[i]); // after a trap this may trap too
    }
  }
}
