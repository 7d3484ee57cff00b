# Vectorised loops (*.simd.cpp) are compiled once per instruction set; the program picks one when it runs. Only
# these object files get -m flags, and tests/static/symbols.sh checks that they share no symbol with other code.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(XGRAD_ARCHS sse2 avx2 avx512)
  set(XGRAD_FLAGS_avx2 -mavx2 -mfma)
  set(XGRAD_FLAGS_avx512 -mavx512f -mavx512cd -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma)
else()
  set(XGRAD_ARCHS native)
endif()

# Compiles a target that has kernels as the library is compiled. Where a product and a sum become one
# instruction is written in the kernels, not chosen by the compiler: an element's value must not depend on
# whether it stands in a vector or in the rest of a row.
function(xgrad_kernel_options target)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE -ffp-contract=off)
endfunction()

# Adds SOURCES to the target as object files, target_ARCH for each instruction set.
function(xgrad_simd_sources target)
  if(NOT ARGN)
    return()
  endif()
  foreach(arch IN LISTS XGRAD_ARCHS)
    set(objects ${target}_${arch})
    add_library(${objects} OBJECT ${ARGN})
    xgrad_kernel_options(${objects})
    target_compile_definitions(${objects} PRIVATE XGRAD_ARCH=${arch})
    target_compile_options(${objects} PRIVATE "$<$<CONFIG:Release>:-O3>" ${XGRAD_FLAGS_${arch}}
      # GCC 12's AVX-512 header leaves registers undefined on purpose, in a way that it then warns of.
      $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized;-Wno-maybe-uninitialized>)
    if(XGRAD_SANITIZE)
      # Instrumented intrinsics compile ten times as long, so one set serves for all: the widest that most machines
      # have. Of undefined behaviour there is nothing in a register but shifts and casts by constants.
      if(arch MATCHES "avx2|native")
        target_compile_options(${objects} PRIVATE -fno-sanitize=undefined)
      else()
        target_compile_options(${objects} PRIVATE -fno-sanitize=all)
      endif()
    endif()
    target_include_directories(${objects} PRIVATE "${PROJECT_BINARY_DIR}/include")
    target_compile_features(${objects} PRIVATE cxx_std_20)
    target_link_libraries(${objects} PRIVATE xtensor xsimd fmt::fmt Threads::Threads xgrad::blas)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${objects}>)
  endforeach()
endfunction()
