// Text written by a model, one character after another.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <xgrad/autograd/core/random.hpp>
#include <xgrad/models/char_rnn.hpp>
#include <xgrad/models/vocabulary.hpp>

namespace xgrad::models {

/// Options of sample.
struct SampleOptions {
  double temperature =
      1;  ///< logits are divided by it: below 1 more likely characters, above 1 less likely ones
  bool greedy = false;             ///< always the likeliest character; the first of several
  Generator* generator = nullptr;  ///< the default generator where none is given
};

/// `length` characters that go on from `prompt`, without it. The model reads the prompt first, from a zero
/// state; with an empty one, all characters are equally likely to come first. Nothing is recorded, and
/// dropout is off meanwhile. Throws ValueError for a prompt with a character that the vocabulary does not
/// have, a vocabulary that is not the model's size, a negative length, a temperature that is not above 0, and
/// logits that are not finite.
template <Real T>
std::string sample(const CharRNN<T>& model, const Vocabulary& vocabulary, std::string_view prompt,
                   std::int64_t length, const SampleOptions& options = {});

/// The same as it is written: `write` gets one character after another, and returns whether to go on.
template <Real T>
void sample(const CharRNN<T>& model, const Vocabulary& vocabulary, std::string_view prompt,
            std::int64_t length, const SampleOptions& options,
            const std::function<bool(std::string_view)>& write);

}  // namespace xgrad::models
