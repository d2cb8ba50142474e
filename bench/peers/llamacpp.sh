#!/usr/bin/env bash
# Builds llama.cpp for the CPU of this machine, once, and prints the folder of its programs as the only line on stdout:
#   bin=$(bench/peers/llamacpp.sh) && "$bin/llama-perplexity" ...
# What it does goes to stderr. The sources are those that the Python package llama-cpp-python carries (vendor/llama.cpp), fetched
# with pip as pip is configured. 8 minutes of processor time; interrupted, it goes on where it was; done, it only prints.
#
#   PITH_PEER_CACHE   where it is kept (default: ${XDG_CACHE_HOME:-~/.cache}/pith/peers), in llama.cpp-VERSION/
#     bin/            the programs (PROGRAMS below)
#     convert/        llama.cpp's converter from Hugging Face folders, in Python
#     stamp           what the programs were built from and for
set -euo pipefail
export LC_ALL=C

readonly VERSION=0.3.36
readonly SHA256=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
readonly PROGRAMS=(llama-bench llama-perplexity llama-quantize llama-imatrix llama-gguf-split llama-tokenize llama-completion)
# clang, because gcc 12 makes ggml's AMX code load the tile configuration before it is written, and that crashes.
readonly CC=clang-16 CXX=clang++-16
# No ccache: a cache shared by machines cannot tell their "native" apart.
readonly OPTIONS=(
  -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DGGML_NATIVE=ON -DGGML_CCACHE=OFF -DGGML_CUDA=OFF -DLLAMA_OPENSSL=OFF
  -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_NUMBER=0
  "-DLLAMA_BUILD_COMMIT=llama-cpp-python-$VERSION"
)

cache=${PITH_PEER_CACHE:-${XDG_CACHE_HOME:-${HOME:?expected HOME, XDG_CACHE_HOME or PITH_PEER_CACHE to be set}/.cache}/pith/peers}
readonly HOME_FOLDER=$cache/llama.cpp-$VERSION WORK=$cache/llama.cpp-$VERSION.work
readonly ARCHIVE=$WORK/package/llama_cpp_python-$VERSION.tar.gz

exec 3>&1 1>&2  # stdout is for the result alone
say() { printf 'llamacpp: %s\n' "$*"; }
die() { printf 'llamacpp: error: %s\n' "$*"; exit 1; }

need_tools() {
  local tool missing=()
  for tool in "$CC" "$CXX" cmake ninja python3 tar sha256sum flock; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [ ${#missing[@]} = 0 ] || die "these programs are missing: ${missing[*]}; scripts/setup.sh installs them"
  python3 -c 'import ensurepip, venv' 2>/dev/null || die "python3 lacks the modules venv and ensurepip: install the package python3-venv"
}

# What the programs depend on; another compiler, CPU or set of options builds them anew.
stamp() {
  printf '%s\n' "llama-cpp-python $VERSION" "${PROGRAMS[*]}" "${OPTIONS[*]}" "$("$CXX" --version | head -n 1)"
  sed -n -e '/^model name/p' -e '/^flags/p' /proc/cpuinfo | sort -u
}

is_built() {
  local program
  [ -f "$HOME_FOLDER/stamp" ] && stamp | cmp -s - "$HOME_FOLDER/stamp" || return
  for program in "${PROGRAMS[@]}"; do
    [ -x "$HOME_FOLDER/bin/$program" ] || return
  done
}

archive_is_right() { [ -f "$ARCHIVE" ] && echo "$SHA256  $ARCHIVE" | sha256sum --check --status; }

# pip asks the package for its metadata even when it only downloads it, which needs the package's build system.
download() {
  archive_is_right && return
  say "fetching llama-cpp-python $VERSION (77 MB) with pip"
  local pip=("$WORK/venv/bin/python" -m pip --disable-pip-version-check --no-input)
  python3 -m venv --clear "$WORK/venv" || die "cannot make the virtual environment $WORK/venv"
  "${pip[@]}" install --quiet scikit-build-core || die "pip cannot install scikit-build-core: see its messages above"
  rm -rf "$WORK/package"
  "${pip[@]}" download --quiet --no-deps --no-binary llama-cpp-python --no-build-isolation --dest "$WORK/package" \
    "llama-cpp-python==$VERSION" || die "pip cannot download llama-cpp-python $VERSION: see its messages above"
  archive_is_right || die "$ARCHIVE: expected the SHA-256 $SHA256, found $(sha256sum "$ARCHIVE" 2>&1 | cut -d ' ' -f 1)"
}

extract() {
  [ -d "$WORK/source" ] && return
  rm -rf "$WORK/source.partial"
  mkdir "$WORK/source.partial"
  tar -xzf "$ARCHIVE" -C "$WORK/source.partial" --strip-components=3 "llama_cpp_python-$VERSION/vendor/llama.cpp" ||
    die "$ARCHIVE: cannot extract vendor/llama.cpp"
  mv "$WORK/source.partial" "$WORK/source"
}

build() {
  # Objects of an interrupted build count only when they were for the same compiler, CPU and options.
  stamp | cmp -s - "$WORK/stamp" || rm -rf "$WORK/build"
  stamp >"$WORK/stamp"
  say "building ${PROGRAMS[*]} with $(nproc) jobs"
  env -u CFLAGS -u CXXFLAGS -u LDFLAGS cmake -S "$WORK/source" -B "$WORK/build" -G Ninja -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" \
    "${OPTIONS[@]}" >"$WORK/cmake.log" 2>&1 || { cat "$WORK/cmake.log"; die "cmake failed: its messages are above"; }
  grep -q 'Found OpenMP:' "$WORK/cmake.log" || say "no OpenMP for $CC (package libomp-16-dev): ggml uses threads of its own"
  ninja -C "$WORK/build" -j "$(nproc)" "${PROGRAMS[@]}" || die "the build failed: see above"
}

# Under the final name only what is whole and starts on this machine.
install_result() {
  local program
  rm -rf "$WORK/result"
  mkdir -p "$WORK/result/bin" "$WORK/result/convert"
  for program in "${PROGRAMS[@]}"; do
    # llama-quantize answers --help with 1; from 126 on it did not start or was ended by a signal.
    "$WORK/build/bin/$program" --help >"$WORK/start.log" 2>&1 || [ $? -lt 126 ] ||
      { cat "$WORK/start.log"; die "$program was built but does not start"; }
    cp "$WORK/build/bin/$program" "$WORK/result/bin/"
  done
  cp -R "$WORK/source"/{convert_hf_to_gguf.py,conversion,gguf-py,LICENSE} "$WORK/result/convert/"
  cp "$WORK/stamp" "$WORK/result/stamp"
  rm -rf "$HOME_FOLDER"
  mv "$WORK/result" "$HOME_FOLDER"
  rm -rf "$WORK"
}

[ $# = 0 ] || { say "usage: bench/peers/llamacpp.sh (no arguments; see the top of the file)"; exit 2; }
need_tools
if ! is_built; then
  mkdir -p "$cache"
  exec 9>"$HOME_FOLDER.lock"
  flock --nonblock 9 || { say "another build is under way; waiting for it"; flock 9; }
  if ! is_built; then
    mkdir -p "$WORK"
    download
    extract
    build
    install_result
    say "built: $HOME_FOLDER"
  fi
fi
printf '%s\n' "$HOME_FOLDER/bin" >&3
