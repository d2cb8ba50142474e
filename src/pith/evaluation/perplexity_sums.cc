#include "pith/evaluation/perplexity_sums.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "pith/base/error.h"
#include "pith/evaluation/statistics.h"

namespace pith {

void NllSums::add(double nll, std::size_t document) {
  total_.nll += nll;
  squares_ += nll * nll;
  ++total_.count;
  per_document_[document].nll += nll;
  ++per_document_[document].count;
}

double NllSums::mean_of_documents() const {
  double sum = 0;
  std::uint64_t scored = 0;
  for (const Sum& document : per_document_) {
    if (document.count == 0) continue;
    sum += std::exp(document.nll / static_cast<double>(document.count));
    ++scored;
  }
  return sum / static_cast<double>(scored);
}

// Words and bytes of documents that were not scored (cut off, or empty) do not count.
void NllSums::fill_lm_eval(PerplexityResult& result, std::span<const Document> documents) const {
  std::size_t words = 0, bytes = 0;
  for (std::size_t d = 0; d < documents.size(); ++d) {
    if (per_document_[d].count == 0) continue;
    words += documents[d].words;
    bytes += documents[d].bytes;
  }
  if (words > 0) result.word_perplexity = std::exp(total_.nll / static_cast<double>(words));
  if (bytes == 0) return;
  result.byte_perplexity = std::exp(total_.nll / static_cast<double>(bytes));
  result.bits_per_byte = total_.nll / (static_cast<double>(bytes) * std::numbers::ln2);
}

void NllSums::fill(PerplexityResult& result, std::span<const Document> documents) const {
  PITH_CHECK(total_.count > 0);
  const auto count = static_cast<double>(total_.count);
  const double mean_nll = total_.nll / count;
  result.nll_nats = total_.nll;
  result.predictions = total_.count;
  result.perplexity =
      result.convention == Convention::kPerLine ? mean_of_documents() : std::exp(mean_nll);
  const double variance = std::max(squares_ / count - mean_nll * mean_nll, 0.0);
  result.standard_error = total_.count > 1 ? std::sqrt(variance / (count - 1))
                                           : std::numeric_limits<double>::quiet_NaN();
  if (result.convention == Convention::kLmEval) fill_lm_eval(result, documents);
}

void DivergenceSums::add(float kl, bool same_top) {
  kl_.push_back(kl);
  open_.kl += double{kl};
  ++open_.count;
  agreements_ += same_top ? 1 : 0;
}

void DivergenceSums::end_window() {
  windows_.push_back(open_);
  open_ = {};
}

// Windows are the units drawn: positions of one depend on each other. The estimate for a ratio of
// sums; with windows of equal length it is sd(means) / sqrt(windows).
double DivergenceSums::standard_error(double mean) const {
  const auto count = static_cast<double>(windows_.size());
  if (windows_.size() < 2) return std::numeric_limits<double>::quiet_NaN();
  double squares = 0;
  for (const WindowSum& window : windows_) {
    const double deviation = window.kl - mean * static_cast<double>(window.count);
    squares += deviation * deviation;
  }
  return std::sqrt(count / (count - 1) * squares) / static_cast<double>(kl_.size());
}

DivergenceResult DivergenceSums::result() {
  PITH_CHECK(!kl_.empty());
  const auto positions = static_cast<double>(kl_.size());
  double sum = 0;
  for (const WindowSum& window : windows_) sum += window.kl;
  DivergenceResult out;
  out.kl_mean = sum / positions;
  out.kl_standard_error = standard_error(out.kl_mean);
  out.kl_median = quantile(kl_, 0.5);
  out.kl_p99 = quantile(kl_, 0.99);
  out.top1_agreement = static_cast<double>(agreements_) / positions;
  return out;
}

}  // namespace pith
