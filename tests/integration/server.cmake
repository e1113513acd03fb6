if(TARGET ff_server_lib)
  ff_test(NAME server_api KIND integration LINK server_lib test_support TIMEOUT 300 LABELS threads SOURCES
          server_api_test.cpp server_limits_test.cpp server_process.cpp ${PROJECT_SOURCE_DIR}/tests/unit/server_lab.cpp)
  ff_test(NAME server_process KIND integration LINK server_lib test_support TIMEOUT 300 SOURCES
          server_process_test.cpp server_process.cpp ${PROJECT_SOURCE_DIR}/tests/unit/server_lab.cpp)
  foreach(target test_server_api test_server_process)
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit)
    target_link_libraries(${target} PRIVATE Boost::json)
    target_compile_definitions(${target} PRIVATE FF_SERVER_PROGRAM="$<TARGET_FILE:ff-server>")
    add_dependencies(${target} ff-server)
  endforeach()
  ff_test(NAME pistache_fault KIND integration LINK test_support SOURCES pistache_fault_test.cpp
          ${PROJECT_SOURCE_DIR}/tests/unit/server_lab.cpp)
  target_include_directories(test_pistache_fault PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit)
  target_link_libraries(test_pistache_fault PRIVATE Pistache::pistache)
endif()
