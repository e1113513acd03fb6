ff_test(NAME script_transport KIND unit LINK script SOURCES
        script_answer_test.cpp script_backoff_test.cpp script_cluster_map_test.cpp script_command_test.cpp
        script_deadline_heap_test.cpp script_pipeline_test.cpp script_reader_test.cpp)
# The classes under test are no part of the module's interface.
target_include_directories(test_script_transport PRIVATE ${PROJECT_SOURCE_DIR}/ff-script/src)
