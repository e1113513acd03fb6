ff_test(NAME core KIND unit LINK core test_support SOURCES
        core_admission_test.cpp core_capability_test.cpp core_error_test.cpp core_ids_test.cpp
        core_keys_test.cpp core_log_test.cpp core_names_test.cpp
        core_payload_test.cpp core_policy_delay_test.cpp core_policy_test.cpp core_state_test.cpp
        core_text_test.cpp)
