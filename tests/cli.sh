#!/usr/bin/env bash
# The command line as a person uses it: results on stdout, one sentence on stderr, the documented exit codes.
set -u
cd "$(dirname "$0")/.." || exit 1
bin=build/loquat passed=0 failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); printf '# %s\n' "$1"; }
prints() { # name, wanted stdout, command...
  local name=$1 want=$2 got
  shift 2
  got=$("$@" 2>"$work/err") && [ "$got" = "$want" ] && pass || fail "$name: got \"$got\", want \"$want\" ($(head -c 200 "$work/err"))"
}
refuses() { # name, wanted exit code, words of the message, command...
  local name=$1 code=$2 words=$3 rc
  shift 3
  "$@" >"$work/out" 2>"$work/err" </dev/null
  rc=$?
  if [ "$rc" -eq "$code" ] && grep -qF "$words" "$work/err" && [ "$(wc -l <"$work/err")" -le 2 ]; then pass; else fail "$name: exit $rc, \"$(head -c 300 "$work/err")\""; fi
}

prints student "I'm a student" $bin translate --from fr --to en 'Je suis étudiant'
prints animal "The animal didn't cross the street because it was too tired." \
  $bin translate --from fr --to en "L'animal n'a pas traversé la rue parce qu'il était trop fatigué."
prints lines "$(printf "I'm a student\n\nThanks very much.")" sh -c "printf 'Je suis étudiant\n\nMerci beaucoup.\n' | $bin translate --from fr --to en"
prints threads "$($bin translate --from fr --to en -t 1 'Quelle heure est-il ?')" $bin translate --from fr --to en -t 2 'Quelle heure est-il ?'
prints same-language 'Bonjour !' $bin translate --from fr --to fr 'Bonjour !'
prints ids '[297,404,4930,1]' $bin tokenize -m models/fr-en.gguf 'Je suis étudiant'
prints text 'Je suis étudiant' $bin detokenize -m models/fr-en.gguf 297 404 4930
prints stop "I'm" $bin translate --from fr --to en --stop ' a student' 'Je suis étudiant'

head -c 100000 models/fr-en.gguf >"$work/cut.gguf"
: >"$work/empty.gguf"
printf '<!doctype html><title>404</title>' >"$work/page.gguf"
refuses missing 1 nowhere.gguf $bin info "$work/nowhere.gguf"
refuses empty 1 empty $bin info "$work/empty.gguf"
refuses html 1 HTML $bin info "$work/page.gguf"
refuses truncated 1 'truncated' $bin info "$work/cut.gguf"
refuses wrong-task 1 'cannot chat' $bin chat -m models/fr-en.gguf
refuses language 2 '"xx"' $bin translate --from fr --to xx Bonjour
refuses unknown-option 2 sparkle $bin translate --sparkle 3 Bonjour
refuses unsupported-option 2 num_beam_groups $bin translate --num-beam-groups 4 Bonjour
refuses bad-value 2 temperature $bin generate -m models/fr-en.gguf -p x --do-sample --temperature nan
refuses range 2 vocabulary $bin logits -m models/tiny/llama-gqa.gguf --ids 1,999999
refuses ids-only 1 'no tokenizer' $bin generate -m models/tiny/llama-gqa.gguf -p hello

$bin quantize models/fr-en.gguf "$work/q4.gguf" q4_0 >/dev/null 2>"$work/err" && pass || fail "quantize: $(cat "$work/err")"
[ "$(stat -c %s "$work/q4.gguf" 2>/dev/null || echo 0)" -lt 8000000 ] && pass || fail 'quantize: not smaller'
$bin translate -m "$work/q4.gguf" --from fr --to en 'Je suis étudiant' 2>/dev/null | grep -q student && pass || fail 'the requantised model does not translate'

printf '%s passed, %s failed, 0 skipped\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
