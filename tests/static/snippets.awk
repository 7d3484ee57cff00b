# Takes the C++ blocks out of Markdown pages and writes OUT/NAME.cpp and OUT/NAME.txt, one program per name.
#
#   <!-- snippet: NAME -->        the next ```cpp block goes to file scope of program NAME
#   <!-- snippet: NAME main -->   it goes into main(); includes, usings, types and functions in it to file scope
#   <!-- snippet: NAME main       ... up to the line that ends with -->: code that the reader does not see
#   <!-- output: NAME -->         the next ```text block is what program NAME must print
#
# Blocks of one name are joined in their order. A ```cpp block without a marker is an error.
function fail(message) {
  printf "%s:%d: %s\n", FILENAME, FNR, message > "/dev/stderr"
  failed = 1
  exit 1
}
function open_marker(text, words) {
  sub(/^<!-- snippet: */, "", text)
  sub(/ *-->.*$/, "", text)
  split(text, words, " ")
  name = words[1]
  in_main = words[2] == "main"
  if (name !~ /^[a-z0-9_]+$/) fail("a snippet's name is lower-case letters, digits and _: '" name "'")
  if (words[2] != "" && words[2] != "main") fail("'main' is the only word after a snippet's name")
  if (!(name in file_scope)) { order[++count] = name; file_scope[name] = "" }
  if (in_main) has_main[name] = 1
}
# A marker applies to its own lines: compiler errors point into the page.
function begin_code() { nested = 0; lines = "" ; here = "#line " (FNR + 1) " \"" FILENAME "\"\n"; scope = here; body = here }
function end_code() {
  if (in_main) { file_scope[name] = file_scope[name] scope; main_body[name] = main_body[name] body }
  else file_scope[name] = file_scope[name] scope
  name = ""
}
# One line of code; in a main block, what cannot stand in a function goes to file scope.
function add_code(line) {
  if (!in_main) { scope = scope line "\n"; return }
  if (nested || line ~ /^(#|using |struct |class |enum |namespace |template|static |inline )/ ||
      (line ~ /^[A-Za-z_].*\) *(const )?\{$/ && line !~ /=/ && line !~ /^(for|if|while|switch|else) *\(/)) {
    scope = scope line "\n"; body = body "\n"
    if (line ~ /^[}]/ || (!nested && (line ~ /^#/ || line ~ /; *(\/\/.*)?$/ || line ~ /[}]$/))) nested = 0
    else nested = 1
  } else { scope = scope "\n"; body = body line "\n" }
}

FNR == 1 { name = ""; output = ""; state = "" }
state == "cpp" && /^```/ { end_code(); state = ""; next }
state == "cpp" { add_code($0); next }
state == "hidden" && /-->/ { end_code(); state = ""; next }
state == "hidden" { add_code($0); next }
state == "text" && /^```/ { output = ""; state = ""; next }
state == "text" { expected[output] = expected[output] $0 "\n"; next }
state == "other" && /^```/ { state = ""; next }
state == "other" { next }
/^<!-- snippet:/ { open_marker($0); if ($0 !~ /-->/) { begin_code(); state = "hidden" } next }
/^<!-- output:/ {
  output = $3
  if (!(output in file_scope)) fail("no snippet of this name stands before: '" output "'")
  next
}
/^```(cpp|c\+\+)/ {
  if (name == "") fail("a cpp block without <!-- snippet: NAME --> before it is neither compiled nor run")
  begin_code(); state = "cpp"; next
}
/^```text/ && output != "" { expected[output] = expected[output] ""; state = "text"; next }
/^ *```[^`]*$/ { state = "other"; next }

END {
  if (failed) exit 1
  for (i = 1; i <= count; ++i) {
    name = order[i]
    file = OUT "/" name ".cpp"
    if (name in has_main) {
      printf "#include <xgrad/xgrad.hpp>\nusing namespace xgrad;\n%sint main() {\n%s}\n", file_scope[name], main_body[name] > file
    } else printf "%s", file_scope[name] > file
    close(file)
    if (name in expected) { printf "%s", expected[name] > (OUT "/" name ".txt"); close(OUT "/" name ".txt") }
    print name
  }
}
