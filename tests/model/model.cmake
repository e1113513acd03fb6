# The model runs long: FF_MODEL_STEPS asks for more on demand.
add_library(ff_model STATIC ${CMAKE_CURRENT_LIST_DIR}/model.cpp ${CMAKE_CURRENT_LIST_DIR}/model_verbs.cpp
            ${CMAKE_CURRENT_LIST_DIR}/palette.cpp ${CMAKE_CURRENT_LIST_DIR}/compare.cpp
            ${CMAKE_CURRENT_LIST_DIR}/generator.cpp ${CMAKE_CURRENT_LIST_DIR}/harness.cpp
            ${CMAKE_CURRENT_LIST_DIR}/mutants.cpp)
target_link_libraries(ff_model PUBLIC ff_test_support)
ff_test(NAME model KIND model SOURCES ${CMAKE_CURRENT_LIST_DIR}/model_test.cpp LINK model TIMEOUT 600)
# The library's text is no part of the module's interface.
target_include_directories(test_model PRIVATE ${PROJECT_SOURCE_DIR}/ff-script/src)
