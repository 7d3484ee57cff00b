# Finds what xgrad is built on. Whatever is missing is named by its Debian package.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)  # so that add_subdirectory hands them on
list(PREPEND CMAKE_MODULE_PATH "${PROJECT_SOURCE_DIR}/cmake")

# find_package that names the Debian package when it fails. The oldest version is compared here: some of these
# packages refuse a request for any other than their own.
macro(xgrad_find package debian_package oldest)
  find_package(${package} ${ARGN} QUIET)
  if(NOT ${package}_FOUND OR "${${package}_VERSION}" VERSION_LESS "${oldest}")
    message(FATAL_ERROR "xgrad: ${package} was not found, or is older than ${oldest}. Debian and Ubuntu: "
                        "apt-get install ${debian_package} (scripts/setup.sh installs everything)")
  endif()
endmacro()

set(THREADS_PREFER_PTHREAD_FLAG ON)
xgrad_find(Threads libc6-dev "")
xgrad_find(xtensor libxtensor-dev 0.24 CONFIG)
xgrad_find(xsimd libxsimd-dev 8 CONFIG)
xgrad_find(fmt libfmt-dev 9 CONFIG)
xgrad_find(nlohmann_json nlohmann-json3-dev 3.10 CONFIG)
xgrad_find(XgradBlas libopenblas-pthread-dev "")

# Headers only: its CMake package would link whatever the system calls BLAS.
find_path(XTENSOR_BLAS_INCLUDE_DIR xtensor-blas/xlinalg.hpp)
if(NOT XTENSOR_BLAS_INCLUDE_DIR)
  message(FATAL_ERROR "xgrad: xtensor-blas was not found. Debian and Ubuntu: apt-get install libxtensor-blas-dev "
                      "(scripts/setup.sh installs everything)")
endif()

# JSON is read and written inside the library only: an installed xgrad does not ask for it.
add_library(xgrad_json INTERFACE)
target_link_libraries(xgrad_json INTERFACE nlohmann_json::nlohmann_json)
