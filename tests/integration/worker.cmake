ff_test(NAME worker KIND integration LINK client_fixture TIMEOUT 300 LABELS threads SOURCES
        worker_handler_test.cpp worker_lease_test.cpp
        worker_drain_test.cpp worker_wake_test.cpp timers_test.cpp worker_suspend_test.cpp)
# Who gets how much: shares and rates are judged, which need a worker that is not slowed down by TSan.
ff_test(NAME worker_admission KIND integration LINK client_fixture TIMEOUT 300 SOURCES
        worker_lane_test.cpp worker_limits_test.cpp worker_lane_cap_test.cpp)
ff_test(NAME worker_stream KIND integration LINK client_fixture TIMEOUT 300 LABELS threads SOURCES
        worker_stream_test.cpp event_feed_test.cpp)
if(TARGET file_worker)
  ff_test(NAME files_example KIND integration LINK client_fixture TIMEOUT 300 SOURCES files_example_test.cpp)
  target_compile_definitions(test_files_example PRIVATE FF_FILE_WORKER="$<TARGET_FILE:file_worker>"
                                                        FF_FILE_SUBMIT="$<TARGET_FILE:file_submit>")
  add_dependencies(test_files_example file_worker file_submit)
endif()
