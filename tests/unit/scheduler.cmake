ff_test(NAME scheduler_claim_planner KIND unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/scheduler_claim_planner_test.cpp
        LINK scheduler)
