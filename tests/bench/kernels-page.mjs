// @ts-check
/* Runs a wasm build of kernels.c in the page: window.runKernels(name of the build) -> its JSON. */

async function runKernels(/** @type {string} */ build) {
  /** @type {string[]} */
  const lines = [];
  const { default: create } = await import(new URL(`/built/kernels-${build}.mjs`, location.href).href);
  await create({ print: (/** @type {string} */ line) => lines.push(line) });
  return JSON.parse(lines.join('\n'));
}

Object.assign(window, { runKernels });
