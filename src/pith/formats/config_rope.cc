#include "pith/formats/config_rope.h"

namespace pith {
namespace {

constexpr double kDefaultTheta = 10000.0;
constexpr std::int64_t kMaxContext = std::int64_t{1} << 31;

// transformers 5 may nest the object by type of layer; Pith takes it when all types agree.
JsonCursor flat_rope(const JsonCursor& rope) {
  std::optional<JsonCursor> first;
  for (const char* type : {"full_attention", "sliding_attention"}) {
    const auto nested = rope.find(type);
    if (!nested) continue;
    if (first && first->json() != nested->json())
      nested->fail(fmt::format("the same values as at {}", first->pointer()),
                   "others",
                   "one RoPE for all layers is supported");
    first = nested;
  }
  return first.value_or(rope);
}

RopeScalingKind kind_of(const JsonCursor& rope) {
  auto key = rope.find("rope_type");
  if (!key) key = rope.find("type");
  if (!key) return RopeScalingKind::kNone;
  return key->one_of<RopeScalingKind>();
}

double positive(const JsonCursor& value) {
  const double number = value.number();
  if (number <= 0) value.fail("a number above 0");
  return number;
}

std::optional<double> optional_number(const JsonCursor& rope, std::string_view key) {
  const auto value = rope.find(key);
  return value ? std::optional(value->number()) : std::nullopt;
}

// A number whose 0 counts as absent, as in transformers.
double number_unless_zero(const JsonCursor& rope, std::string_view key, double otherwise) {
  const double value = rope.number_or(key, otherwise);
  return value == 0 ? otherwise : value;
}

std::optional<std::int64_t> original_context(const JsonCursor& config, const JsonCursor& rope) {
  constexpr const char* kKey = "original_max_position_embeddings";
  auto value = config.find(kKey);  // the top level wins in transformers 5
  if (!value) value = rope.find(kKey);
  return value ? std::optional(value->integer(1, kMaxContext)) : std::nullopt;
}

void read_yarn(const JsonCursor& rope, RopeSpec& spec) {
  spec.beta_fast = number_unless_zero(rope, "beta_fast", spec.beta_fast);
  spec.beta_slow = number_unless_zero(rope, "beta_slow", spec.beta_slow);
  spec.truncate = rope.boolean_or("truncate", true);
  spec.attention_factor = optional_number(rope, "attention_factor");
  spec.mscale = optional_number(rope, "mscale");
  spec.mscale_all_dim = optional_number(rope, "mscale_all_dim");
}

void read_scaling(const JsonCursor& config,
                  const JsonCursor& rope,
                  std::int64_t context,
                  RopeSpec& spec) {
  spec.scaling = kind_of(rope);
  if (spec.scaling == RopeScalingKind::kNone) return;
  spec.factor = positive(rope.at("factor"));
  spec.original_context = original_context(config, rope);
  if (spec.scaling == RopeScalingKind::kLinear || spec.scaling == RopeScalingKind::kDynamic) return;
  if (!spec.original_context) spec.original_context = context;
  if (spec.scaling == RopeScalingKind::kYarn) return read_yarn(rope, spec);
  spec.low_freq_factor = positive(rope.at("low_freq_factor"));
  spec.high_freq_factor = positive(rope.at("high_freq_factor"));
  if (spec.high_freq_factor <= spec.low_freq_factor)
    rope.at("high_freq_factor")
        .fail(fmt::format("a number above low_freq_factor {}", spec.low_freq_factor));
}

void refuse_partial(const JsonCursor& object) {
  const auto value = object.find("partial_rotary_factor");
  if (value && value->number() != 1)
    value->fail("1, since Pith turns whole heads", value->json().dump());
}

Json scaling_json(const RopeSpec& rope) {
  Json json = {{"rope_type", std::string(to_string(rope.scaling))}};
  if (rope.scaling != RopeScalingKind::kNone) json["factor"] = rope.factor;
  if (rope.original_context) json["original_max_position_embeddings"] = *rope.original_context;
  if (rope.scaling == RopeScalingKind::kLlama3) {
    json["low_freq_factor"] = rope.low_freq_factor;
    json["high_freq_factor"] = rope.high_freq_factor;
  }
  if (rope.scaling == RopeScalingKind::kYarn) {
    json["beta_fast"] = rope.beta_fast;
    json["beta_slow"] = rope.beta_slow;
    if (!rope.truncate) json["truncate"] = false;
    if (rope.attention_factor) json["attention_factor"] = *rope.attention_factor;
    if (rope.mscale) json["mscale"] = *rope.mscale;
    if (rope.mscale_all_dim) json["mscale_all_dim"] = *rope.mscale_all_dim;
  }
  return json;
}

}  // namespace

RopeSpec rope_from_config(const JsonCursor& config, std::int64_t context) {
  RopeSpec spec;
  refuse_partial(config);
  const auto theta = config.find("rope_theta");
  spec.theta = theta ? positive(*theta) : kDefaultTheta;
  auto object = config.find("rope_parameters");
  if (!object) object = config.find("rope_scaling");
  if (!object) return spec;
  if (!object->json().is_object()) object->fail("an object");
  const JsonCursor rope = flat_rope(*object);
  refuse_partial(rope);
  if (const auto inner = rope.find("rope_theta")) spec.theta = positive(*inner);
  read_scaling(config, rope, context, spec);
  return spec;
}

void put_rope(const RopeSpec& rope, Json& config) {
  Json parameters = scaling_json(rope);
  config["rope_theta"] = rope.theta;
  config["rope_scaling"] = rope.scaling == RopeScalingKind::kNone ? Json(nullptr) : parameters;
  parameters["rope_theta"] = rope.theta;
  config["rope_parameters"] = std::move(parameters);
}

}  // namespace pith
