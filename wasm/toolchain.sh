#!/usr/bin/env bash
# Finds an Emscripten, or makes one: emcc >= 3.1.60 on PATH, else a Debian 13 folder with its emscripten package in the cache
# ($LOQUAT_CACHE, default ~/.cache/loquat; made with debootstrap by root, once, about a minute, 2 GB).
#   wasm/toolchain.sh dir            prints the folder in which the build happens; makes the toolchain if there is none
#   wasm/toolchain.sh run COMMAND... runs a command of the toolchain in that folder
# LOQUAT_PINNED=1 takes the Debian folder only: the shipped module is rebuilt byte for byte with that version, another one may differ.
# Exit status 3: there is no toolchain and none can be made; a sentence says why.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
cache=${LOQUAT_CACHE:-$HOME/.cache/loquat}
debian=$cache/trixie
pinned=3.1.69
least=3.1.60

refuse() {
  echo "wasm/toolchain.sh: $1" >&2
  exit 3
}

version_of() { # emcc command...
  "$@" --version 2>/dev/null | sed -nE '1s/^emcc .* ([0-9]+\.[0-9]+\.[0-9]+).*/\1/p'
}

on_path() { # a new enough emcc on PATH, when any version will do
  [ -z "${LOQUAT_PINNED:-}" ] && command -v emcc >/dev/null || return 1
  local have
  have=$(version_of emcc)
  [ -n "$have" ] && [ "$(printf '%s\n%s\n' "$least" "$have" | sort -V | head -n 1)" = "$least" ]
}

make_debian() {
  [ "$(id -u)" -eq 0 ] || refuse "no emcc >= $least on PATH, and making one in $debian needs root"
  command -v debootstrap >/dev/null || apt-get install -y debootstrap >&2 || { apt-get update && apt-get install -y debootstrap; } >&2 ||
    refuse "no emcc >= $least on PATH, and debootstrap, which would make one, cannot be installed"
  echo "wasm/toolchain.sh: making a Debian 13 with emscripten in $debian (about a minute, once)" >&2
  local new=$debian.new
  rm -rf "$new"
  mkdir -p "$cache"
  if ! { debootstrap --variant=minbase --include=ca-certificates trixie "$new" && cp -L /etc/resolv.conf "$new/etc/resolv.conf" &&
    give_proxy "$new" &&
    chroot "$new" apt-get update && chroot "$new" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends emscripten nodejs &&
    chroot "$new" apt-get clean; } >"$cache/trixie.log" 2>&1; then
    tail -n 5 "$cache/trixie.log" >&2
    refuse "no emcc >= $least on PATH, and the Debian 13 folder could not be made (the log is $cache/trixie.log)"
  fi
  rm -rf "$debian"
  mv "$new" "$debian"
}

give_proxy() { # what this machine's apt needs to reach a mirror, and the certificates to trust it
  cp -r /etc/apt/apt.conf.d/. "$1/etc/apt/apt.conf.d/" 2>/dev/null || true
  if [ -f /etc/ssl/certs/ca-certificates.crt ]; then cp -L /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/ca-certificates.crt"; fi
}

inside() { # runs a command in the Debian folder, in folder $1 of it
  local at=$1
  shift
  chroot "$debian" env -i PATH=/usr/bin:/bin HOME=/root LC_ALL=C.UTF-8 NODE_PATH=/usr/share/nodejs sh -c 'cd "$0" && exec "$@"' "$at" "$@"
}

work=/tmp/loquat-$(printf '%s' "$root" | cksum | cut -d' ' -f1) # one folder for each checkout
case ${1:-} in
  dir)
    if on_path; then
      mkdir -p build/wasm
      echo "$root/build/wasm"
      exit
    fi
    mkdir -p "$cache"
    (
      flock 9
      [ -x "$debian/usr/bin/emcc" ] || make_debian
    ) 9>"$cache/trixie.lock"
    if [ "$(id -u)" -ne 0 ]; then refuse "entering the Debian folder $debian needs root"; fi
    have=$(version_of inside / emcc)
    [ "$have" = "$pinned" ] || refuse "the emscripten in $debian is \"$have\", not $pinned; remove the folder to make it anew"
    mkdir -p "$debian$work"
    echo "$debian$work"
    ;;
  run)
    shift
    if on_path; then
      cd build/wasm
      exec "$@"
    fi
    inside "$work" "$@"
    ;;
  *) sed -n '2,7s/^# //p' "$0" >&2; exit 2 ;;
esac
