# Toolchain of the preset `clang`: the oldest clang++ that is 16 or newer.
if(NOT CMAKE_CXX_COMPILER)
  find_program(XGRAD_CLANG NAMES clang++-16 clang++-17 clang++-18 clang++-19 clang++-20 clang++-21 clang++-22 clang++)
  if(NOT XGRAD_CLANG)
    message(FATAL_ERROR "xgrad: no clang++ was found. Debian: apt-get install clang-16")
  endif()
  set(CMAKE_CXX_COMPILER "${XGRAD_CLANG}")
endif()
