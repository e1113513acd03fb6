ff_test(NAME scheduler_lane_picker KIND unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/scheduler_lane_picker_test.cpp
        LINK scheduler test_support)
ff_test(NAME scheduler_claim_planner KIND unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/scheduler_claim_planner_test.cpp
        LINK scheduler)
ff_test(NAME scheduler_allowances KIND unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/scheduler_allowances_test.cpp
        LINK scheduler test_support)
