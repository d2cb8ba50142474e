#include "pith/base/options.h"

#include <gtest/gtest.h>

namespace pith {
namespace {

enum class Method { kRtn, kNf4 };
constexpr EnumName<Method> kMethodNames[] = {{Method::kRtn, "rtn"}, {Method::kNf4, "nf4"}};
constexpr std::span<const EnumName<Method>> enum_table(Method) { return kMethodNames; }

struct Options {
  int bits = 4;
  double range = 0.5;
  bool symmetric = false;
  Method method = Method::kNf4;
  std::string layers = "mlp.*";
  std::filesystem::path model = "models/a";
  ByteSize max_memory{2048};
  std::optional<std::string> skip;
  std::optional<Method> other = Method::kRtn;
  std::vector<int> groups{32, 64};
  std::vector<Method> methods{Method::kRtn, Method::kNf4};
};

void visit(Options& o, auto&& v) {
  v("bits", o.bits, "bits a weight");
  v("range", o.range, "range");
  v("symmetric", o.symmetric, "no offset");
  v("method", o.method, "method");
  v("layers", o.layers, "which");
  v("model", o.model, "folder");
  v("max_memory", o.max_memory, "ceiling");
  v("skip", o.skip, "which not");
  v("other", o.other, "another");
  v("groups", o.groups, "sizes");
  v("methods", o.methods, "several");
}

TEST(Options, TheRecordHoldsEachFieldInOrder) {
  EXPECT_EQ(
      options_to_json(Options{}).dump(),
      R"({"bits":4,"range":0.5,"symmetric":false,"method":"nf4","layers":"mlp.*","model":"models/a",)"
      R"("max_memory":2048,"skip":null,"other":"rtn","groups":[32,64],"methods":["rtn","nf4"]})");
}

}  // namespace
}  // namespace pith
