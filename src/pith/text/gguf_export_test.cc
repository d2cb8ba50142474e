#include "pith/text/gguf_export.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include "pith/base/test_support.h"
#include "pith/formats/gguf/gguf_model_writer.h"
#include "pith/formats/gguf/gguf_writer.h"
#include "pith/text/text_test_support.h"
#include "pith/text/tokenizer.h"

namespace pith {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Ids = std::vector<std::int32_t>;
namespace fs = std::filesystem;

GgufVocabulary vocabulary_of(const Json& document, std::size_t rows = 0) {
  return gguf_vocabulary_of(document, "t.json", rows);
}

std::string refusal(const Json& document) {
  return message_of<UserError>([&] { vocabulary_of(document); });
}

// A document through GGUF's keys and back.
Json through_gguf(const Json& document) { return tokenizer_json(vocabulary_of(document)); }

// A folder with a model of one layer, and the tokenizer files given.
class ModelFolder {
 public:
  ModelFolder(const Json& tokenizer, const DecoderSpec& spec) : spec_(spec) {
    std::vector<StoredParameter> all;
    for (const Parameter& parameter : parameters_of(spec))
      all.push_back({parameter.name, DenseEncoding{DType::kF32}});
    CheckpointWriter writer(folder_.path(), spec, all);
    for (const Parameter& parameter : parameters_of(spec))
      writer.write(parameter.name, zeros(parameter));
    writer.finish();
    write("tokenizer.json", tokenizer);
  }
  void write(const char* name, const Json& document) {
    write_plainly(folder_ / name, document.dump());
  }
  Checkpoint open() const { return Checkpoint::open(folder_.path()); }
  const TestFolder& folder() const { return folder_; }

  Checkpoint as_gguf() const {
    const fs::path path = folder_ / "m.gguf";
    std::vector<StoredParameter> all;
    for (const Parameter& parameter : parameters_of(spec_))
      all.push_back({parameter.name, DenseEncoding{DType::kF32}});
    GgufModelOptions options;
    options.metadata = gguf_tokenizer_keys(open());
    GgufModelWriter writer(path, spec_, all, options);
    for (const Parameter& parameter : parameters_of(spec_))
      writer.write(parameter.name, zeros(parameter));
    writer.finish();
    return Checkpoint::open(path);
  }

 private:
  static PackedMatrix zeros(const Parameter& parameter) {
    const Encoding encoding = DenseEncoding{DType::kF32};
    return {encoding,
            parameter.rows,
            parameter.cols,
            {allocate_buffer(buffer_specs(encoding, parameter.rows, parameter.cols)[0]).buffer}};
  }
  TestFolder folder_;
  DecoderSpec spec_;
};

DecoderSpec small_spec(std::int64_t vocab) {
  DecoderSpec spec;
  spec.vocab = vocab;
  spec.hidden = 4;
  spec.context = 8;
  spec.layers = {{1, 1, 4, 4, 4, 0}};
  spec.norm_epsilon = 0.25;
  return spec;
}

TEST(GgufExport, ByteLevelTokensBecomeTyped) {
  Json document = byte_level_document({{"a", "b"}, {"Ġ", "ab"}});
  document["added_tokens"] = {{{"id", 258}, {"content", "<|end|>"}, {"special", true}},
                              {{"id", 260}, {"content", "<tool>"}, {"special", false}},
                              {{"id", 261}, {"content", "<|fim|>"}, {"special", false}},
                              {{"id", 263}, {"content", "[PAD259]"}, {"special", true}}};
  const GgufVocabulary vocabulary = vocabulary_of(document, 266);
  EXPECT_EQ(vocabulary.model, "gpt2");
  EXPECT_EQ(vocabulary.pre, "gpt-2");
  ASSERT_EQ(vocabulary.tokens.size(), 266u);
  EXPECT_EQ(vocabulary.tokens[257], "Ġab");
  EXPECT_EQ(vocabulary.merges, (std::vector<std::string>{"a b", "Ġ ab"}));
  const std::vector<GgufTokenType> types(vocabulary.types.begin() + 256, vocabulary.types.end());
  EXPECT_EQ(types,
            (std::vector{GgufTokenType::kNormal,
                         GgufTokenType::kNormal,
                         GgufTokenType::kControl,
                         GgufTokenType::kUnused,
                         GgufTokenType::kUserDefined,
                         GgufTokenType::kControl,
                         GgufTokenType::kUnused,
                         GgufTokenType::kControl,
                         GgufTokenType::kUnused,
                         GgufTokenType::kUnused}));
  EXPECT_EQ(vocabulary.tokens[259], "[PAD259]_");  // the name is taken
  EXPECT_EQ(vocabulary.tokens[265], "[PAD265]");
  EXPECT_FALSE(vocabulary.add_bos);
  const Tokenizer back = Tokenizer::from_json(tokenizer_json(vocabulary), "back");
  EXPECT_EQ(back.encode("ab ab<|end|><tool>"), (Ids{256, 257, 258, 260}));
}

TEST(GgufExport, PreTokenizersAreRecognised) {
  for (const GgufPreTokenizer& known : gguf_pre_tokenizers()) {
    SCOPED_TRACE(known.pre);
    Json document = byte_level_document({});
    document["pre_tokenizer"] = known.pre_tokenizer;
    document["normalizer"] = known.normalizer;
    document["model"]["ignore_merges"] = known.takes_whole_words;
    EXPECT_EQ(vocabulary_of(document).pre, known.pre);
    document["model"]["ignore_merges"] = !known.takes_whole_words;
    EXPECT_THAT(refusal(document), HasSubstr("t.json: model.ignore_merges: expected"));
    document["model"]["ignore_merges"] = known.takes_whole_words;
    document["normalizer"] = known.normalizer.is_null() ? Json{{"type", "NFC"}} : Json(nullptr);
    EXPECT_THAT(refusal(document),
                HasSubstr(known.normalizer.is_null() ? "normalizer: expected none with the "
                                                     : "normalizer: expected NFC() with the "));
  }
  // The same said in another way.
  Json document = byte_level_document({});
  document["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Digits"}, {"individual_digits", true}},
        {{"type", "Sequence"},
         {"pretokenizers", {{{"type", "ByteLevel"}, {"add_prefix_space", false}}}}}}}};
  EXPECT_EQ(vocabulary_of(document).pre, "smollm");
}

TEST(GgufExport, NamesWhatGgufCannotSay) {
  Json document = byte_level_document({});
  document["pre_tokenizer"]["add_prefix_space"] = true;
  EXPECT_EQ(refusal(document),
            "t.json: pre_tokenizer: expected one that GGUF has a name for: gpt-2, llama-bpe, "
            "qwen2, smollm, default, found ByteLevel(prefix=true,regex=true); GGUF cannot hold "
            "this tokenizer");
  document = byte_level_document({});
  document["post_processor"] = {{"type", "TemplateProcessing"},
                                {"single",
                                 {{{"SpecialToken", {{"id", "a"}}}},
                                  {{"SpecialToken", {{"id", "a"}}}},
                                  {{"Sequence", {{"id", "A"}}}}}},
                                {"special_tokens", {{"a", {{"id", "a"}, {"ids", {97}}}}}}};
  EXPECT_THAT(refusal(document),
              HasSubstr("post_processor: expected at most one token at each end of a text, found 2 "
                        "tokens around a text"));
}

TEST(GgufExport, EndsOfTexts) {
  Json document = byte_level_document({});
  const Json a = {{"SpecialToken", {{"id", "a"}}}}, text = {{"Sequence", {{"id", "A"}}}};
  document["post_processor"] = {{"type", "TemplateProcessing"},
                                {"single", {text, a}},
                                {"special_tokens", {{"a", {{"id", "a"}, {"ids", {97}}}}}}};
  GgufVocabulary vocabulary = vocabulary_of(document);
  EXPECT_FALSE(vocabulary.add_bos);
  EXPECT_TRUE(vocabulary.add_eos);
  EXPECT_EQ(vocabulary.eos_id, 97);
  document["post_processor"]["single"] = {a, text, a};
  vocabulary = vocabulary_of(document);
  EXPECT_TRUE(vocabulary.add_bos);
  EXPECT_TRUE(vocabulary.add_eos);
  EXPECT_EQ(vocabulary.bos_id, 97);
}

TEST(GgufExport, SentencePieceTokensBecomeTypedAndScored) {
  const Json document = llama_document({"▁", "a", "b"}, {{"a", "b"}, {"▁", "ab"}});
  const GgufVocabulary vocabulary = vocabulary_of(document, 266);
  EXPECT_EQ(vocabulary.model, "llama");
  EXPECT_EQ(vocabulary.types[0], GgufTokenType::kUnknown);
  EXPECT_EQ(vocabulary.types[1], GgufTokenType::kControl);
  EXPECT_EQ(vocabulary.types[3], GgufTokenType::kByte);
  EXPECT_EQ(vocabulary.types[258], GgufTokenType::kByte);
  EXPECT_EQ(vocabulary.types[259], GgufTokenType::kNormal);
  EXPECT_EQ(vocabulary.types[265], GgufTokenType::kUnused);
  const std::vector<double> scores(vocabulary.scores.begin() + 258, vocabulary.scores.end());
  EXPECT_EQ(scores, (std::vector<double>{0, -3, -3, -3, -1, -2, 0, 0}));
  EXPECT_TRUE(vocabulary.add_space_prefix);
  EXPECT_TRUE(vocabulary.add_bos);
  EXPECT_EQ(vocabulary.bos_id, 1);
  EXPECT_EQ(vocabulary.unknown_id, 0);
  const Tokenizer before = Tokenizer::from_json(document, "before");
  const Tokenizer after = Tokenizer::from_json(tokenizer_json(vocabulary), "after");
  for (const char* text : {"ab", "a b ab", "é</s>ab", ""}) {
    EXPECT_EQ(after.encode(text, {.special_ends = true}),
              before.encode(text, {.special_ends = true}));
    EXPECT_EQ(after.decode(after.encode(text)), before.decode(before.encode(text)));
  }
}

TEST(GgufExport, SpacePrefixOfEveryKind) {
  Json document = llama_document({"▁", "a"}, {});
  document["normalizer"] = document["normalizer"]["normalizers"][1];
  EXPECT_FALSE(vocabulary_of(document).add_space_prefix);
  document["normalizer"] = nullptr;
  document["pre_tokenizer"] = {
      {"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "first"}, {"split", false}};
  EXPECT_TRUE(vocabulary_of(document).add_space_prefix);
  document["pre_tokenizer"]["prepend_scheme"] = "never";
  EXPECT_FALSE(vocabulary_of(document).add_space_prefix);
  document["pre_tokenizer"]["split"] = true;
  EXPECT_THAT(refusal(document),
              AllOf(HasSubstr("normalizer and pre_tokenizer: expected those of a SentencePiece"),
                    HasSubstr("found  Metaspace({\"type\":\"Metaspace\"")));
  document = llama_document({"▁", "a"}, {});
  document["model"]["ignore_merges"] = true;
  EXPECT_THAT(refusal(document), HasSubstr("model.ignore_merges: expected false"));
}

TEST(GgufExport, MergesWithoutScoresAreRefused) {
  GgufVocabulary vocabulary;
  vocabulary.place = "t.json";
  vocabulary.model = "llama";
  vocabulary.tokens = {"a", "b", "c", "ab", "bc", "abc"};
  vocabulary.types.assign(6, GgufTokenType::kNormal);
  const auto scores = [&](const std::vector<TokenPair>& merges) {
    return scores_from_merges(vocabulary, merges);
  };
  const auto error = [&](const std::vector<TokenPair>& merges) {
    return message_of<UserError>([&] { scores(merges); });
  };
  // Both ways to make abc, in either order.
  EXPECT_EQ(scores({{"a", "b"}, {"b", "c"}, {"ab", "c"}, {"a", "bc"}}),
            (std::vector<double>{-4, -4, -4, -1, -2, -3}));
  EXPECT_EQ(scores({{"b", "c"}, {"a", "bc"}, {"ab", "c"}, {"a", "b"}}),
            (std::vector<double>{-4, -4, -4, -3, -1, -2}));
  // Entangled: one score for ab, bc and abc, whose order is then that of the ids.
  EXPECT_EQ(scores({{"a", "b"}, {"a", "bc"}, {"b", "c"}, {"ab", "c"}}),
            (std::vector<double>{-3, -3, -3, -1, -2, -2}));
  EXPECT_EQ(error({{"ab", "c"}, {"b", "c"}, {"a", "bc"}, {"a", "b"}}),
            "t.json: merge 0: expected the order of a SentencePiece vocabulary, which scores of "
            "tokens give, found 'ab' + 'c'; GGUF cannot hold this tokenizer");
  EXPECT_THAT(error({{"a", "b"}, {"b", "c"}, {"ab", "c"}}), HasSubstr("merge 2"));
  EXPECT_THAT(error({{"a", "b"}, {"c", "c"}}), HasSubstr("merge 1: expected"));
}

TEST(GgufExport, KeysOfAFolder) {
  Json document = byte_level_document({{"a", "b"}});
  document["added_tokens"] = {{{"id", 257}, {"content", "<s>"}, {"special", true}},
                              {{"id", 258}, {"content", "</s>"}, {"special", true}},
                              {{"id", 259}, {"content", "<pad>"}, {"special", true}}};
  DecoderSpec spec = small_spec(264);
  spec.bos_id = 257;
  spec.eos_ids = {258};
  ModelFolder model(document, spec);
  model.write("generation_config.json", {{"eos_token_id", {258, 97, 264}}});  // 264: no token
  model.write(
      "tokenizer_config.json",
      {{"pad_token", {{"content", "<pad>"}}},
       {"bos_token", "ignored"},
       {"chat_template",
        {{{"name", "default"}, {"template", "D"}}, {{"name", "tool"}, {"template", "T"}}}}});
  const Checkpoint gguf = model.as_gguf();
  EXPECT_EQ(gguf.spec().bos_id, 257);
  EXPECT_EQ(gguf.spec().pad_id, 259);
  EXPECT_EQ(gguf.stop_ids(), (std::vector<std::int64_t>{258, 97}));
  EXPECT_EQ(gguf.spec().vocab, 264);
  const GgufFile& file = *gguf.gguf();
  EXPECT_FALSE(file.boolean_or("tokenizer.ggml.add_bos_token", true));
  EXPECT_EQ(file.string("tokenizer.chat_template"), "D");
  EXPECT_EQ(file.string("tokenizer.chat_template.tool"), "T");
  EXPECT_EQ(*file.find_strings("tokenizer.chat_templates"), std::vector<std::string>{"tool"});
  EXPECT_EQ(file.find_strings("tokenizer.ggml.tokens")->back(), "[PAD263]");
  EXPECT_EQ(Tokenizer::of(gguf).encode("ab<s>"), (Ids{256, 257}));

  // A GGUF source passes its keys on as they are.
  const GgufMetadata again = gguf_tokenizer_keys(gguf);
  std::string before, after;
  again.write_to(after);
  gguf_tokenizer_keys(model.open()).write_to(before);
  EXPECT_EQ(before, after);
}

TEST(GgufExport, ChatTemplateOfAFileOfItsOwn) {
  ModelFolder model(byte_level_document({}), small_spec(256));
  model.write("tokenizer_config.json", {{"chat_template", "old"}});
  EXPECT_EQ(model.as_gguf().gguf()->string("tokenizer.chat_template"), "old");
  write_plainly(model.folder() / "chat_template.jinja", "new\n");
  EXPECT_EQ(model.as_gguf().gguf()->string("tokenizer.chat_template"), "new\n");
}

TEST(GgufExport, NamesOfChatTemplatesAreRefusedTwice) {
  ModelFolder model(byte_level_document({}), small_spec(256));
  model.write("tokenizer_config.json",
              {{"chat_template",
                {{{"name", "a"}, {"template", "A"}}, {{"name", "a"}, {"template", "B"}}}}});
  EXPECT_THAT(
      message_of<FormatError>([&] { model.as_gguf(); }),
      testing::HasSubstr("/chat_template/1/name: expected every name once, found 'a' again"));
}

// The case files of the real vocabularies, through GGUF and back.
class ExportedCases : public testing::TestWithParam<const char*> {};

TEST_P(ExportedCases, GiveTheSameIds) {
  const Json document = read_json_file(fetched_tokenizer(GetParam()));
  const Tokenizer before = Tokenizer::from_json(document, "before");
  const Tokenizer after = Tokenizer::from_json(through_gguf(document), "after");
  const fs::path golden = fs::path(PITH_SOURCE_DIR) / "tests/golden/tokenizers";
  const Json shared = read_json_file(golden / (std::string(GetParam()) + "_tokenizer_cases.json"));
  const Json random = read_json_file(golden / "random_cases.json");
  std::size_t count = 0;
  for (const Json* cases : {&shared["cases"], &random["tokenizers"][GetParam()]})
    for (const Json& entry : *cases) {
      const auto text = entry["text"].get<std::string>();
      const Ids ids = entry["ids"].get<Ids>();
      ++count;
      EXPECT_EQ(after.encode(text), ids) << text;
      EXPECT_EQ(after.decode(ids), entry.value("decoded", text));
      EXPECT_EQ(after.encode(text, {.special_ends = true}),
                before.encode(text, {.special_ends = true}));
    }
  EXPECT_GT(count, 140u);
}
INSTANTIATE_TEST_SUITE_P(Vocabularies,
                         ExportedCases,
                         testing::Values("gpt2", "llama2", "llama3", "qwen3"));

}  // namespace
}  // namespace pith
