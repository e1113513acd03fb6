# FLOWFABRIC_MODEL_STEPS=5000000 runs the model test longer.
add_library(ff_model STATIC ${CMAKE_CURRENT_LIST_DIR}/model.cpp ${CMAKE_CURRENT_LIST_DIR}/model_verbs.cpp
            ${CMAKE_CURRENT_LIST_DIR}/model_streams.cpp
            ${CMAKE_CURRENT_LIST_DIR}/model_suspension.cpp ${CMAKE_CURRENT_LIST_DIR}/limits.cpp
            ${CMAKE_CURRENT_LIST_DIR}/model_routes.cpp ${CMAKE_CURRENT_LIST_DIR}/model_common.cpp
            ${CMAKE_CURRENT_LIST_DIR}/model_lanes.cpp
            ${CMAKE_CURRENT_LIST_DIR}/compare_lanes.cpp
            ${CMAKE_CURRENT_LIST_DIR}/palette.cpp ${CMAKE_CURRENT_LIST_DIR}/compare.cpp
            ${CMAKE_CURRENT_LIST_DIR}/compare_limits.cpp ${CMAKE_CURRENT_LIST_DIR}/generator_limits.cpp
            ${CMAKE_CURRENT_LIST_DIR}/generator.cpp ${CMAKE_CURRENT_LIST_DIR}/harness.cpp
            ${CMAKE_CURRENT_LIST_DIR}/mutants.cpp)
target_link_libraries(ff_model PUBLIC ff_test_support PRIVATE OpenSSL::Crypto)
ff_test(NAME model KIND model SOURCES ${CMAKE_CURRENT_LIST_DIR}/model_test.cpp LINK model TIMEOUT 600)
ff_test(NAME mutation KIND model SOURCES ${CMAKE_CURRENT_LIST_DIR}/mutation_test.cpp LINK model
        LABELS mutation TIMEOUT 900)
ff_test(NAME checker KIND model SOURCES ${CMAKE_CURRENT_LIST_DIR}/checker_test.cpp LINK test_support)
# The longest begin first: so none of them runs alone at the end.
set_tests_properties(model/mutation PROPERTIES COST 300)
set_tests_properties(model/model PROPERTIES COST 200)
# The library's text is no part of the module's interface.
foreach(test model mutation checker)
  target_include_directories(test_${test} PRIVATE ${PROJECT_SOURCE_DIR}/ff-script/src)
endforeach()
