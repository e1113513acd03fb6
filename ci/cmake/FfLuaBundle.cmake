# ff_lua_bundle(OUT): joins lua/ in the order of bundle.txt and writes it as a C++ string, at configure time; a change
# of any of the files configures again. Each file stands behind a marker of where it came from, in a do … end block, so
# that file locals do not add up to Lua's limit of 200; only the first one's locals are the chunk's.
function(ff_lua_bundle out)
  set(lua_dir ${PROJECT_SOURCE_DIR}/lua)
  file(STRINGS ${lua_dir}/bundle.txt lines REGEX "\\.lua$")
  set(parts "")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${lua_dir}/bundle.txt)
  foreach(line IN LISTS lines)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${lua_dir}/${line})
    file(READ ${lua_dir}/${line} text)
    # One literal for each file: a compiler may limit the length of one.
    if(parts STREQUAL "")
      set(text "-- file: lua/${line}\n${text}")
    else()
      set(text "do -- file: lua/${line}\n${text}end\n")
    endif()
    string(APPEND parts "    R\"ff_lua(${text})ff_lua\"\n")
  endforeach()
  set(FF_LUA_PARTS "${parts}")
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT [[
// Generated from lua/ by ci/cmake/FfLuaBundle.cmake.
#include "library_source.hpp"
namespace ff::script {
constexpr char kText[] =
    "#!lua name=ff1\nlocal ff\n"
@FF_LUA_PARTS@;
// With its size: a compiler counts to 256 KiB at most, and would leave the rest to the start of the program.
constinit const std::string_view kLibrarySource(kText, sizeof kText - 1);
}  // namespace ff::script
]])
endfunction()
