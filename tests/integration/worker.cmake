ff_test(NAME worker KIND integration LINK sdk engine test_support TIMEOUT 300 LABELS threads SOURCES
        client_fixture.cpp worker_fixture.cpp
        worker_handler_test.cpp worker_lease_test.cpp worker_drain_test.cpp worker_wake_test.cpp timers_test.cpp)
