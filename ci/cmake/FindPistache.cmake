# Imported target Pistache::pistache over pkg-config: Debian's package ships no CMake target.
find_package(PkgConfig QUIET)
pkg_check_modules(PC_PISTACHE QUIET libpistache)
find_path(PISTACHE_INCLUDE pistache/endpoint.h HINTS ${PC_PISTACHE_INCLUDEDIR})
find_library(PISTACHE_LIBRARY pistache HINTS ${PC_PISTACHE_LIBDIR})
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Pistache REASON_FAILURE_MESSAGE "install the Debian package libpistache-dev"
                                  REQUIRED_VARS PISTACHE_LIBRARY PISTACHE_INCLUDE)
if(Pistache_FOUND AND NOT TARGET Pistache::pistache)
  add_library(Pistache::pistache UNKNOWN IMPORTED)
  set_target_properties(Pistache::pistache PROPERTIES IMPORTED_LOCATION ${PISTACHE_LIBRARY}
                        INTERFACE_INCLUDE_DIRECTORIES ${PISTACHE_INCLUDE})
endif()
