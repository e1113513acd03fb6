ff_test(NAME core KIND unit LINK core test_support SOURCES
        core_admission_test.cpp core_capability_test.cpp core_error_test.cpp core_ids_test.cpp
        core_keys_test.cpp core_log_test.cpp core_names_test.cpp core_outage_test.cpp
        core_payload_test.cpp core_policy_delay_test.cpp core_policy_test.cpp core_state_test.cpp
        core_suspension_test.cpp core_text_test.cpp)
ff_test(NAME core_token KIND unit LINK core test_support SOURCES
        core_base64_test.cpp core_key_ring_test.cpp core_token_test.cpp core_token_cost_test.cpp)
target_link_libraries(test_core_token PRIVATE OpenSSL::Crypto)
target_compile_definitions(test_core_token PRIVATE FF_VECTORS_DIR="${PROJECT_SOURCE_DIR}/tests/vectors")
add_test(NAME unit/token_vectors COMMAND bash ${PROJECT_SOURCE_DIR}/tests/vectors/check_tokens.sh)
set_tests_properties(unit/token_vectors PROPERTIES LABELS unit TIMEOUT 60)
