# How this project is compiled when it is built for itself: warnings, sanitizers, compiler cache.
if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, Debug or RelWithDebInfo" FORCE)
endif()
include(cmake/build_type.cmake)

# A newer compiler finds new warnings: they are shown, and stop no build.
set(werror ${PROJECT_IS_TOP_LEVEL})
if((CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 15)
   OR (CMAKE_CXX_COMPILER_ID MATCHES "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 17))
  set(werror OFF)
endif()
option(XGRAD_WARNINGS "Ask the compiler for warnings" ${PROJECT_IS_TOP_LEVEL})
option(XGRAD_WERROR "Make warnings errors" ${werror})

if(CMAKE_CXX_COMPILER_ID MATCHES "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 16)
  message(FATAL_ERROR "xgrad needs clang 16 or newer, this is ${CMAKE_CXX_COMPILER_VERSION} (Debian: clang-16)")
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
  message(FATAL_ERROR "xgrad needs g++ 12 or newer, this is ${CMAKE_CXX_COMPILER_VERSION} (Debian: g++)")
endif()

if(XGRAD_WARNINGS)
  add_compile_options(-Wall -Wextra -Wshadow)
endif()
if(XGRAD_WERROR)
  add_compile_options(-Werror)
endif()
if(XGRAD_SANITIZE)
  add_compile_options(-fsanitize=${XGRAD_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
    # GCC 12 finds its own <regex> uninitialised when that is instrumented.
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  add_link_options(-fsanitize=${XGRAD_SANITIZE})
endif()

set(CMAKE_CXX_EXTENSIONS OFF)
if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  find_program(CCACHE ccache)
  if(CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  endif()
  # Coloured messages also through ninja.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:$<IF:$<CXX_COMPILER_ID:GNU>,-fdiagnostics-color=auto,-fcolor-diagnostics>>)
endif()
