if(TARGET ff_server_lib)
  ff_test(NAME server_config KIND unit SOURCES server_config_test.cpp LINK server_lib test_support)
  ff_test(NAME server_http KIND unit SOURCES server_http_test.cpp server_lab.cpp LINK server_lib test_support
          LABELS threads)
  ff_test(NAME server_wire KIND unit SOURCES server_wire_test.cpp LINK server_lib test_support)
  ff_test(NAME server_ops KIND unit SOURCES server_ops_test.cpp server_lab.cpp LINK server_lib test_support)
endif()
