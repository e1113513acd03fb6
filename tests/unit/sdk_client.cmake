ff_test(NAME sdk_client KIND unit LINK sdk SOURCES
        sdk_client_cursor_test.cpp sdk_client_submission_test.cpp sdk_client_validate_test.cpp
        sdk_frame_buffer_test.cpp sdk_frame_codec_test.cpp sdk_reset_schedule_test.cpp)
# Planning and cursors are no part of the module's interface.
target_include_directories(test_sdk_client PRIVATE ${PROJECT_SOURCE_DIR}/ff-sdk/src)
