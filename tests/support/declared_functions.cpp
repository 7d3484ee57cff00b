// Finding function declarations in the text of a header: enough of C++ for the headers of ops/.
#include "declared_functions.hpp"

#include <algorithm>
#include <cctype>

namespace xgrad::testing {

namespace {

// C++ text without comments, literals and preprocessor lines.
std::string bare(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto skip_to = [&](const std::string& end, std::size_t from) {
      i = std::min(text.find(end, from), text.size() - end.size()) + end.size() - 1;
    };
    const bool line_start =
        out.find_last_not_of(" \t") == std::string::npos || out[out.find_last_not_of(" \t")] == '\n';
    if (text.compare(i, 2, "//") == 0 || (text[i] == '#' && line_start)) {
      while (i < text.size() && (text[i] != '\n' || text[i - 1] == '\\')) ++i;
      out += '\n';
    } else if (text.compare(i, 2, "/*") == 0) {
      skip_to("*/", i + 2);
    } else if (text[i] == '"' ||
               (text[i] == '\'' && (i == 0 || !std::isalnum(static_cast<unsigned char>(text[i - 1]))))) {
      const char quote = text[i++];
      while (i < text.size() && text[i] != quote) i += text[i] == '\\' ? 2 : 1;
      out += " 0 ";
    } else {
      out += text[i];
    }
  }
  return out;
}

bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// After the bracket that closes the one at `open`; `<` and `>` are brackets where `open` is one.
std::size_t after(const std::string& text, std::size_t open) {
  const std::string opening = text[open] == '<' ? "<(" : "({[", closing = text[open] == '<' ? ">)" : ")}]";
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (opening.find(text[i]) != std::string::npos) ++depth;
    if (closing.find(text[i]) != std::string::npos && --depth == 0) return i + 1;
  }
  return text.size();
}

// The name of the function that a declaration declares, or nothing.
std::string function_name(const std::string& declaration) {
  static const std::vector<std::string> others = {"struct",  "class",   "enum",          "union",  "using",
                                                  "concept", "typedef", "static_assert", "extern", "friend"};
  std::string last;
  for (std::size_t i = 0; i < declaration.size();) {
    const char c = declaration[i];
    if (is_name(c)) {
      std::size_t end = i;
      while (end < declaration.size() && is_name(declaration[end])) ++end;
      last = declaration.substr(i, end - i);
      if (std::ranges::count(others, last) || last == "operator") return {};
      i = end;
    } else if (c == '<') {
      i = after(declaration, i);
    } else if (c == '(') {
      if (last != "requires" && last != "decltype" && last != "alignas" && last != "noexcept") return last;
      i = after(declaration, i);
    } else if (c == '[') {
      i = after(declaration, i);
    } else if (c == '=') {
      return {};
    } else {
      ++i;
    }
  }
  return {};
}

}  // namespace

std::vector<std::string> declared_functions(const std::string& header_text) {
  const std::string text = bare(header_text);
  std::vector<std::string> found, spaces;
  std::string declaration;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '(') {
      const std::size_t end = after(text, i);
      declaration += text.substr(i, end - i);
      i = end - 1;
    } else if (c == '}') {
      if (!spaces.empty()) spaces.pop_back();
      declaration.clear();
    } else if (c == '{' || c == ';') {
      const std::size_t space = declaration.find("namespace ");
      if (c == '{' && space != std::string::npos) {
        std::string name = declaration.substr(space + 10);
        std::erase_if(name, [](char d) { return !is_name(d) && d != ':'; });
        spaces.push_back(name);
      } else {
        if (c == '{') i = after(text, i) - 1;
        if (const auto name = function_name(declaration);
            spaces == std::vector<std::string>{"xgrad"} && !name.empty())
          found.push_back(name);
      }
      declaration.clear();
    } else {
      declaration += c;
    }
  }
  std::ranges::sort(found);
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace xgrad::testing
