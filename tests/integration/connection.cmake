ff_test(NAME connection KIND integration LINK script test_support TIMEOUT 180
        SOURCES connection_test.cpp connection_login_test.cpp)
ff_test(NAME connection_fault KIND integration LINK script test_support TIMEOUT 180
        SOURCES connection_fault_test.cpp connection_answer_test.cpp)
ff_test(NAME connection_pubsub KIND integration LINK script test_support TIMEOUT 180
        SOURCES connection_pubsub_test.cpp)
ff_test(NAME connection_cluster KIND integration LINK script test_support TIMEOUT 300
        SOURCES connection_cluster_test.cpp connection_cluster_pubsub_test.cpp)
ff_test(NAME connection_strand KIND integration LABELS threads LINK script test_support TIMEOUT 180
        SOURCES connection_strand_test.cpp)
