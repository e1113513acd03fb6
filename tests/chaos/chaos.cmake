add_executable(ledger_worker ${CMAKE_CURRENT_LIST_DIR}/ledger_worker.cpp)
target_link_libraries(ledger_worker PRIVATE ff_sdk ff_build_flags)

add_library(ff_chaos_fixture STATIC chaos_fixture.cpp)
target_compile_definitions(ff_chaos_fixture PRIVATE FF_LEDGER_WORKER="$<TARGET_FILE:ledger_worker>")
target_link_libraries(ff_chaos_fixture PUBLIC ff_client_fixture)
add_dependencies(ff_chaos_fixture ledger_worker)

foreach(file worker_chaos_test.cpp store_chaos_test.cpp connection_chaos_test.cpp cluster_chaos_test.cpp
        signal_chaos_test.cpp)
  string(REPLACE "_test.cpp" "" name ${file})
  ff_test(NAME ${name} KIND chaos LINK chaos_fixture TIMEOUT 300 SOURCES ${file})
endforeach()
if(TARGET ff-server)
  target_compile_definitions(test_store_chaos PRIVATE FF_SERVER="$<TARGET_FILE:ff-server>")
  add_dependencies(test_store_chaos ff-server)
endif()
