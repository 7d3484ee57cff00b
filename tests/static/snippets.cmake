# Builds and runs every C++ block of README.md and docs/*.md; snippets.awk says how a block is marked.
file(GLOB pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/README.md" "${PROJECT_SOURCE_DIR}/docs/*.md")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${pages} "${CMAKE_CURRENT_LIST_DIR}/snippets.awk")

set(snippet_dir "${CMAKE_CURRENT_BINARY_DIR}/snippets")
file(REMOVE_RECURSE "${snippet_dir}/new")
file(MAKE_DIRECTORY "${snippet_dir}/new")
set(snippets "")
if(pages)
  execute_process(COMMAND awk -v "OUT=${snippet_dir}/new" -f "${CMAKE_CURRENT_LIST_DIR}/snippets.awk" ${pages}
                  OUTPUT_VARIABLE snippets RESULT_VARIABLE result OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "The pages' C++ blocks could not be read (see above)")
  endif()
  string(REPLACE "\n" ";" snippets "${snippets}")
endif()

foreach(name IN LISTS snippets)
  file(COPY_FILE "${snippet_dir}/new/${name}.cpp" "${snippet_dir}/${name}.cpp" ONLY_IF_DIFFERENT)
  add_executable(snippet_${name} "${snippet_dir}/${name}.cpp")
  target_link_libraries(snippet_${name} PRIVATE xgrad::xgrad)
  # A page may leave a value unused to show its type.
  target_compile_options(snippet_${name} PRIVATE -Wno-unused-variable -Wno-unused-but-set-variable)
  set(expected "${snippet_dir}/new/${name}.txt")
  if(EXISTS "${expected}")
    add_test(NAME snippet_${name} COMMAND bash -c
             "set -o pipefail; \"$0\" | diff -u --label expected --label printed \"$1\" -"
             $<TARGET_FILE:snippet_${name}> "${expected}")
  else()
    add_test(NAME snippet_${name} COMMAND snippet_${name})
  endif()
  set_tests_properties(snippet_${name} PROPERTIES ENVIRONMENT "${environment}" LABELS snippets TIMEOUT 300)
endforeach()
