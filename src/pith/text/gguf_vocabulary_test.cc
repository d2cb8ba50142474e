#include "pith/text/gguf_vocabulary.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include "pith/base/mapped_file.h"
#include "pith/formats/gguf/gguf_test_files.h"
#include "pith/text/text_test_support.h"
#include "pith/text/tokenizer.h"

namespace pith {
namespace {

using Ids = std::vector<std::int32_t>;

// A fresh folder that goes with the object; the one of base does not go together with
// gguf_test_files.h.
class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() / fmt::format("pith_text_{}", ::getpid())) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directory(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path operator/(const char* name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

GgufVocabulary byte_level_vocabulary() {
  GgufVocabulary vocabulary{.place = "m.gguf", .model = "gpt2", .pre = "gpt-2"};
  for (int byte = 0; byte < 256; ++byte)
    vocabulary.tokens.push_back(bytes_to_characters(std::string(1, static_cast<char>(byte))));
  for (const char* token : {"Ġa", "Ġab", "<|end|>", "<tool>"})
    vocabulary.tokens.emplace_back(token);
  vocabulary.types.assign(vocabulary.tokens.size(), GgufTokenType::kNormal);
  vocabulary.types[258] = GgufTokenType::kControl;
  vocabulary.types[259] = GgufTokenType::kUserDefined;
  vocabulary.merges = {"Ġ a", "Ġa b"};
  return vocabulary;
}

// Normal tokens with scores, after the 3 special ones and the 256 bytes.
GgufVocabulary llama_vocabulary(const std::vector<std::pair<std::string, double>>& tokens) {
  GgufVocabulary vocabulary{.place = "m.gguf", .model = "llama"};
  vocabulary.tokens = {"<unk>", "<s>", "</s>"};
  vocabulary.types = {GgufTokenType::kUnknown, GgufTokenType::kControl, GgufTokenType::kControl};
  for (int byte = 0; byte < 256; ++byte)
    vocabulary.tokens.push_back(fmt::format("<0x{:02X}>", byte));
  vocabulary.types.resize(259, GgufTokenType::kByte);
  vocabulary.scores.assign(259, 0.0);
  for (const auto& [token, score] : tokens) {
    vocabulary.tokens.push_back(token);
    vocabulary.types.push_back(GgufTokenType::kNormal);
    vocabulary.scores.push_back(score);
  }
  vocabulary.bos_id = 1;
  vocabulary.eos_id = 2;
  vocabulary.unknown_id = 0;
  vocabulary.add_bos = vocabulary.add_space_prefix = true;
  return vocabulary;
}

Tokenizer load(const GgufVocabulary& vocabulary) {
  return Tokenizer::from_json(tokenizer_json(vocabulary), "m.gguf");
}

TEST(GgufVocabulary, ByteLevelTokens) {
  const Tokenizer tokenizer = load(byte_level_vocabulary());
  EXPECT_EQ(tokenizer.encode("a ab<|end|><tool>"), (Ids{'a', 257, 258, 259}));
  EXPECT_EQ(tokenizer.encode("<tool>", {.parse_special = false}), (Ids{259}));
  EXPECT_EQ(tokenizer.decode(Ids{256, 258, 259}, true), " a<tool>");
  EXPECT_EQ(tokenizer.bos_id(), std::nullopt);
}

TEST(GgufVocabulary, PreTokenizersCutAsTheirNamesSay) {
  // Merges that cross what some pre-tokenizer cuts show which one it is.
  const auto ids = [](const char* pre, const char* text) {
    GgufVocabulary vocabulary = byte_level_vocabulary();
    vocabulary.pre = pre;
    for (const char* token : {"12", "123", "1234", "ĊĊ", "'S", "!!"}) {
      vocabulary.tokens.emplace_back(token);
      vocabulary.types.push_back(GgufTokenType::kNormal);
    }
    for (const char* merge : {"1 2", "12 3", "123 4", "Ċ Ċ", "' S", "! !"})
      vocabulary.merges.emplace_back(merge);
    return load(vocabulary).encode(text).size();
  };
  EXPECT_EQ(ids("gpt-2", "1234"), 1u);
  EXPECT_EQ(ids("llama-bpe", "1234"), 2u);  // up to three digits
  EXPECT_EQ(ids("llama3", "1234"), 2u);
  EXPECT_EQ(ids("llama-v3", "1234"), 2u);
  EXPECT_EQ(ids("qwen2", "1234"), 4u);
  EXPECT_EQ(ids("smollm", "1234"), 4u);
  EXPECT_EQ(ids("default", "1234"), 2u);
  EXPECT_EQ(ids("gpt-2", "a'S"), 3u);
  EXPECT_EQ(ids("llama-bpe", "a'S"), 2u);
  EXPECT_EQ(ids("qwen2", "a\n\nb"), 3u);
  EXPECT_EQ(ids("gpt-2", "a\n\nb"), 4u);
}

TEST(GgufVocabulary, QwenTextIsComposed) {
  GgufVocabulary vocabulary = byte_level_vocabulary();
  vocabulary.pre = "qwen2";
  EXPECT_EQ(load(vocabulary).encode("e\u0301"), (Ids{0xC3, 0xA9}));
}

TEST(GgufVocabulary, Llama3WordsSkipMerges) {
  GgufVocabulary vocabulary = byte_level_vocabulary();
  vocabulary.merges = {"Ġa b"};  // Ġa itself cannot be merged
  EXPECT_EQ(load(vocabulary).encode(" ab"), (Ids{' ', 'a', 'b'}));
  vocabulary.pre = "llama-bpe";
  EXPECT_EQ(load(vocabulary).encode(" ab"), (Ids{257}));
}

TEST(GgufVocabulary, EndsComeFromTheSwitches) {
  GgufVocabulary vocabulary = byte_level_vocabulary();
  vocabulary.bos_id = vocabulary.eos_id = 258;
  vocabulary.add_bos = true;
  EXPECT_EQ(load(vocabulary).encode("a", {.special_ends = true}), (Ids{258, 'a'}));
  vocabulary.add_eos = true;
  EXPECT_EQ(load(vocabulary).encode("a", {.special_ends = true}), (Ids{258, 'a', 258}));
}

TEST(GgufVocabulary, MergesComeFromScores) {
  const GgufVocabulary vocabulary =
      llama_vocabulary({{"▁", -9}, {"a", -9}, {"b", -9}, {"ab", -2}, {"▁a", -1}, {"▁ab", -3}});
  EXPECT_EQ(merges_from_scores(vocabulary),
            (std::vector<TokenPair>{{"▁", "a"}, {"a", "b"}, {"▁", "ab"}, {"▁a", "b"}}));
  const Tokenizer tokenizer = load(vocabulary);
  EXPECT_EQ(tokenizer.encode("ab", {.special_ends = true}), (Ids{1, 264}));
  EXPECT_EQ(tokenizer.encode("b</s>é"), (Ids{259, 261, 2, 259, 0xC3 + 3, 0xA9 + 3}));
  EXPECT_EQ(tokenizer.decode(Ids{264, 263}), "ab a");
  GgufVocabulary bare = vocabulary;
  bare.add_space_prefix = bare.add_bos = false;
  EXPECT_EQ(load(bare).encode("ab", {.special_ends = true}), (Ids{262}));
  EXPECT_EQ(load(bare).decode(Ids{264}), " ab");
}

// The vocabulary of Llama 2 as GGUF has it: the merges come back as they were, in their order.
TEST(GgufVocabulary, MergesOfLlama2AreRecovered) {
  const Json document = read_json_file(fetched_tokenizer("llama2"));
  std::vector<std::pair<std::string, double>> tokens;
  for (const auto& [token, id] : document["model"]["vocab"].items()) {
    const int number = id.get<int>();
    const bool is_run_of_spaces =
        token.size() > 3 && token.find_first_not_of("▁") == std::string::npos;
    if (number >= 259) tokens.emplace_back(token, is_run_of_spaces ? -1e9 : 259.0 - number);
  }
  const auto merges = merges_from_scores(llama_vocabulary(tokens));
  const Json& expected = document["model"]["merges"];
  ASSERT_EQ(merges.size(), 61249u);
  ASSERT_EQ(merges.size(), expected.size());
  for (std::size_t i = 0; i < merges.size(); ++i)
    ASSERT_EQ(merges[i].left + " " + merges[i].right, expected[i].get<std::string>()) << i;
}

TEST(GgufVocabulary, ErrorsNameTheKey) {
  const auto message = [](auto change) {
    GgufVocabulary vocabulary = byte_level_vocabulary();
    change(vocabulary);
    return message_of<FormatError>([&] { load(vocabulary); });
  };
  EXPECT_EQ(message([](GgufVocabulary& v) { v.pre = "tekken"; }),
            "m.gguf: tokenizer.ggml.pre is 'tekken', which Pith does not know; it knows gpt-2, "
            "gpt2, llama-bpe, llama3, "
            "llama-v3, qwen2, deepseek-r1-qwen, smollm, default");
  EXPECT_EQ(message([](GgufVocabulary& v) { v.tokens[3] = "a"; }),
            "m.gguf: tokenizer.ggml.tokens[97] is 'a', which is token 3 already");
  EXPECT_EQ(message([](GgufVocabulary& v) { v.merges[1] = "Ġab"; }),
            "m.gguf: tokenizer.ggml.merges[1] is 'Ġab', expected two tokens with a space between");
  EXPECT_EQ(message([](GgufVocabulary& v) { v.merges[1] = "Ġa c"; }),
            "m.gguf: at /model/merges/1: expected tokens of the vocabulary, found 'Ġac', which is "
            "not in it");
}

// Tokens that are all prefixes of each other: a file of half a megabyte, merges of 300.
TEST(GgufVocabulary, MergesAreBounded) {
  std::vector<std::pair<std::string, double>> tokens;
  for (std::size_t bytes = 1; bytes <= 1000; ++bytes)
    tokens.emplace_back(std::string(bytes, 'a'), 0);
  constexpr const char* kRefusal =
      "m.gguf: the tokens are too long to find their merges; the longest may have some hundred "
      "bytes";
  EXPECT_EQ(message_of<FormatError>([&] { merges_from_scores(llama_vocabulary(tokens)); }),
            kRefusal);
  tokens = {{std::string(30'000, 'a'), 0}};
  EXPECT_EQ(message_of<FormatError>([&] { merges_from_scores(llama_vocabulary(tokens)); }),
            kRefusal);
  tokens = {{std::string(2'000, 'a'), 0}, {std::string(1'999, 'a'), 0}, {"a", 0}};
  EXPECT_EQ(merges_from_scores(llama_vocabulary(tokens)).size(), 2u);
}

GgufBuilder small_file() {
  GgufBuilder file;
  file.text("general.architecture", "llama")
      .text("tokenizer.ggml.model", "gpt2")
      .text("tokenizer.ggml.pre", "smollm");
  file.u32("llama.context_length", 512);
  const GgufVocabulary vocabulary = byte_level_vocabulary();
  std::vector<std::uint32_t> types;
  for (const GgufTokenType type : vocabulary.types)
    types.push_back(static_cast<std::uint32_t>(type));
  file.texts("tokenizer.ggml.tokens", vocabulary.tokens).u32s("tokenizer.ggml.token_type", types);
  file.texts("tokenizer.ggml.merges", vocabulary.merges);
  file.u32("tokenizer.ggml.bos_token_id", 258)
      .u32("tokenizer.ggml.eos_token_id", 258)
      .u32("tokenizer.ggml.eot_token_id", 259);
  file.boolean("tokenizer.ggml.add_bos_token", true)
      .text("tokenizer.chat_template", "{{ messages }}");
  return file;
}

TEST(GgufVocabulary, IsReadFromAFile) {
  const TemporaryGguf file(small_file().bytes());
  const GgufVocabulary vocabulary = read_gguf_vocabulary(GgufFile(file.path()));
  EXPECT_EQ(vocabulary.tokens.size(), 260u);
  EXPECT_EQ(vocabulary.types[259], GgufTokenType::kUserDefined);
  EXPECT_EQ(vocabulary.bos_id, 258);
  EXPECT_EQ(vocabulary.padding_id, std::nullopt);
  EXPECT_EQ(vocabulary.end_ids, (Ids{258, 259}));
  EXPECT_TRUE(vocabulary.add_bos);
  EXPECT_FALSE(vocabulary.add_space_prefix);
  EXPECT_EQ(Tokenizer::from_json(tokenizer_json_from_gguf(GgufFile(file.path())), "")
                .encode(" a1", {.special_ends = true}),
            (Ids{258, 256, '1'}));
}

TEST(GgufVocabulary, AWholeTokenizerJsonGoesFirst) {
  const TemporaryGguf file(
      small_file().text("tokenizer.huggingface.json", byte_level_document({}).dump()).bytes());
  EXPECT_EQ(Tokenizer::from_json(tokenizer_json_from_gguf(GgufFile(file.path())), "").size(), 256u);
}

TEST(GgufVocabulary, BadFilesAreRefused) {
  const auto message = [](auto change) {
    GgufBuilder builder = small_file();
    change(builder);
    const TemporaryGguf file(builder.bytes());
    return message_of<FormatError>([&] { read_gguf_vocabulary(GgufFile(file.path())); });
  };
  using testing::HasSubstr;
  EXPECT_THAT(message([](GgufBuilder& b) { b.text("tokenizer.ggml.model", "bert"); }),
              HasSubstr("tokenizer.ggml.model is 'bert'; expected gpt2 (byte-level BPE) or llama "
                        "(SentencePiece BPE)"));
  EXPECT_THAT(message([](GgufBuilder& b) { b.remove("tokenizer.ggml.model"); }),
              HasSubstr("tokenizer.ggml.model"));
  EXPECT_THAT(message([](GgufBuilder& b) { b.remove("tokenizer.ggml.tokens"); }),
              HasSubstr("tokenizer.ggml.tokens has 0 entries"));
  EXPECT_THAT(message([](GgufBuilder& b) { b.remove("tokenizer.ggml.merges"); }),
              HasSubstr("there is no tokenizer.ggml.merges"));
  EXPECT_THAT(message([](GgufBuilder& b) {
                b.texts("tokenizer.ggml.tokens", {"a", "b\xff"});
              }),
              HasSubstr("tokenizer.ggml.tokens[1] is 'b\\xff', expected UTF-8"));
  EXPECT_THAT(message([](GgufBuilder& b) { b.texts("tokenizer.ggml.merges", {"\xc3 a"}); }),
              HasSubstr("tokenizer.ggml.merges[0] is '\\xc3 a', expected UTF-8"));
  EXPECT_THAT(message([](GgufBuilder& b) {
                b.u32s("tokenizer.ggml.token_type", {1, 2});
              }),
              HasSubstr("tokenizer.ggml.token_type has 2 entries for 260 tokens"));
  EXPECT_THAT(message([](GgufBuilder& b) {
                b.u32s("tokenizer.ggml.token_type", std::vector<std::uint32_t>(260, 7));
              }),
              HasSubstr("tokenizer.ggml.token_type[0] is 7, expected 1 to 6"));
  EXPECT_THAT(message([](GgufBuilder& b) { b.text("tokenizer.ggml.model", "llama"); }),
              HasSubstr("tokenizer.ggml.scores has 0 entries for 260 tokens"));
  EXPECT_THAT(message([](GgufBuilder& b) { b.u32("tokenizer.ggml.bos_token_id", 260); }),
              HasSubstr("there is no tokenizer.ggml.bos_token_id"));  // of no token: as if absent
  EXPECT_THAT(
      message([](GgufBuilder& b) { b.remove("tokenizer.ggml.bos_token_id"); }),
      HasSubstr(
          "texts are to begin with a BOS token, but there is no tokenizer.ggml.bos_token_id"));
  EXPECT_THAT(
      message([](GgufBuilder& b) {
        b.remove("tokenizer.ggml.eos_token_id").boolean("tokenizer.ggml.add_eos_token", true);
      }),
      HasSubstr("texts are to end with an EOS token, but there is no tokenizer.ggml.eos_token_id"));
}

TEST(TokenizerFiles, AreWrittenForAFolder) {
  const TemporaryGguf file(small_file().u32("tokenizer.ggml.padding_token_id", 3).bytes());
  const Folder folder;
  EXPECT_THAT(write_tokenizer_files(GgufFile(file.path()), folder.path()),
              testing::ElementsAre("tokenizer.json",
                                   "tokenizer_config.json",
                                   "special_tokens_map.json",
                                   "generation_config.json"));
  const Tokenizer tokenizer = Tokenizer::from_json(read_json_file(folder / "tokenizer.json"), "");
  EXPECT_EQ(tokenizer.encode(" ab", {.special_ends = true}), (Ids{258, 257}));
  const Json config = read_json_file(folder / "tokenizer_config.json");
  EXPECT_EQ(config["chat_template"], "{{ messages }}");
  EXPECT_EQ(config["eos_token"], "<|end|>");
  EXPECT_EQ(config["model_max_length"], 512);
  EXPECT_EQ(config["tokenizer_class"], "PreTrainedTokenizerFast");
  const Json generation = read_json_file(folder / "generation_config.json");
  EXPECT_EQ(generation["eos_token_id"], Json::array({258, 259}));
  EXPECT_EQ(generation["bos_token_id"], 258);
  EXPECT_EQ(generation["pad_token_id"], 3);
  EXPECT_FALSE(read_json_file(folder / "special_tokens_map.json").contains("unk_token"));
}

TEST(TokenizerFiles, NamedChatTemplatesBecomeAList) {
  const TemporaryGguf file(small_file()
                               .texts("tokenizer.chat_templates", {"default", "tool_use"})
                               .text("tokenizer.chat_template.tool_use", "T")
                               .bytes());
  const Folder folder;
  write_tokenizer_files(GgufFile(file.path()), folder.path());
  const Json templates = read_json_file(folder / "tokenizer_config.json")["chat_template"];
  ASSERT_EQ(templates.size(), 2u);
  EXPECT_EQ(templates[0]["name"], "default");
  EXPECT_EQ(templates[1]["template"], "T");
}

TEST(TokenizerFiles, NamesOfChatTemplatesMustBeText) {
  const TemporaryGguf file(small_file().texts("tokenizer.chat_templates", {"\xff"}).bytes());
  const Folder folder;
  EXPECT_THAT(
      message_of<FormatError>([&] { write_tokenizer_files(GgufFile(file.path()), folder.path()); }),
      testing::HasSubstr("tokenizer.chat_templates: '\\xff' is not UTF-8"));
}

TEST(TokenizerFiles, NothingIsWrittenForABadVocabulary) {
  const TemporaryGguf file(small_file().texts("tokenizer.ggml.merges", {"x y"}).bytes());
  const Folder folder;
  EXPECT_THAT(
      message_of<FormatError>([&] { write_tokenizer_files(GgufFile(file.path()), folder.path()); }),
      testing::HasSubstr(
          "at /model/merges/0: expected tokens of the vocabulary, found 'xy', which is not in it"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace pith
