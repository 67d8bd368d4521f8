# One static library per folder of src/, with the only legal dependencies declared.
#
#   minikube_part(store DEPS minikube_base LIBS RocksDB::rocksdb)
#
# DEPS are floors below (their public headers are visible); LIBS are third-party libraries, private to the part.
# Every part also gets a link check: a program made of the whole part and nothing but what it declared must link.
function(minikube_part name)
  cmake_parse_arguments(arg "" "" "SRCS;DEPS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  add_library(minikube_${name} STATIC ${sources} ${arg_SRCS})
  set_target_properties(minikube_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_include_directories(minikube_${name}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/generated/include>
    PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(minikube_${name} PUBLIC ${arg_DEPS} PRIVATE ${arg_LIBS} fmt::fmt)
  if(name MATCHES "^(base|crypto|http|oci|store)$")
    minikube_pch(minikube_${name} low)
  else()
    minikube_pch(minikube_${name} high)
  endif()
  if(MINIKUBE_TESTS)
    add_executable(linkcheck_${name} ${PROJECT_SOURCE_DIR}/tests/linkcheck.cc)
    target_link_libraries(linkcheck_${name} PRIVATE "$<LINK_LIBRARY:WHOLE_ARCHIVE,minikube_${name}>")
    add_test(NAME linkcheck.${name} COMMAND linkcheck_${name})
  endif()
endfunction()
