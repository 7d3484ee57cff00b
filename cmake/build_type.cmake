# Tells a project that asks for no build type what that means for its formulas, which its own compiler flags compile.
# Installed beside the package.
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES AND NOT xgrad_FIND_QUIETLY)
  message(STATUS "xgrad: CMAKE_BUILD_TYPE is not set, so formulas are compiled without optimisation unless your flags "
                 "ask for it; -DCMAKE_BUILD_TYPE=Release makes them fast")
endif()
