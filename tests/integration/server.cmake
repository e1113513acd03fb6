if(TARGET ff_server_lib)
  add_library(ff_server_fixture STATIC server_process.cpp ${PROJECT_SOURCE_DIR}/tests/unit/server_lab.cpp)
  target_include_directories(ff_server_fixture PUBLIC ${PROJECT_SOURCE_DIR}/tests/unit)
  target_compile_definitions(ff_server_fixture PRIVATE FF_SERVER_PROGRAM="$<TARGET_FILE:ff-server>")
  target_link_libraries(ff_server_fixture PUBLIC ff_server_lib ff_test_support Boost::json)
  add_dependencies(ff_server_fixture ff-server)
  ff_test(NAME server_api KIND integration LINK server_fixture TIMEOUT 300 LABELS threads SOURCES
          server_api_test.cpp server_limits_test.cpp)
  ff_test(NAME server_process KIND integration LINK server_fixture TIMEOUT 300 SOURCES server_process_test.cpp)
  ff_test(NAME server_signals KIND integration LINK server_fixture TIMEOUT 300 SOURCES
          server_signals_test.cpp server_keys_test.cpp ffctl_test.cpp)
  ff_test(NAME server_wrong_tokens_http KIND integration LINK server_fixture TIMEOUT 300 SOURCES
          server_wrong_tokens_test.cpp)
  ff_test(NAME server_stream KIND integration LINK server_fixture TIMEOUT 300 LABELS threads SOURCES
          server_stream_test.cpp)
  ff_test(NAME server_worker KIND integration LINK server_fixture TIMEOUT 300 SOURCES server_worker_test.cpp)
  target_compile_definitions(test_server_signals PRIVATE FF_FFCTL_PROGRAM="$<TARGET_FILE:ffctl>")
  add_dependencies(test_server_signals ffctl)
  ff_test(NAME pistache_fault KIND integration LINK test_support SOURCES pistache_fault_test.cpp
          ${PROJECT_SOURCE_DIR}/tests/unit/server_lab.cpp)
  target_include_directories(test_pistache_fault PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit)
  target_link_libraries(test_pistache_fault PRIVATE Pistache::pistache)
endif()
if(TARGET deploy_worker AND TARGET ffctl)
  add_test(NAME integration/approval_example
           COMMAND bash ${PROJECT_SOURCE_DIR}/ci/approval.sh ${PROJECT_BINARY_DIR} ${PROJECT_SOURCE_DIR})
  set_tests_properties(integration/approval_example PROPERTIES LABELS integration TIMEOUT 300)
endif()
