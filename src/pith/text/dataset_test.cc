#include "pith/text/dataset.h"

#include <gmock/gmock.h>

#include "pith/base/test_support.h"
#include "pith/text/gpt2_files.h"
#include "pith/text/text_test_support.h"

namespace pith {
namespace {

using Ids = std::vector<std::int32_t>;
using testing::EndsWith;
using testing::HasSubstr;

std::vector<JsonlRecord> records(const std::string& text, std::int64_t vocab = 100) {
  const TestFolder folder;
  write_plainly(folder / "d.jsonl", text);
  std::vector<JsonlRecord> found;
  read_jsonl(
      folder / "d.jsonl", vocab, [&](const JsonlRecord& record) { found.push_back(record); });
  return found;
}

TEST(Jsonl, ReadsIdsAndTexts) {
  const auto found = records(
      "{\"ids\": [1, 99]}\n\r\n  \n{\"text\": \"a\\nb\", \"top\": 5, \"other\": {}}\r\n{\"ids\": "
      "[]}");
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].ids, (Ids{1, 99}));
  EXPECT_EQ(found[0].line, 0u);
  EXPECT_EQ(found[0].top, 0);
  EXPECT_EQ(found[1].text, "a\nb");
  EXPECT_EQ(found[1].ids, std::nullopt);
  EXPECT_EQ(found[1].line, 3u);  // empty lines count
  EXPECT_EQ(found[1].top, 5);
  EXPECT_EQ(found[2].ids, Ids{});
  EXPECT_TRUE(records("").empty());
}

TEST(Jsonl, ErrorsNameTheLine) {
  const auto message = [](const std::string& text) {
    return message_of<FormatError>([&] { records(text); });
  };
  EXPECT_THAT(message("{\"ids\": [1]}\n\n{\"ids\": [100]}"),
              EndsWith("d.jsonl: line 3: at /ids/0: expected an integer from 0 to 99, found 100"));
  EXPECT_THAT(message("{\"ids\": [-1]}"),
              HasSubstr("line 1: at /ids/0: expected an integer from 0 to 99"));
  EXPECT_THAT(message("{\"ids\": [1.5]}"), HasSubstr("line 1: at /ids/0: expected an integer"));
  EXPECT_THAT(message("{}"),
              EndsWith("line 1: expected one of the keys 'ids' and 'text', found neither"));
  EXPECT_THAT(message("{\"ids\": [], \"text\": \"\"}"),
              EndsWith("line 1: expected one of the keys 'ids' and 'text', found both"));
  EXPECT_THAT(message("{\"text\": 3}"), EndsWith("line 1: at /text: expected a string, found 3"));
  EXPECT_THAT(message("{\"ids\": [1], \"top\": 101}"),
              HasSubstr("at /top: expected an integer from 0 to 100"));
  EXPECT_THAT(message("{\"ids\": [1]}\n{\"ids\": "), HasSubstr("line 2"));
  EXPECT_THAT(message("[1]"), HasSubstr("line 1: expected an object"));
  EXPECT_THAT(message("{\"text\": \"\xFF\"}"), HasSubstr("line 1"));
  EXPECT_THAT(message("{\"text\": \"" + std::string(65 << 20, 'a') + "\"}"),
              HasSubstr("line 1: expected at most 67108864 bytes, found 68157452"));
  EXPECT_THAT(message_of<FormatError>(
                  [] { read_jsonl("/nonexistent.jsonl", 10, [](const JsonlRecord&) {}); }),
              HasSubstr("/nonexistent.jsonl"));
}

TEST(Jsonl, RecordsBeforeABadLineAreDelivered) {
  const TestFolder folder;
  write_plainly(folder / "d.jsonl", "{\"ids\": [1]}\nx\n");
  int count = 0;
  EXPECT_THROW(read_jsonl(folder / "d.jsonl", 10, [&](const JsonlRecord&) { ++count; }),
               FormatError);
  EXPECT_EQ(count, 1);
}

TEST(TokenStream, IsTheWholeFileOrItsRecords) {
  const TestFolder folder;
  const Tokenizer tokenizer = Tokenizer::from_json(llama_document({"▁", "a"}, {{"▁", "a"}}), "");
  write_plainly(folder / "t.txt", "a\n a");
  const TokenStream whole = read_token_stream(folder / "t.txt", tokenizer, 1000);
  EXPECT_EQ(whole.ids, (Ids{261, 13, 261}));  // no BOS
  EXPECT_EQ(whole.document_ends, (std::vector<std::size_t>{3}));
  write_plainly(folder / "t.jsonl", "{\"text\": \"a\"}\n{\"ids\": [7, 8]}\n{\"text\": \"\"}\n");
  const TokenStream split = read_token_stream(folder / "t.jsonl", tokenizer, 1000);
  EXPECT_EQ(split.ids, (Ids{261, 7, 8}));
  EXPECT_EQ(split.document_ends, (std::vector<std::size_t>{1, 3, 3}));
  write_plainly(folder / "empty.txt", "");
  write_plainly(folder / "empty.jsonl", "\n{\"ids\": []}\n");
  for (const char* name : {"empty.txt", "empty.jsonl"})
    EXPECT_THAT(message_of<FormatError>([&] { read_token_stream(folder / name, tokenizer, 1000); }),
                EndsWith("there are no tokens in it"));
  write_plainly(folder / "latin.txt", "a\xe9");
  EXPECT_THAT(
      message_of<FormatError>([&] { read_token_stream(folder / "latin.txt", tokenizer, 1000); }),
      EndsWith("latin.txt:1:2: expected UTF-8 text, found byte 0xe9"));
  EXPECT_THROW(read_token_stream(folder.path(), tokenizer, 1000), FormatError);
}

TEST(TokenFile, TwoBytesWhereTheVocabularyFits) {
  const TestFolder folder;
  const Ids ids = {0, 1, 258, 65535};
  write_token_file(folder / "a.bin", ids, 65536);
  EXPECT_EQ(contents(folder / "a.bin"), std::string("\0\0\1\0\2\1\xFF\xFF", 8));
  EXPECT_EQ(read_token_file(folder / "a.bin", 65536), ids);
  write_token_file(folder / "b.bin", ids, 65537);
  EXPECT_EQ(contents(folder / "b.bin"), std::string("\0\0\0\0\1\0\0\0\2\1\0\0\xFF\xFF\0\0", 16));
  EXPECT_EQ(read_token_file(folder / "b.bin", 65537), ids);
}

TEST(TokenFile, BadFilesAreRefused) {
  const TestFolder folder;
  const auto message = [&](const std::string& bytes, std::int64_t vocab) {
    write_plainly(folder / "a.bin", bytes);
    return message_of<FormatError>([&] { read_token_file(folder / "a.bin", vocab); });
  };
  EXPECT_THAT(message("abc", 100),
              EndsWith("expected ids of 2 bytes for a vocabulary of 100, found 3 bytes"));
  EXPECT_THAT(message("abcdef", 70000),
              EndsWith("expected ids of 4 bytes for a vocabulary of 70000, found 6 bytes"));
  EXPECT_THAT(message("", 100), EndsWith("found 0 bytes"));
  EXPECT_THAT(message(std::string("\1\0\x64\0", 4), 100),
              EndsWith("id 100 of number 1 is not below 100, the vocabulary of the model"));
  EXPECT_THAT(message("\xFF\xFF\xFF\xFF", 70000), HasSubstr("id -1 of number 0"));
}

TEST(Gpt2Files, KeepHashesAndSkipTheVersion) {
  const TestFolder folder;
  write_plainly(folder / "vocab.json", R"({"#": 0, "##": 1, "a": 2, "#a": 3, "<|endoftext|>": 4})");
  write_plainly(folder / "merges.txt", "#version: 0.2\n# #\r\n# a\n\n");
  const Tokenizer tokenizer = Tokenizer::from_json(
      tokenizer_json_from_gpt2_files(folder / "vocab.json", folder / "merges.txt"), "");
  EXPECT_EQ(tokenizer.encode("## a<|endoftext|>"), (Ids{1, 2, 4}));
  write_plainly(folder / "merges.txt", "# #\n# a b\n");
  EXPECT_THAT(message_of<FormatError>([&] {
                tokenizer_json_from_gpt2_files(folder / "vocab.json", folder / "merges.txt");
              }),
              EndsWith("merges.txt:2: expected two tokens with a space between"));
  write_plainly(folder / "merges.txt", "\xFF a\n");
  EXPECT_THAT(message_of<FormatError>([&] {
                tokenizer_json_from_gpt2_files(folder / "vocab.json", folder / "merges.txt");
              }),
              EndsWith("expected UTF-8 text, found byte 0xff"));
  write_plainly(folder / "vocab.json", "[]");
  EXPECT_THAT(message_of<FormatError>([&] {
                tokenizer_json_from_gpt2_files(folder / "vocab.json", folder / "merges.txt");
              }),
              EndsWith("expected an object of tokens and ids"));
}

}  // namespace
}  // namespace pith
