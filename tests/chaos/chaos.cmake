add_executable(ledger_worker ${CMAKE_CURRENT_LIST_DIR}/ledger_worker.cpp)
target_link_libraries(ledger_worker PRIVATE ff_sdk ff_build_flags)

set(chaos_fixture chaos_fixture.cpp ../integration/worker_fixture.cpp ../integration/client_fixture.cpp)
foreach(name worker store connection cluster)
  ff_test(NAME ${name}_chaos KIND chaos LINK sdk engine test_support TIMEOUT 300 SOURCES
          ${name}_chaos_test.cpp ${chaos_fixture})
  target_compile_definitions(test_${name}_chaos PRIVATE FF_LEDGER_WORKER="$<TARGET_FILE:ledger_worker>")
  add_dependencies(test_${name}_chaos ledger_worker)
endforeach()
if(TARGET ff-server)
  target_compile_definitions(test_store_chaos PRIVATE FF_SERVER="$<TARGET_FILE:ff-server>")
  add_dependencies(test_store_chaos ff-server)
endif()
