#!/usr/bin/env bash
# Runs every suite and closes with "N passed, N failed, N skipped". A suite is a command whose output holds such a line of its own,
# or node's test summary. A suite that ends badly without one counts as a failure.
set -u
cd "$(dirname "$0")/.." || exit 1
export LQ_TESTS=tests
passed=0 failed=0 skipped=0
mkdir -p build/test

# The chat model is fetched once, sha256 checked, and git-ignored; without it its cases are skipped by name.
model=models/smollm2-135m-instruct-q4_1.gguf
[ -f "$model" ] || python3 models/fetch.py >build/test/fetch.log 2>&1 || printf '   SKIP: SmolLM2 could not be fetched: %s\n' "$(tail -n 1 build/test/fetch.log)"

count() { # last number before a word in a log
  grep -oE "[0-9]+ $1" "$2" | tail -n 1 | grep -oE '^[0-9]+' || echo 0
}

suite() { # name, command...
  local name=$1 log p f s rc
  shift
  log=build/test/$name.log
  printf '== %s\n' "$name"
  "$@" >"$log" 2>&1
  rc=$?
  if grep -qE '[0-9]+ passed, [0-9]+ failed' "$log"; then
    p=$(count passed "$log") f=$(count failed "$log") s=$(count skipped "$log")
  else
    p=$(sed -nE 's/^# pass ([0-9]+)$/\1/p' "$log" | tail -n 1) f=$(sed -nE 's/^# fail ([0-9]+)$/\1/p' "$log" | tail -n 1)
    s=$(sed -nE 's/^# skipped ([0-9]+)$/\1/p' "$log" | tail -n 1)
    p=${p:-0} f=${f:-0} s=${s:-0}
  fi
  if [ "$rc" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
  if [ "$rc" -ne 0 ]; then tail -n 40 "$log"; fi
  grep -E 'SKIP' "$log" | grep -v '^ok ' | sed 's/^/   /'
  printf '   %s passed, %s failed, %s skipped\n' "$p" "$f" "$s"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

for dir in build/test/unit-*; do
  [ -x "$dir/run" ] && suite "$(basename "$dir")" "$dir/run"
done
fuzz() { # replays a folder of inputs through one target
  build/test/fuzz/"$1" tests/fuzz/corpus/"$1" && echo "$(find tests/fuzz/corpus/"$1" -type f | wc -l) passed, 0 failed, 0 skipped"
}
for target in build/test/fuzz/*; do
  [ -x "$target" ] && suite "fuzz-$(basename "$target")" fuzz "$(basename "$target")"
done
unittests() { # python, file: unittest's closing lines as ours
  local out rc
  out=$("$1" "$2" 2>&1)
  rc=$?
  printf '%s\n' "$out"
  [ "$rc" -ne 0 ] && return "$rc"
  local ran skips
  ran=$(sed -nE 's/^Ran ([0-9]+) tests?.*/\1/p' <<<"$out") skips=$(sed -nE 's/^OK \(skipped=([0-9]+)\)$/\1/p' <<<"$out")
  echo "$((ran - ${skips:-0})) passed, 0 failed, ${skips:-0} skipped"
}
suite node node --test --test-reporter=tap tests/node/*.test.mjs
rebuild() { # the shipped modules are what the sources give, byte for byte
  local out=build/test/wasm p=0 f=0 name
  export LOQUAT_PINNED=1
  local why
  if ! why=$(wasm/toolchain.sh dir 2>&1 >/dev/null); then
    echo "SKIP: the shipped modules were not rebuilt, because there is no pinned Emscripten here: ${why##*$'\n'}"
    echo '0 passed, 0 failed, 1 skipped'
    return 0
  fi
  rm -rf "$out"
  make -j"$(nproc)" -f wasm/Makefile OUT="$out" all checks || return 1
  for name in loquat.mjs loquat-mt.mjs loquat-{simd,relaxed,simd-mt,relaxed-mt}.wasm; do
    if cmp "$out/$name" "web/$name"; then p=$((p + 1)); else f=$((f + 1)); fi
  done
  if [ "$f" -gt 0 ]; then echo 'make wasm, and commit what it changes in web/'; fi
  echo "$p passed, $f failed, 0 skipped"
  [ "$f" -eq 0 ]
}
browser() { # the page in Chromium, first with a mock engine, then with the real one
  local f out=build/test/browser.tap
  if ! node tests/browser/harness.mjs; then
    echo '0 passed, 0 failed, 1 skipped'
    return 0
  fi
  rm -f "$out"
  for f in tests/browser/*.test.mjs; do node --test --test-reporter=tap "$f" >>"$out" 2>&1; done
  cat "$out"
  awk '/^# pass /{p+=$3} /^# fail /{f+=$3} /^# skipped /{s+=$3} END {printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0}' "$out"
}
suite browser browser
suite wasm-rebuild rebuild
suite cli tests/cli.sh
suite cli-python unittests python3 tests/python/test_cli.py
# The unit tests and the parity cases again, compiled to wasm by wasm-rebuild above and run in Node.
if [ -f build/test/wasm/unit.cjs ]; then
  suite wasm-unit node build/test/wasm/unit.cjs
else
  printf '== wasm-unit\n   SKIP: not built\n'
  skipped=$((skipped + 1))
fi
if [ -x "${LOQUAT_VENV:-}/bin/python" ]; then
  suite convert unittests "$LOQUAT_VENV/bin/python" tests/python/test_convert.py
  suite tokenizer "$LOQUAT_VENV/bin/python" tests/tokenizer/compare.py --smollm2 "$model"
  suite parity "$LOQUAT_VENV/bin/python" tests/parity/logits.py --threads 2 --smollm2 "$model"
  # all-MiniLM-L6-v2 is fetched and converted once, sha256 checked
  minilm=${LOQUAT_CACHE:-build/test}/minilm-f32.gguf
  [ -f "$minilm" ] || "$LOQUAT_VENV/bin/python" models/minilm.py --type f32 -o "$minilm" >build/test/minilm.log 2>&1 ||
    printf '   SKIP: MiniLM could not be fetched\n'
  suite encoders "$LOQUAT_VENV/bin/python" tests/parity/encoders.py --threads 2 --minilm "$minilm"
  if [ -f build/test/wasm/cli.cjs ]; then
    suite wasm-encoders "$LOQUAT_VENV/bin/python" tests/parity/encoders.py --loquat 'node build/test/wasm/cli.cjs' --minilm "$minilm"
    suite wasm-parity "$LOQUAT_VENV/bin/python" tests/parity/logits.py --loquat 'node build/test/wasm/cli.cjs' --smollm2 "$model"
  fi
else
  printf '== convert\n   SKIP: the Python packages could not be installed\n'
  skipped=$((skipped + 1))
fi
printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
