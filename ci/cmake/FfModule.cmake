# ff_module(NAME script SOURCES a.cpp … DEPENDS core … LINK_PRIVATE x … LINK_PUBLIC y …)
# One module = one static library ff_<name>, alias FlowFabric::<name>, its own include root, installed and exported as
# part of the component `sdk`.
function(ff_module)
  cmake_parse_arguments(M "" "NAME" "SOURCES;DEPENDS;LINK_PRIVATE;LINK_PUBLIC" ${ARGN})
  set(target ff_${M_NAME})
  add_library(${target} STATIC ${M_SOURCES})
  add_library(FlowFabric::${M_NAME} ALIAS ${target})
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${M_NAME})
  foreach(dep IN LISTS M_DEPENDS)
    target_link_libraries(${target} PUBLIC ff_${dep})
  endforeach()
  target_link_libraries(${target} PUBLIC ${M_LINK_PUBLIC} PRIVATE ${M_LINK_PRIVATE} $<BUILD_INTERFACE:ff_build_flags>)
  install(TARGETS ${target} EXPORT FlowFabricTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
          COMPONENT sdk)
  install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT sdk)
endfunction()
