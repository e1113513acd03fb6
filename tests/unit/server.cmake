if(TARGET ff_server_lib)
  ff_test(NAME server_config KIND unit SOURCES server_config_test.cpp LINK server_lib test_support)
  ff_test(NAME server_wrong_tokens KIND unit SOURCES server_wrong_tokens_test.cpp LINK server_lib test_support)
  ff_test(NAME server_http KIND unit SOURCES server_http_test.cpp server_lab.cpp LINK server_lib test_support
          LABELS threads)
  ff_test(NAME server_wire KIND unit SOURCES server_wire_test.cpp server_sse_test.cpp LINK server_lib test_support)
  ff_test(NAME server_json KIND unit SOURCES server_json_test.cpp server_worker_json_test.cpp LINK server_lib
          test_support)
  target_link_libraries(test_server_json PRIVATE Boost::json)
  ff_test(NAME server_ops KIND unit SOURCES server_ops_test.cpp server_lab.cpp LINK server_lib test_support)
  ff_test(NAME server_metrics KIND unit SOURCES server_metrics_test.cpp LINK server_lib test_support)
  target_compile_definitions(test_server_metrics PRIVATE FF_GOLDEN_DIR="${PROJECT_SOURCE_DIR}/tests/golden")
endif()
