# Lays out <build>/include/xgrad as an installed tree has it: there is one way to include a header, <xgrad/…>.
set(XGRAD_INCLUDE "${PROJECT_BINARY_DIR}/include/xgrad")
file(MAKE_DIRECTORY "${XGRAD_INCLUDE}")
foreach(folder IN ITEMS autograd ops nn optim models)
  file(CREATE_LINK "${PROJECT_SOURCE_DIR}/${folder}" "${XGRAD_INCLUDE}/${folder}" SYMBOLIC)
endforeach()
configure_file(cmake/version.hpp.in "${XGRAD_INCLUDE}/version.hpp" @ONLY)

# <xgrad/xgrad.hpp> is every header that lies directly in a folder (those in kernels/ are the library's own),
# so that no list must be kept.
set(XGRAD_ALL_INCLUDES "")
foreach(folder IN ITEMS autograd ops nn optim models)
  file(GLOB headers RELATIVE "${PROJECT_SOURCE_DIR}" CONFIGURE_DEPENDS "${folder}/*.hpp")
  foreach(header IN LISTS headers)
    string(APPEND XGRAD_ALL_INCLUDES "#include <xgrad/${header}>\n")
  endforeach()
endforeach()
configure_file(cmake/xgrad.hpp.in "${XGRAD_INCLUDE}/xgrad.hpp" @ONLY)
