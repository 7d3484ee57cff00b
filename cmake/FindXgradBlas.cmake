# Finds CBLAS and LAPACK in one library and defines xgrad::blas. XGRAD_BLAS chooses: OpenBLAS (the default)
# or a vendor name of CMake's FindBLAS. Installed beside the package, as a static xgrad links it.
include(FindPackageHandleStandardArgs)
if(NOT XGRAD_BLAS)
  set(XGRAD_BLAS OpenBLAS)
endif()

# Debian keeps each flavour of OpenBLAS in a folder of its own; the first found of these is taken.
set(flavours openblas-pthread openblas-openmp openblas-serial openblas)
set(xgrad_blas_needs XGRAD_CBLAS_INCLUDE_DIR)
if(XGRAD_BLAS STREQUAL "OpenBLAS")
  find_library(XGRAD_OPENBLAS_LIBRARY openblas PATH_SUFFIXES ${flavours})
  set(xgrad_blas_libraries ${XGRAD_OPENBLAS_LIBRARY})
  list(APPEND xgrad_blas_needs XGRAD_OPENBLAS_LIBRARY)
else()
  set(BLA_VENDOR ${XGRAD_BLAS})
  find_package(BLAS QUIET)
  find_package(LAPACK QUIET)
  set(xgrad_blas_libraries ${LAPACK_LIBRARIES} ${BLAS_LIBRARIES})
  list(APPEND xgrad_blas_needs BLAS_FOUND LAPACK_FOUND)
endif()
find_path(XGRAD_CBLAS_INCLUDE_DIR cblas.h PATH_SUFFIXES ${flavours})
mark_as_advanced(XGRAD_CBLAS_INCLUDE_DIR XGRAD_OPENBLAS_LIBRARY)
find_package_handle_standard_args(XgradBlas REQUIRED_VARS ${xgrad_blas_needs})

if(XgradBlas_FOUND AND NOT TARGET xgrad::blas)
  add_library(xgrad::blas INTERFACE IMPORTED)
  set_target_properties(xgrad::blas PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${XGRAD_CBLAS_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES "${xgrad_blas_libraries}")
endif()
