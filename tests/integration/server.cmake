if(TARGET ff_server_lib)
  ff_test(NAME server_api KIND integration LINK server_lib test_support TIMEOUT 300 LABELS threads SOURCES
          server_api_test.cpp server_limits_test.cpp server_process.cpp ${PROJECT_SOURCE_DIR}/tests/unit/server_lab.cpp)
  ff_test(NAME server_process KIND integration LINK server_lib test_support TIMEOUT 300 SOURCES
          server_process_test.cpp server_process.cpp ${PROJECT_SOURCE_DIR}/tests/unit/server_lab.cpp)
  ff_test(NAME server_signals KIND integration LINK server_lib test_support TIMEOUT 300 SOURCES
          server_signals_test.cpp server_keys_test.cpp ffctl_test.cpp server_process.cpp
          ${PROJECT_SOURCE_DIR}/tests/unit/server_lab.cpp)
  ff_test(NAME server_wrong_tokens_http KIND integration LINK server_lib test_support TIMEOUT 300 SOURCES
          server_wrong_tokens_test.cpp server_process.cpp ${PROJECT_SOURCE_DIR}/tests/unit/server_lab.cpp)
  ff_test(NAME server_stream KIND integration LINK server_lib test_support TIMEOUT 300 LABELS threads SOURCES
          server_stream_test.cpp server_process.cpp ${PROJECT_SOURCE_DIR}/tests/unit/server_lab.cpp)
  ff_test(NAME server_worker KIND integration LINK server_lib test_support TIMEOUT 300 SOURCES
          server_worker_test.cpp server_process.cpp ${PROJECT_SOURCE_DIR}/tests/unit/server_lab.cpp)
  foreach(target test_server_api test_server_process test_server_signals test_server_stream test_server_worker
          test_server_wrong_tokens_http)
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit)
    target_link_libraries(${target} PRIVATE Boost::json)
    target_compile_definitions(${target} PRIVATE FF_SERVER_PROGRAM="$<TARGET_FILE:ff-server>")
    add_dependencies(${target} ff-server)
  endforeach()
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
