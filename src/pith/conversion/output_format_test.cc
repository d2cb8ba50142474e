#include "pith/conversion/output_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>
#include <set>
#include <sstream>

#include "pith/codec/transcode.h"
#include "pith/conversion/test_models.h"

namespace pith {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Widths that divide as every format wants; the embedding is small beside the linears.
DecoderSpec wide_llama(std::int64_t vocab = 37) {
  DecoderSpec spec = tiny_llama();
  spec.vocab = vocab;
  spec.hidden = 64;
  spec.layers.assign(1, {.heads = 2, .kv_heads = 1, .qk_dim = 32, .v_dim = 32, .ffn = 96});
  return spec;
}

Planner linears_as(const Encoding& encoding, const ActivationQuantization& activation = {}) {
  return [=](const Parameter& parameter, const Encoding& stored) {
    ParameterPlan plan{.encoding = stored, .round = {}};
    if (parameter.kind != ParameterKind::kLinear) return plan;
    plan.encoding = encoding;
    plan.activation = activation;
    const auto* integers = std::get_if<GroupIntEncoding>(&encoding);
    if (integers && integers->zero_points == ZeroPoints::kInt32)
      plan.round.affine_range = AffineRange::kFree;
    return plan;
  };
}

// A model in Pith's layout whose linears are so.
Checkpoint quantized(const TestFolder& folder,
                     const Encoding& encoding,
                     const ActivationQuantization& activation = {},
                     const DecoderSpec& spec = wide_llama()) {
  const Checkpoint dense = random_checkpoint(folder / "dense", spec);
  convert(dense, folder / "quantized", linears_as(encoding, activation));
  return Checkpoint::open(folder / "quantized");
}

// As `pith convert --format NAME --dtype DENSE`.
Checkpoint convert_to(const std::string& name,
                      const Checkpoint& source,
                      const std::filesystem::path& folder,
                      std::optional<DType> dense = std::nullopt) {
  const OutputFormat format = parse_output_format(name, "--format");
  const Planner planner = format.preset ? gguf_planner(source, *format.preset, nullptr)
                                        : keeping_planner(source, format, dense);
  convert(source, folder, planner, {.format = format});
  return Checkpoint::open(written_model(format, folder));
}

void expect_same(const PackedMatrix& found, const PackedMatrix& expected) {
  const PackedMatrix same =
      found.encoding() == expected.encoding() ? expected : transcode(expected);
  ASSERT_EQ(to_string(found.encoding()), to_string(same.encoding()));
  EXPECT_EQ(found.activation, same.activation);
  for (std::size_t i = 0; i < found.buffers().size(); ++i)
    EXPECT_TRUE(std::ranges::equal(found.buffers()[i].bytes, same.buffers()[i].bytes))
        << found.buffers()[i].spec.part;
}

void expect_same(const Checkpoint& found, const Checkpoint& expected) {
  for (const Parameter& parameter : expected.parameters()) {
    SCOPED_TRACE(parameter.name);
    expect_same(found.load(parameter.name), expected.load(parameter.name));
  }
}

// Formats between blanks; ct is compressed-tensors, bnb bitsandbytes.
struct Refusal {
  std::string_view formats, reason;
};
struct Row {
  Encoding encoding;
  std::string_view held_by;         // codes, scales and zero points unchanged
  std::vector<Refusal> refused_by;  // and, where neither says more, by kUsual
  ActivationQuantization activation{};
};

constexpr Refusal kUsual[] = {
    {"bnb", "its integers are symmetric 8-bit rows with f32 scales"},
    {"fp8", "it holds E4M3 in blocks with f32 scales only"},
    {"gguf", "GGUF: expected an encoding that it has: f32, f16, bf16, Q4_0, "}};
constexpr Refusal kNoBnbKind = {"bnb", "it holds nf4, fp4 and int8 rows only"};
constexpr Refusal kNoWords = {"gptq awq", "its codes are no integers with a scale"};
constexpr Refusal kNoActivations = {"gptq awq", "its activations are quantized ("};
constexpr Refusal kNotCt = {"ct", "it holds integers and E4M3 with scales only"};
constexpr Refusal kNotAwq8 = {"awq", "8 bits, of which it knows only 4"};
constexpr Refusal kNotAwq5 = {"awq", "5 bits, of which it knows only 4"};
constexpr Refusal kNotGptq5 = {"gptq", "5 bits, of which it knows 2, 3, 4 and 8"};

// group_size 0: rows.
GroupIntEncoding integers(int bits, std::size_t group_size, ZeroPoints zeros, DType scales) {
  const Granularity unit = group_size == 0 ? Granularity::kRow : Granularity::kGroup;
  return {bits, unit, group_size, zeros, scales, false};
}
Float8Encoding float8(Granularity granularity, std::size_t block = 0) {
  return {DType::kF8E4M3, granularity, DType::kF32, block};
}

// The table of docs/formats.md, section 2.
std::vector<Row> table() {
  constexpr ZeroPoints kNone = ZeroPoints::kNone, kPacked = ZeroPoints::kPacked;
  constexpr DType kF32 = DType::kF32, kF16 = DType::kF16, kBF16 = DType::kBF16;
  const GroupIntEncoding rows = integers(8, 0, kNone, kF32);
  return {
      {integers(4, 32, kNone, kF16), "pith ct gptq awq gguf", {}},
      {integers(5, 32, kNone, kF16), "pith ct gguf", {kNotGptq5, kNotAwq5}},
      {integers(8, 32, kNone, kF16), "pith ct gptq gguf", {kNotAwq8}},
      {integers(4, 16, kNone, kF16), "pith ct gptq awq", {}},
      {integers(4, 32, kPacked, kF16), "pith ct gptq awq", {}},
      {integers(4, 32, kPacked, kBF16), "pith ct gptq", {{"awq", "its scales are BF16"}}},
      {integers(4, 32, kPacked, kF32), "pith ct", {{"gptq awq", "its scales are F32"}}},
      {integers(8, 0, kNone, kF16), "pith ct gptq", {kNotAwq8}},
      {rows,
       "pith ct",
       {{"gptq", "its scales are F32"},
        kNotAwq8,
        {"bnb",
         "it always meets 8-bit weights with int8 activations a token, here they are floats"}}},
      {rows, "pith ct bnb", {kNoActivations}, {ActivationScheme::kDynamicInt8Token, 0, 0, 0}},
      {rows,
       "pith bnb",
       {{"ct", "it has no activations of which some columns stay floats"}, kNoActivations},
       {ActivationScheme::kLlmInt8, 0, 0, 6}},
      {rows,
       "pith ct",
       {kNoActivations,
        {"bnb",
         "it always meets 8-bit weights with int8 activations a token, here they are "
         "static-int8-tensor 0.25 -3"}},
       {ActivationScheme::kStaticInt8Tensor, 0.25f, -3, 0}},
      {integers(8, 0, ZeroPoints::kInt32, kF32),
       "pith",
       {{"ct", "its zero points are as wide as its codes"},
        {"gptq awq", "its zero points may lie outside the range of the codes"}}},
      {float8(Granularity::kTensor), "pith ct", {kNoWords, kNoBnbKind}},
      {float8(Granularity::kRow), "pith ct", {kNoWords, kNoBnbKind}},
      {float8(Granularity::kGroup, 32), "pith ct fp8", {kNoWords, kNoBnbKind}},
      {CodebookEncoding{CodebookTable::kNf4, 64, true}, "pith bnb", {kNotCt, kNoWords}},
      {CodebookEncoding{CodebookTable::kFp4, 64, false}, "pith bnb", {kNotCt, kNoWords}},
      {GgmlEncoding{GgmlType::kQ4_0}, "pith ct gptq awq gguf", {}},
      {GgmlEncoding{GgmlType::kQ5_0}, "pith ct gguf", {kNotGptq5, kNotAwq5}},
      {GgmlEncoding{GgmlType::kQ8_0}, "pith ct gptq gguf", {kNotAwq8}},
      {GgmlEncoding{GgmlType::kQ4_1}, "pith gguf", {kNotCt, kNoWords, kNoBnbKind}},
  };
}

std::vector<std::string> formats_in(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::vector<std::string> formats{std::istream_iterator<std::string>(stream), {}};
  std::ranges::replace(formats, "ct", "compressed-tensors");
  std::ranges::replace(formats, "bnb", "bitsandbytes");
  return formats;
}

void check_refusal(const Checkpoint& source,
                   const std::string& format,
                   std::string_view reason,
                   const std::filesystem::path& folder) {
  SCOPED_TRACE(format);
  const std::string matrix =
      format == "gguf" ? "parameter 'layers.0.attn.q': "
                       : format + " cannot hold 'model.layers.0.self_attn.q_proj.weight' as ";
  const std::string message = message_of<UserError>([&] { convert_to(format, source, folder); });
  EXPECT_THAT(message, StartsWith(matrix));
  EXPECT_THAT(message, HasSubstr(": " + std::string(reason)));
}

void check_row(const Checkpoint& source, const Row& row, const TestFolder& folder) {
  std::set<std::string> done;
  for (const std::string& format : formats_in(row.held_by)) {
    SCOPED_TRACE(format);
    expect_same(convert_to(format, source, folder / format), source);
    done.insert(format);
  }
  std::vector<Refusal> refusals = row.refused_by;
  refusals.insert(refusals.end(), std::begin(kUsual), std::end(kUsual));
  for (const Refusal& refusal : refusals)
    for (const std::string& format : formats_in(refusal.formats))
      if (done.insert(format).second)
        check_refusal(source, format, refusal.reason, folder / format);
  EXPECT_EQ(done.size(), 7u);  // every column
}

TEST(KeepingPlanner, HoldsAndRefusesAsTheTableSays) {
  for (const Row& row : table()) {
    SCOPED_TRACE(to_string(row.encoding) + ", activations " + to_string(row.activation));
    const TestFolder folder;
    check_row(quantized(folder, row.encoding, row.activation), row, folder);
  }
}

TEST(KeepingPlanner, ActOrderGoesToPithAndGptq) {
  const Checkpoint source = Checkpoint::open(std::filesystem::path(PITH_SOURCE_DIR) /
                                             "tests/golden/formats/gptq_awq/numpy-gptq4-v2-order");
  const Row row{source.encoding("layers.0.attn.q"),
                "pith gptq",
                {{"ct", "act-order was dropped from it in 2026"},
                 {"awq", "its groups are not runs of columns"}}};
  const TestFolder folder;
  check_row(source, row, folder);
}

TEST(KeepingPlanner, NothingIsLostFromFormatToFormat) {
  struct Chain {
    ZeroPoints zeros;
    std::string_view formats;
  };
  for (const auto& [zeros, formats] :
       {Chain{ZeroPoints::kPacked, "gptq ct awq gptq pith"},
        Chain{ZeroPoints::kNone, "gguf gptq ct awq gguf pith gguf gptq pith"}}) {
    const TestFolder folder;
    const Checkpoint first = quantized(folder, integers(4, 32, zeros, DType::kF16));
    Checkpoint model = first;
    for (const std::string& format : formats_in(formats)) {
      SCOPED_TRACE(format);
      model = convert_to(format, model, folder / std::to_string(folder.names().size()));
      expect_same(model, first);
    }
  }
}

// llama-quantize compresses embedding and head too.
TEST(KeepingPlanner, TablesOfGgufBecomeFloatsWhereTheFormatHasNone) {
  const TestFolder folder;
  const Checkpoint dense = random_checkpoint(folder / "dense", wide_llama());
  const Checkpoint source = convert_to("gguf:Q8_0", dense, folder / "gguf");
  ASSERT_EQ(to_string(source.encoding("embedding")), "q8_0");
  ASSERT_EQ(to_string(source.encoding("lm_head")), "q8_0");
  const Checkpoint gptq = convert_to("gptq", source, folder / "gptq");
  for (const char* name : {"embedding", "lm_head"}) {
    EXPECT_EQ(to_string(gptq.encoding(name)), "f32");
    EXPECT_EQ(gptq.load(name).dequantize(), source.load(name).dequantize());
  }
  expect_same(gptq.load("layers.0.attn.k"), source.load("layers.0.attn.k"));
  const Checkpoint ct = convert_to("compressed-tensors", source, folder / "ct", DType::kF16);
  EXPECT_EQ(to_string(ct.encoding("embedding")), "f16");
  expect_same(ct.load("lm_head"), source.load("lm_head"));
  expect_same(convert_to("pith", source, folder / "pith"), source);
  expect_same(convert_to("gguf:Q8_0", source, folder / "again"), source);
}

TEST(MakeModelWriter, FileTypeIsThatOfTheMostNumbers) {
  struct Case {
    std::int64_t vocab;
    Encoding linears;
    const char* format;
    GgufPreset expected;
  };
  const GroupIntEncoding int4 = integers(4, 32, ZeroPoints::kNone, DType::kF16);
  for (const Case& each : {Case{37, int4, "gguf", GgufPreset::kQ4_0},
                           Case{1000, int4, "gguf", GgufPreset::kF32},
                           Case{37, GgmlEncoding{GgmlType::kQ4_1}, "gguf", GgufPreset::kQ4_1},
                           Case{1000, int4, "gguf:Q8_0", GgufPreset::kQ8_0}}) {
    SCOPED_TRACE(fmt::format("{} {}", each.vocab, to_string(each.linears)));
    const TestFolder folder;
    const Checkpoint source = quantized(folder, each.linears, {}, wide_llama(each.vocab));
    const Checkpoint written = convert_to(each.format, source, folder / "out");
    EXPECT_EQ(written.gguf()->integer("general.file_type", 0, 1000), gguf_file_type(each.expected));
  }
}

TEST(MakeModelWriter, GgufKeepsTheNameAndSaysThatThereIsNoTokenizer) {
  const TestFolder folder;
  const Checkpoint source = random_checkpoint(folder / "small-model", wide_llama());
  const Checkpoint first = convert_to("gguf", source, folder / "first");
  const Checkpoint second = convert_to("gguf:Q8_0", first, folder / "second");
  for (const Checkpoint& written : {first, second}) {
    EXPECT_EQ(written.gguf()->string("general.name"), "small-model");
    EXPECT_EQ(written.gguf()->string("tokenizer.ggml.model"), "no_vocab");
  }
}

TEST(OutputFormat, NamesAreCheckedBeforeWork) {
  EXPECT_EQ(to_string(parse_output_format("gguf:Q4_K", "--format")), "gguf:Q4_K");
  EXPECT_THAT(
      message_of<UserError>([] { parse_output_format("zip", "--format"); }),
      testing::AllOf(StartsWith("--format: expected one of hf, "), HasSubstr("found 'zip'")));
  EXPECT_EQ(message_of<UserError>([] { check_output_name({"gptq"}, "a/x.gguf"); }),
            "a/x.gguf: expected the name of a folder, since the format is gptq; choose another "
            "name, or --format gguf:TYPE");
  check_output_name({"gptq"}, "a/x");
  check_output_name({"gguf"}, "a/x.gguf");
}

}  // namespace
}  // namespace pith
