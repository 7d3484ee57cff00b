// Fuzzes load_char_rnn: bytes are a model that is no larger than its file says, or they are refused.
#include <xgrad/models/char_rnn.hpp>

#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xgrad;
  return fuzz::read_bytes(data, size, [&](const std::filesystem::path& file) {
    const auto [model, vocabulary] = models::load_char_rnn<double>(file);
    fuzz::require(vocabulary.size() == model.config.vocabulary);
    fuzz::require(nn::count_parameters(model) <= static_cast<std::int64_t>(size));
    const Indices first(Shape{1}, {vocabulary.size() - 1});
    fuzz::require(model.step(first, model.zero_state(1)).logits.shape() == Shape{1, vocabulary.size()});
  });
}
