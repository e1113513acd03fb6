# Build switches and the two INTERFACE targets every target of ours links privately: consumers get neither.
option(FF_BUILD_TESTS "Build tests and benchmarks" ${PROJECT_IS_TOP_LEVEL})
option(FF_BUILD_SERVER "Build ff-server (needs Pistache and prometheus-cpp)" ON)
set(FF_SANITIZE "" CACHE STRING "Sanitizers for every target, as in -fsanitize=: address,undefined or thread")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Without these words ccache passes everything by that uses a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
  add_compile_options(-fpch-preprocess)
endif()

add_library(ff_build_flags INTERFACE)
target_compile_options(ff_build_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                       -Wno-missing-field-initializers -fstack-protector-strong)
target_compile_definitions(ff_build_flags INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION
                           BOOST_BEAST_USE_STD_STRING_VIEW)
if(CMAKE_UNITY_BUILD)
  # What a unity build includes, g++ takes for headers, which would not have types of anonymous namespaces.
  target_compile_options(ff_build_flags INTERFACE -Wno-subobject-linkage)
endif()
if(FF_SANITIZE)
  target_compile_options(ff_build_flags INTERFACE
                         -fsanitize=${FF_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_compile_options(ff_build_flags INTERFACE -Wno-mismatched-new-delete)  # g++ 12 is wrong about coroutine frames
  target_link_options(ff_build_flags INTERFACE -fsanitize=${FF_SANITIZE})
  if(FF_SANITIZE MATCHES thread)
    target_compile_options(ff_build_flags INTERFACE -Wno-tsan)   # g++ warns of Asio's fences; TSan copes
  endif()
endif()
