// Text written by a model, one character after another.
#include <xgrad/models/sample.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/mode.hpp>

namespace xgrad::models {

namespace {

// An index drawn with probabilities softmax(logits / temperature).
template <class T>
std::int64_t draw(std::span<const T> logits, double temperature, Generator& generator) {
  const double largest = static_cast<double>(*std::ranges::max_element(logits));
  double total = 0;
  std::vector<double> cumulative;
  for (const T logit : logits)
    cumulative.push_back(total += std::exp((static_cast<double>(logit) - largest) / temperature));
  const auto drawn = std::ranges::upper_bound(cumulative, generator.uniform() * total);
  return std::min<std::int64_t>(drawn - cumulative.begin(), static_cast<std::int64_t>(logits.size()) - 1);
}

template <Real T>
void check(const CharRNN<T>& model, const Vocabulary& vocabulary, std::int64_t length,
           const SampleOptions& options) {
  if (vocabulary.size() != model.config.vocabulary || vocabulary.size() == 0)
    throw ValueError(fmt::format(
        "sample: a vocabulary of {} characters for a model of {}; use the one it was trained with",
        vocabulary.size(), model.config.vocabulary));
  if (length < 0) throw ValueError(fmt::format("sample: length {} is negative", length));
  if (!options.greedy && !(options.temperature > 0 && std::isfinite(options.temperature)))
    throw ValueError(fmt::format(
        "sample: temperature {} must be above 0 and finite; for the likeliest character choose greedy",
        options.temperature));
}

}  // namespace

template <Real T>
void sample(const CharRNN<T>& model, const Vocabulary& vocabulary, std::string_view prompt,
            std::int64_t length, const SampleOptions& options,
            const std::function<bool(std::string_view)>& write) {
  check(model, vocabulary, length, options);
  const no_grad scope;
  Generator& generator = options.generator ? *options.generator : default_generator();
  CharRNN<T> writer = model;  // shares the parameters; the training flag is its own
  nn::eval(writer);

  typename CharRNN<T>::Output output{zeros<T>({1, vocabulary.size()}), writer.zero_state(1)};
  for (const std::int64_t c : vocabulary.encode(prompt)) output = writer.step(Indices{c}, output.state);
  for (std::int64_t k = 0; k < length; ++k) {
    const auto logits = output.logits.values();
    if (!std::ranges::all_of(logits, [](T x) { return std::isfinite(x); }))
      throw NonFiniteError(
          "sample: the model's logits are not finite; it was spoilt in training, or its file was");
    const std::int64_t c = options.greedy ? std::ranges::max_element(logits) - logits.begin()
                                          : draw(logits, options.temperature, generator);
    if (!write(vocabulary.character(c))) return;
    output = writer.step(Indices{c}, output.state);
  }
}

template <Real T>
std::string sample(const CharRNN<T>& model, const Vocabulary& vocabulary, std::string_view prompt,
                   std::int64_t length, const SampleOptions& options) {
  std::string text;
  sample(model, vocabulary, prompt, length, options, [&](std::string_view character) {
    text += character;
    return true;
  });
  return text;
}

using Write = std::function<bool(std::string_view)>;
#define XGRAD_INSTANTIATE(T)                                                                        \
  template void sample(const CharRNN<T>&, const Vocabulary&, std::string_view, std::int64_t,        \
                       const SampleOptions&, const Write&);                                         \
  template std::string sample(const CharRNN<T>&, const Vocabulary&, std::string_view, std::int64_t, \
                              const SampleOptions&);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::models
