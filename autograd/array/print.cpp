// Printing tensors as NumPy does: its numpy.array2string is the reference for every rule here.
#include <xgrad/autograd/array/print.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <ostream>
#include <vector>

namespace xgrad {

namespace {

constexpr std::int64_t most_elements = 1000, edge_items = 3;
constexpr std::size_t line_width = 75;

// "-12.5": whole "-12", fraction "5". "1.5e-07": the same with exponent "-07". NaN and infinity: whole only.
struct Decimal {
  std::string whole, fraction, exponent;
  bool finite = true;
};

template <class... Format>
std::string chars(Real auto x, Format... format) {
  std::array<char, 512> buffer;  // the longest double has 309 digits before the point
  return {buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), x, format...).ptr};
}

Decimal split(const std::string& text) {
  const std::size_t e = std::min(text.find('e'), text.size()), point = std::min(text.find('.'), e);
  Decimal number{text.substr(0, point), point < e ? text.substr(point + 1, e - point - 1) : "", ""};
  if (e < text.size()) number.exponent = text.substr(e + 1);
  number.fraction.erase(number.fraction.find_last_not_of('0') + 1);
  return number;
}

// The fewest digits that read back as the same value, at most `precision` of them after the point.
Decimal scientific(Real auto x, int precision) {
  const Decimal shortest = split(chars(x, std::chars_format::scientific));
  const bool fits = shortest.fraction.size() <= static_cast<std::size_t>(precision);
  return fits ? shortest : split(chars(x, std::chars_format::scientific, precision));
}

Decimal positional(Real auto x, int precision) {
  Decimal number = scientific(x, std::numeric_limits<int>::max());
  const int exponent = std::atoi(number.exponent.c_str());
  if (static_cast<int>(number.fraction.size()) - exponent > precision)
    return split(chars(x, std::chars_format::fixed, precision));
  const std::string sign = std::signbit(x) ? "-" : "";
  std::string digits = number.whole.substr(sign.size()) + number.fraction;
  if (exponent < 0) digits.insert(0, static_cast<std::size_t>(-exponent), '0');
  const auto whole_digits = static_cast<std::size_t>(std::max(exponent, 0)) + 1;
  digits.resize(std::max(digits.size(), whole_digits), '0');
  return split(sign + digits.substr(0, whole_digits) + '.' + digits.substr(whole_digits));
}

// A tensor without axes prints as a scalar: all its digits, whatever the precision.
template <Real T>
std::string scalar_text(T x) {
  if (std::isnan(x)) return "nan";
  if (std::isinf(x)) return x < 0 ? "-inf" : "inf";
  constexpr int all = std::numeric_limits<int>::max();
  const double size = std::abs(static_cast<double>(x));
  if (size == 0 || (size >= 1e-4 && size < (std::same_as<T, float> ? 1e6 : 1e16))) {
    const Decimal number = positional(x, all);
    return number.whole + '.' + (number.fraction.empty() ? "0" : number.fraction);
  }
  const Decimal number = scientific(x, all);
  return number.whole + (number.fraction.empty() ? "" : '.' + number.fraction) + 'e' + number.exponent;
}

// T is float, double or an integer.
template <class T>
class Printer {
 public:
  Printer(const T* data, const Shape& shape, int precision = 0)
      : data_(data), shape_(shape), summary_(shape.elements() > most_elements) {
    gather(0, 0);
    if constexpr (Real<T>)
      format(precision);
    else
      format_integers();
  }

  std::string print() {
    print_axis(0);
    return std::move(out_);
  }

 private:
  bool shortened(std::size_t axis) const { return summary_ && shape_[axis] > 2 * edge_items; }

  // Collects the elements that will be shown, in the order in which they will be.
  void gather(std::size_t axis, std::int64_t index) {
    if (axis == shape_.rank()) return shown_.push_back(data_[index]);
    for (std::int64_t i = 0; i < shape_[axis]; ++i) {
      if (shortened(axis) && i == edge_items) i = shape_[axis] - edge_items;
      gather(axis + 1, index * shape_[axis] + i);
    }
  }

  bool needs_exponent() const {
    T least = 0, most = 0;
    for (const T x : shown_) {
      const T size = std::abs(x);
      if (!std::isfinite(x) || size == 0) continue;
      least = least == 0 ? size : std::min(least, size);
      most = std::max(most, size);
    }
    const T limit = std::same_as<T, float> ? T(1e6) : T(1e8);
    return most >= limit || (most > 0 && (least < T(0.0001) || most / least > 1000));
  }

  void format_integers() {
    std::size_t width = 0;
    for (const T x : shown_) width = std::max(width, words_.emplace_back(std::to_string(x)).size());
    for (std::string& word : words_) word.insert(0, width - word.size(), ' ');
  }

  // Turns the elements into words of one width.
  void format(int precision) {
    const bool exponents = needs_exponent();
    std::vector<Decimal> numbers;
    for (const T x : shown_) {
      if (!std::isfinite(x))
        numbers.push_back({chars(std::isnan(x) ? std::abs(x) : x), "", "", false});
      else
        numbers.push_back(exponents ? scientific(x, precision) : positional(x, precision));
    }
    std::size_t left = 0, right = 0, exponent = 0;
    for (const Decimal& n : numbers) {
      if (!n.finite) continue;
      left = std::max(left, n.whole.size());
      right = std::max(right, n.fraction.size());
      exponent = std::max(exponent, n.exponent.size());
    }
    const std::size_t tail = right + 1 + (exponents ? exponent + 1 : 0);  // point, fraction, 'e' and exponent
    for (const Decimal& n : numbers)
      if (!n.finite && n.whole.size() > left + tail) left = n.whole.size() - tail;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      Decimal& n = numbers[i];
      if (n.finite && exponents && n.fraction.size() < right) {  // as many digits as the longest, not zeros
        n = split(chars(shown_[i], std::chars_format::scientific, static_cast<int>(right)));
        n.fraction.resize(right, '0');
      }
      std::string word = std::move(n.whole);
      word.insert(0, n.finite ? left - word.size() : left + tail - word.size(), ' ');
      n.fraction.resize(n.finite ? right : 0, ' ');
      if (n.finite) word += '.' + n.fraction;
      if (n.finite && exponents) word += 'e' + n.exponent.insert(1, exponent - n.exponent.size(), '0');
      words_.push_back(std::move(word));
    }
  }

  void print_axis(std::size_t axis) {
    out_ += '[';
    if (axis + 1 == shape_.rank())
      print_row(axis);
    else
      print_blocks(axis);
    out_ += ']';
  }

  void print_blocks(std::size_t axis) {
    const std::string next = std::string(shape_.rank() - 1 - axis, '\n') + std::string(axis + 1, ' ');
    for (std::int64_t i = 0; i < shape_[axis]; ++i) {
      if (i > 0) out_ += next;
      if (shortened(axis) && i == edge_items) {
        out_ += "..." + next;
        i = shape_[axis] - edge_items;
      }
      print_axis(axis + 1);
    }
  }

  // The words of one row, wrapped where a line grows too long.
  void print_row(std::size_t axis) {
    const std::size_t indent = axis + 1, width = line_width - indent;  // room for the closing brackets
    std::string line(indent, ' ');
    bool first = true;
    const auto put = [&](const std::string& word) {
      if (line.size() + word.size() > width && line.size() > indent) {
        line.erase(line.find_last_not_of(' ') + 1);
        out_ += line.substr(first ? indent : 0) + '\n';
        first = false;
        line.assign(indent, ' ');
      }
      line += word + ' ';
    };
    for (std::int64_t i = 0; i < shape_[axis]; ++i) {
      if (shortened(axis) && i == edge_items) {
        put("...");
        i = shape_[axis] - edge_items;
      }
      put(words_[next_word_++]);
    }
    line.pop_back();
    out_ += line.substr(first ? indent : 0);
  }

  const T* data_;
  Shape shape_;
  bool summary_;
  std::vector<T> shown_;
  std::vector<std::string> words_;
  std::size_t next_word_ = 0;
  std::string out_;
};

template <Real T>
std::string text_of(const AnyTensor& tensor, int precision) {
  const T* data = reinterpret_cast<const T*>(tensor.bytes());
  return tensor.rank() == 0 ? scalar_text(*data) : Printer<T>(data, tensor.shape(), precision).print();
}

}  // namespace

std::string to_string(const AnyTensor& tensor, int precision) {
  precision = std::max(precision, 0);
  if (!tensor.defined()) return "undefined";
  if (tensor.elements() == 0) return "[]";
  if (tensor.dtype() == DType::int64) {
    const auto* const values = reinterpret_cast<const std::int64_t*>(tensor.bytes());
    return tensor.rank() == 0 ? std::to_string(*values)
                              : Printer<std::int64_t>(values, tensor.shape()).print();
  }
  return dispatch(tensor.dtype(), [&]<Real T>() { return text_of<T>(tensor, precision); });
}

std::ostream& operator<<(std::ostream& out, const AnyTensor& tensor) { return out << to_string(tensor); }

}  // namespace xgrad
