ff_test(NAME deployment KIND integration LINK script test_support TIMEOUT 240 SOURCES
        deployment_answer_test.cpp deployment_cluster_test.cpp deployment_library_test.cpp deployment_open_test.cpp)
# The library's own text, which tests give other versions.
target_include_directories(test_deployment PRIVATE ${PROJECT_SOURCE_DIR}/ff-script/src)
