// Where the parameters lie in a GGUF file.
#include "pith/formats/checkpoint_state.h"
#include "pith/formats/gguf/gguf_names.h"
#include "pith/formats/shape_text.h"

namespace pith {

std::vector<LocatedParameter> locate_in_gguf(const DecoderSpec& spec,
                                             const std::vector<Parameter>& parameters,
                                             const GgufFile& gguf) {
  const std::string architecture = gguf.string("general.architecture");
  std::vector<LocatedParameter> all;
  all.reserve(parameters.size());
  for (const Parameter& parameter : parameters) {
    const GgufName name = gguf_name(parameter, spec, architecture);
    const auto fail_tensor = [&](std::string expected, std::string found, std::string remedy = "") {
      throw FormatError(ErrorParts{fmt::format("{}: tensor '{}'", gguf.place(), name.name),
                                   std::move(expected),
                                   std::move(found),
                                   std::move(remedy)});
    };
    const std::vector<std::int64_t> shape = dense_shape(parameter);
    const GgufTensor* tensor = gguf.find(name.name);
    if (!tensor) fail_tensor("shape " + shape_text(shape), "no such tensor");
    if (tensor->shape != shape)
      fail_tensor("shape " + shape_text(shape), shape_text(tensor->shape));
    if (!tensor->encoding)
      fail_tensor(fmt::format("type F32, F16, BF16, {}", join_names(enum_names<GgmlType>())),
                  tensor->type_name,
                  "this version does not decode it; convert the file to one of these types first");
    if (shape.size() == 1 && !is_dense(*tensor->encoding))
      fail_tensor("type F32, F16 or BF16 for a vector", tensor->type_name);
    LocatedParameter located{
        name.name, *tensor->encoding, {}, Turn::kNone, name.permuted_heads, {}, {}};
    if (name.permuted_heads != 0) located.turn = Turn::kHeadRows;
    std::vector<BufferSpec> specs = buffer_specs(*tensor->encoding, parameter.rows, parameter.cols);
    if (specs.size() != 1 || specs.front().bytes() != tensor->bytes.size())
      fail_tensor(fmt::format("{} bytes", specs.front().bytes()),
                  fmt::format("{}", tensor->bytes.size()));
    located.buffers.push_back({std::move(specs.front()), tensor->bytes, tensor->file});
    all.push_back(std::move(located));
  }
  return all;
}

}  // namespace pith
