ff_test(NAME support_process KIND unit SOURCES support_process_test.cpp LINK test_support)
ff_test(NAME support_proxy KIND unit SOURCES support_proxy_test.cpp LINK test_support LABELS threads)
ff_test(NAME support_valkey KIND integration SOURCES support_valkey_test.cpp LINK test_support)
