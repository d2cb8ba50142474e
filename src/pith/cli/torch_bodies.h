// The bodies of commands that need torch.
#pragma once

#include "pith/cli/commands.h"

namespace pith {

int run_score(const ScoreOptions& options, const GlobalOptions& global);
int run_eval(const EvalOptions& options, const GlobalOptions& global);
int run_compare(const CompareOptions& options, const GlobalOptions& global);
int run_generate(const GenerateCommandOptions& options, const GlobalOptions& global);
int run_compress(const CompressOptions& options, const GlobalOptions& global);
int run_bench_model(const BenchOptions& options, const GlobalOptions& global);

std::string message_of_torch(const std::exception& error);

constexpr TorchBodies kTorchBodies{
    .score = run_score,
    .eval = run_eval,
    .compare = run_compare,
    .generate = run_generate,
    .compress = run_compress,
    .bench_model = run_bench_model,
    .message_of = message_of_torch,
};

}  // namespace pith
