# What a host gets: one library of all the parts' objects, the public headers, a CMake package and a pkg-config file.
include(CMakePackageConfigHelpers)

set(parts base crypto http model kube cel structural store client api scheduler controllers agent network oci cluster)
add_library(minikube STATIC)
add_library(minikube::minikube ALIAS minikube)
foreach(part ${parts})
  target_sources(minikube PRIVATE $<TARGET_OBJECTS:minikube_${part}>)
endforeach()
set_target_properties(minikube PROPERTIES LINKER_LANGUAGE CXX POSITION_INDEPENDENT_CODE ON)
target_compile_features(minikube PUBLIC cxx_std_20)
target_include_directories(minikube PUBLIC
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/generated/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
# Needed to link a host, not to compile one: no header of these is behind include/minikube.
target_link_libraries(minikube PRIVATE RocksDB::rocksdb OpenSSL::SSL OpenSSL::Crypto fmt::fmt simdjson::simdjson
                      yaml-cpp re2 ZLIB::ZLIB LibArchive::LibArchive Threads::Threads ${CMAKE_DL_LIBS})

install(TARGETS minikube EXPORT minikubeTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/minikube ${PROJECT_BINARY_DIR}/generated/include/minikube
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT minikubeTargets NAMESPACE minikube:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/minikube)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/minikubeConfig.cmake.in
  ${PROJECT_BINARY_DIR}/minikubeConfig.cmake INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/minikube)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/minikubeConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/minikubeConfig.cmake ${PROJECT_BINARY_DIR}/minikubeConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/minikube)
# Relative to the file itself, so that --prefix may say another place at install time.
file(RELATIVE_PATH MINIKUBE_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${CMAKE_CURRENT_LIST_DIR}/minikube.pc.in ${PROJECT_BINARY_DIR}/minikube.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/minikube.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
