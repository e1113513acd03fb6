ff_test(NAME client KIND integration LINK sdk test_support TIMEOUT 300 SOURCES
        client_cancel_test.cpp client_fixture.cpp client_limits_test.cpp
        client_list_test.cpp client_observe_test.cpp client_open_test.cpp
        client_steer_test.cpp client_submit_many_test.cpp client_submit_test.cpp client_wait_test.cpp)
