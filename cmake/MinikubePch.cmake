# Precompiled headers: what nearly every source of a floor includes, read once instead of some hundred times. Nothing may
# rely on them: a source includes what it uses (build with -DMINIKUBE_PCH=OFF to see).
#
#   minikube_pch(minikube_store low)     of base and the floors that know no API object
#   minikube_pch(minikube_api high)      of the floors that do
#   minikube_pch(test_api tests)         of tests, which are compiled in another way
#
# In angle brackets, so that the file that includes them is the same in every worktree.
set(MINIKUBE_PCH_low <algorithm> <chrono> <functional> <map> <memory> <mutex> <optional> <string> <string_view>
                     <unordered_map> <utility> <vector> <fmt/format.h> <minikube/env.h> <minikube/log.h>
                     <minikube/status.h>)
set(MINIKUBE_PCH_high ${MINIKUBE_PCH_low} <minikube/client.h> <minikube/api/core/v1.h>)
set(MINIKUBE_PCH_tests ${MINIKUBE_PCH_high} <catch2/catch.hpp>)

function(minikube_pch target which)
  if(NOT MINIKUBE_PCH)
    return()
  endif()
  set(source minikube_pch_${which})
  if(NOT TARGET ${source})
    # CMake wants a source to attach them to.
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/${source}.cc CONTENT "\n")
    add_library(${source} OBJECT ${PROJECT_BINARY_DIR}/${source}.cc)
    target_precompile_headers(${source} PRIVATE ${MINIKUBE_PCH_${which}})
    target_include_directories(${source} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/generated/include)
    target_link_libraries(${source} PRIVATE fmt::fmt)
    if(which STREQUAL "tests")
      target_link_libraries(${source} PRIVATE Catch2::Catch2)
      target_compile_options(${source} PRIVATE $<$<CONFIG:Release>:-O0>)
    else()
      set_target_properties(${source} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    endif()
    set_target_properties(${source} PROPERTIES
      CXX_COMPILER_LAUNCHER "${PROJECT_SOURCE_DIR}/cmake/pch-launcher;${CMAKE_CXX_COMPILER_LAUNCHER}")
    if(NOT which STREQUAL "low")
      add_dependencies(${source} minikube_generate)
    endif()
  endif()
  target_precompile_headers(${target} REUSE_FROM ${source})
endfunction()
