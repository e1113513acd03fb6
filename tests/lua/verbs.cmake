# Each verb on a real Valkey; the same program once more on a cluster of three primaries.
add_library(ff_lua_fixture STATIC fixture.cpp scenarios.cpp)
target_include_directories(ff_lua_fixture PRIVATE ${PROJECT_SOURCE_DIR}/ff-script/src)
target_link_libraries(ff_lua_fixture PUBLIC ff_test_support)

function(ff_lua_test)
  cmake_parse_arguments(T "" "NAME" "SOURCES" ${ARGN})
  ff_test(NAME lua_${T_NAME} KIND lua SOURCES ${T_SOURCES} LINK lua_fixture TIMEOUT 300)
  target_precompile_headers(test_lua_${T_NAME} PRIVATE fixture.hpp)
  add_test(NAME lua/lua_${T_NAME}_on_cluster COMMAND test_lua_${T_NAME})
  set_tests_properties(lua/lua_${T_NAME}_on_cluster PROPERTIES
                       LABELS "lua" TIMEOUT 300 ENVIRONMENT FLOWFABRIC_TEST_CLUSTER=1)
endfunction()

ff_lua_test(NAME verbs SOURCES submit_test.cpp claim_test.cpp complete_test.cpp fail_test.cpp lease_test.cpp
            cancel_test.cpp replay_test.cpp timers_test.cpp look_test.cpp wake_test.cpp clock_test.cpp
            deployment_test.cpp stream_test.cpp merge_test.cpp events_test.cpp
            route_test.cpp lane_test.cpp lane_cap_test.cpp)
ff_lua_test(NAME limits SOURCES quota_test.cpp budget_test.cpp limit_checker_test.cpp)
ff_lua_test(NAME convention SOURCES convention_test.cpp)
target_compile_definitions(test_lua_convention PRIVATE FF_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
ff_lua_test(NAME mirror SOURCES mirror_test.cpp)
ff_lua_test(NAME suspension SOURCES suspend_test.cpp signal_test.cpp condition_test.cpp event_test.cpp)

# What differs between one server and a cluster is not touched by damage, so that runs once; migration needs a cluster.
ff_test(NAME lua_damaged_keys KIND lua SOURCES damaged_keys_test.cpp LINK lua_fixture TIMEOUT 400)
target_precompile_headers(test_lua_damaged_keys PRIVATE fixture.hpp)
ff_test(NAME lua_inner_failure KIND lua SOURCES inner_failure_test.cpp LINK lua_fixture TIMEOUT 400)
target_precompile_headers(test_lua_inner_failure PRIVATE fixture.hpp)
ff_test(NAME lua_migration KIND lua SOURCES migration_test.cpp LINK lua_fixture TIMEOUT 300)
set_tests_properties(lua/lua_migration PROPERTIES ENVIRONMENT FLOWFABRIC_TEST_CLUSTER=1)
