# Script: writes the text file TEXT into the C++ source OUT as xgrad_demo::demo_text.
file(READ "${TEXT}" text)
file(WRITE "${OUT}" "#include <string_view>\n\nnamespace xgrad_demo {\n"
     "extern const std::string_view demo_text;\n"
     "const std::string_view demo_text = R\"xgrad(${text})xgrad\";\n}  // namespace xgrad_demo\n")
