// The list of commands, and what every command has in common.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <exception>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pith/base/isa.h"
#include "pith/base/log.h"
#include "pith/base/memory.h"
#include "pith/base/threads.h"
#include "pith/cli/bind.h"
#include "pith/cli/commands.h"
#include "pith/cli/hand_over.h"
#include "pith/cli/signals.h"
#include "pith/report/report.h"

namespace pith {
namespace {

// Runs the parsed command.
using Body = std::function<int(const GlobalOptions&)>;

// One command: declares its options on `app`, returns what runs them. An empty Body means: hand
// over to pith-torch.
struct Command {
  std::string_view name;
  std::string_view summary;
  Body (*declare)(CLI::App& app, const TorchBodies* torch);
};

template <class Options>
Options& declare_options(CLI::App& app, const CommandShape& shape) {
  // Lives as long as the program: CLI11's callbacks keep references into it.
  static Options options;
  bind_options(app, options, shape);
  return options;
}

template <class Options>
Body torch_free(CLI::App& app,
                const CommandShape& shape,
                int (*run)(const Options&, const GlobalOptions&)) {
  const Options& options = declare_options<Options>(app, shape);
  return [&options, run](const GlobalOptions& global) { return run(options, global); };
}

template <class Options>
Body with_torch(CLI::App& app,
                const CommandShape& shape,
                const TorchBodies* torch,
                int (*TorchBodies::*run)(const Options&, const GlobalOptions&)) {
  const Options& options = declare_options<Options>(app, shape);
  if (torch == nullptr) return {};
  return
      [&options, body = torch->*run](const GlobalOptions& global) { return body(options, global); };
}

Body declare_bench(CLI::App& app, const TorchBodies* torch) {
  const BenchOptions& options =
      declare_options<BenchOptions>(app, {.positional = {"kind", "model"}});
  return [&options, torch](const GlobalOptions& global) {
    require(options.kind == BenchKind::kPeak || options.model.has_value(),
            "bench {}: MODEL is missing",
            to_string(options.kind));
    require(options.kind != BenchKind::kPeak || !options.model.has_value(),
            "bench peak takes no MODEL");
    switch (options.kind) {
      case BenchKind::kPeak:
        return run_bench_peak(options, global);
      case BenchKind::kStart:
        return run_bench_start(options, global);
      case BenchKind::kDecode:
      case BenchKind::kPrefill:
        break;
    }
    return torch == nullptr ? kHandOver : torch->bench_model(options, global);
  };
}

constexpr Command kCommands[] = {
    {"inspect",
     "what a model is made of",
     [](CLI::App& app, const TorchBodies*) {
       return torch_free<InspectOptions>(app, {.positional = {"model"}}, run_inspect);
     }},
    {"tokenize",
     "text to token ids and back",
     [](CLI::App& app, const TorchBodies*) {
       return torch_free<TokenizeOptions>(app, {.positional = {"model"}}, run_tokenize);
     }},
    {"convert",
     "to a complete dense Hugging Face folder",
     [](CLI::App& app, const TorchBodies*) {
       return torch_free<ConvertOptions>(
           app, {.positional = {"model"}, .required = {"output"}}, run_convert);
     }},
    {"score",
     "log-probabilities of given texts",
     [](CLI::App& app, const TorchBodies* torch) {
       return with_torch<ScoreOptions>(
           app, {.positional = {"model"}, .required = {"input"}}, torch, &TorchBodies::score);
     }},
    {"eval",
     "perplexity",
     [](CLI::App& app, const TorchBodies* torch) {
       return with_torch<EvalOptions>(
           app, {.positional = {"model"}, .required = {"perplexity"}}, torch, &TorchBodies::eval);
     }},
    {"compare",
     "what models lose against a base: perplexity, KL, agreement, size",
     [](CLI::App& app, const TorchBodies* torch) {
       return with_torch<CompareOptions>(app,
                                         {.positional = {"base", "others"}, .required = {"text"}},
                                         torch,
                                         &TorchBodies::compare);
     }},
    {"generate",
     "continue a prompt",
     [](CLI::App& app, const TorchBodies* torch) {
       return with_torch<GenerateCommandOptions>(
           app, {.positional = {"model"}, .required = {"prompt"}}, torch, &TorchBodies::generate);
     }},
    {"quantize",
     "fewer bits a weight",
     [](CLI::App& app, const TorchBodies*) {
       app.footer(quantize_method_help());
       return torch_free<QuantizeCommandOptions>(
           app, {.positional = {"model"}, .required = {"output", "method"}}, run_quantize);
     }},
    {"compress",
     "run a recipe: compress, evaluate, report",
     [](CLI::App& app, const TorchBodies* torch) {
       return with_torch<CompressOptions>(
           app, {.positional = {"recipe"}}, torch, &TorchBodies::compress);
     }},
    {"bench", "measure this machine, or a model on it", declare_bench},
};

// Parts of the design that are not built yet; refused by name.
constexpr std::string_view kLaterCommands[] = {
    "pull", "chat", "serve", "plan", "prune", "distill", "train", "fit"};
struct LaterFlag {
  std::string_view command, flag;
};
constexpr LaterFlag kLaterFlags[] = {
    {"inspect", "--sparsity"},
    {"generate", "--draft"},
    {"generate", "--draft-tokens"},
    {"quantize", "--calibration"},
    {"quantize", "--samples"},
    {"quantize", "--length"},
    {"quantize", "--calibration-seed"},
    {"quantize", "--max-memory"},
    {"quantize", "--plan"},
    {"compress", "--plan"},
    {"compress", "--max-memory"},
    {"eval", "--mmlu"},
    {"eval", "--bbh"},
};

void refuse_later(std::span<char*> arguments) {
  if (arguments.empty()) return;
  const std::string_view command = arguments[0];
  for (const std::string_view later : kLaterCommands)
    require(command != later, "the command '{}' is not built yet", later);
  for (const std::string_view argument : arguments.subspan(1))
    for (const LaterFlag& later : kLaterFlags)
      require(later.command != command || argument.substr(0, argument.find('=')) != later.flag,
              "{} of 'pith {}' is not built yet",
              later.flag,
              command);
}

void refuse_unknown_command(std::span<char*> arguments) {
  if (arguments.empty() || arguments[0][0] == '-') return;
  std::vector<std::string_view> names;
  for (const Command& command : kCommands) names.push_back(command.name);
  if (std::find(names.begin(), names.end(), arguments[0]) == names.end())
    fail_unknown_name("command", arguments[0], names);
}

void apply(const GlobalOptions& global) {
  if (global.threads) {
    require(*global.threads >= 1 && *global.threads <= 1024,
            "--threads is {}, expected 1 to 1024",
            *global.threads);
    set_num_threads(*global.threads);
  }
  start_memory_meter();
}

int parse_and_run(int argc, char** argv, const TorchBodies* torch) {
  const std::span<char*> arguments(argv + 1, static_cast<std::size_t>(std::max(0, argc - 1)));
  refuse_later(arguments);
  refuse_unknown_command(arguments);
  CLI::App app{"Pith makes language models small and fast, and proves it.", "pith"};
  app.set_version_flag("--version", fmt::format("pith {}, {}", revision(), isa_name()));
  app.require_subcommand(1);
  GlobalOptions global;
  std::vector<std::pair<CLI::App*, Body>> bodies;
  for (const Command& command : kCommands) {
    CLI::App* sub = app.add_subcommand(std::string(command.name), std::string(command.summary));
    bodies.emplace_back(sub, command.declare(*sub, torch));
    bind_options(*sub, global, {});
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);  // --help, --version
  } catch (const CLI::ParseError& error) {
    throw UserError(std::string(error.what()) + "; see 'pith --help' and 'pith COMMAND --help'");
  }
  apply(global);
  for (const auto& [sub, body] : bodies) {
    if (!sub->parsed()) continue;
    const int code = body ? body(global) : kHandOver;
    return code == kHandOver ? hand_over(argv, num_threads()) : code;
  }
  return 2;
}

}  // namespace

int run_program(int argc, char** argv, const TorchBodies* torch) {
  serve_signals();
  try {
    const int code = parse_and_run(argc, argv, torch);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
      fail<FormatError>("stdout: cannot write: the other end is closed or the disk is full");
    return code;
  } catch (const UserError& error) {
    fmt::print(stderr, "pith: {}\n", error.what());
    return 2;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "pith: not enough memory\n");
    return 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "pith: {}\n", torch ? torch->message_of(error) : error.what());
    return 1;
  }
}

}  // namespace pith
