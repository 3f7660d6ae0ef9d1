#!/usr/bin/env bash
# Builds web/loquat.mjs and web/loquat.wasm (one thread, SIMD128) with emcc >= 3.1.60: the one on PATH, else the one in
# $LOQUAT_CACHE/trixie (a Debian 13 folder with emscripten in it). --check: builds beside and compares.
set -eu
cd "$(dirname "$0")/.."
cache=${LOQUAT_CACHE:-$HOME/.cache/loquat}
flags="-std=c11 -D_GNU_SOURCE -O3 -msimd128 -ffp-contract=off -Isrc -sMODULARIZE -sEXPORT_ES6 -sENVIRONMENT=web,worker,node -sFILESYSTEM=0
 -sALLOW_MEMORY_GROWTH=1 -sMAXIMUM_MEMORY=4GB -sINITIAL_MEMORY=16MB -sSTACK_SIZE=1MB -sDYNAMIC_EXECUTION=0 -sASSERTIONS=0
 -sEXPORTED_RUNTIME_METHODS=HEAPU8 --no-entry"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
build() { # emcc command...
  # shellcheck disable=SC2086
  "$@" $flags -o loquat.mjs wasm/lq_wasm.c src/*.c src/base/*.c src/decode/*.c src/gguf/*.c src/kernel/*.c src/model/*.c src/nn/*.c src/quant/*.c src/text/*.c
}
if command -v emcc >/dev/null; then
  cp -r src wasm "$out"
  (cd "$out" && build emcc)
elif [ -x "$cache/trixie/usr/bin/emcc" ]; then
  inside=$cache/trixie/tmp/loquat-build
  rm -rf "$inside"
  mkdir -p "$inside"
  cp -r src wasm "$inside"
  chroot "$cache/trixie" env NODE_PATH=/usr/share/nodejs bash -c "cd /tmp/loquat-build; flags='$flags'; $(declare -f build); build emcc"
  cp "$inside"/loquat.mjs "$inside"/loquat.wasm "$out"
else
  echo "wasm/build.sh: no emcc >= 3.1.60 on PATH and none in $cache/trixie" >&2
  exit 3
fi
if [ "${1:-}" = --check ]; then
  cmp "$out/loquat.wasm" web/loquat.wasm && cmp "$out/loquat.mjs" web/loquat.mjs
else
  cp "$out/loquat.mjs" "$out/loquat.wasm" web/
fi
