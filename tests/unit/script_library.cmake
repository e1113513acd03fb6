ff_test(NAME script_library KIND unit LINK script test_support SOURCES
        script_library_codec_test.cpp script_library_info_test.cpp script_library_plan_test.cpp
        script_library_reload_test.cpp)
# The classes under test are no part of the module's interface.
target_include_directories(test_script_library PRIVATE ${PROJECT_SOURCE_DIR}/ff-script/src)
