// What compare_models adds up, and how results come of it; for the sources of this room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "pith/evaluation/perplexity.h"
#include "pith/evaluation/windows.h"

namespace pith {

// Negative log-likelihoods of one model.
class NllSums {
 public:
  explicit NllSums(std::size_t documents) : per_document_(documents) {}
  void add(double nll, std::size_t document);

  // Fills perplexity, nll_nats, standard_error, predictions and the word and byte figures.
  void fill(PerplexityResult& result, std::span<const Document> documents) const;

 private:
  struct Sum {
    double nll = 0;
    std::uint64_t count = 0;
  };
  double mean_of_documents() const;
  void fill_lm_eval(PerplexityResult& result, std::span<const Document> documents) const;

  Sum total_;
  double squares_ = 0;
  std::vector<Sum> per_document_;
};

// Divergences of one model from the base.
class DivergenceSums {
 public:
  void add(float kl, bool same_top);
  void end_window();
  DivergenceResult result();  // ends the sums

 private:
  double standard_error(double mean) const;

  struct WindowSum {
    double kl = 0;
    std::uint64_t count = 0;
  };
  std::vector<float> kl_;  // of every position, for the exact median and percentile
  std::vector<WindowSum> windows_;
  WindowSum open_;
  std::uint64_t agreements_ = 0;
};

}  // namespace pith
