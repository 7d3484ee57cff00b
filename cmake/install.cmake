# `cmake --install`: a package that find_package(xgrad CONFIG) finds.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/xgrad)

install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(TARGETS xgrad EXPORT xgrad-targets)
install(EXPORT xgrad-targets NAMESPACE xgrad:: DESTINATION ${package_dir})
install(DIRECTORY autograd ops nn optim models DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/xgrad
        FILES_MATCHING PATTERN "*.hpp")
install(FILES "${XGRAD_INCLUDE}/version.hpp" "${XGRAD_INCLUDE}/xgrad.hpp"
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/xgrad)
file(GLOB forwarding "${XGRAD_INCLUDE}/autograd/*.hpp")
install(FILES ${forwarding} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/xgrad/autograd)

configure_package_config_file(cmake/xgrad-config.cmake.in xgrad-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(xgrad-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/xgrad-config.cmake" "${PROJECT_BINARY_DIR}/xgrad-config-version.cmake"
        cmake/FindXgradBlas.cmake cmake/build_type.cmake DESTINATION ${package_dir})
