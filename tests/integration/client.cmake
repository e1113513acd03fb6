# For tests of clients and workers, of chaos too.
add_library(ff_client_fixture STATIC client_fixture.cpp worker_fixture.cpp)
target_link_libraries(ff_client_fixture PUBLIC ff_sdk ff_engine ff_test_support Catch2::Catch2)

ff_test(NAME client KIND integration LINK client_fixture TIMEOUT 300 SOURCES
        client_cancel_test.cpp client_limits_test.cpp
        client_list_test.cpp client_observe_test.cpp client_open_test.cpp
        client_steer_test.cpp client_submit_many_test.cpp client_submit_test.cpp client_wait_test.cpp)
