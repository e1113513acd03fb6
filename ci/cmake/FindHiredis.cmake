# Imported target Hiredis::hiredis over pkg-config: Debian's own package config sets variables, no target.
find_package(PkgConfig QUIET)
pkg_check_modules(PC_HIREDIS QUIET hiredis)
find_path(HIREDIS_INCLUDE hiredis/hiredis.h HINTS ${PC_HIREDIS_INCLUDEDIR}/..)
find_library(HIREDIS_LIBRARY hiredis HINTS ${PC_HIREDIS_LIBDIR})
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Hiredis REASON_FAILURE_MESSAGE "install the Debian package libhiredis-dev"
                                  REQUIRED_VARS HIREDIS_LIBRARY HIREDIS_INCLUDE)
if(Hiredis_FOUND AND NOT TARGET Hiredis::hiredis)
  add_library(Hiredis::hiredis UNKNOWN IMPORTED)
  set_target_properties(Hiredis::hiredis PROPERTIES IMPORTED_LOCATION ${HIREDIS_LIBRARY}
                        INTERFACE_INCLUDE_DIRECTORIES ${HIREDIS_INCLUDE})
endif()
