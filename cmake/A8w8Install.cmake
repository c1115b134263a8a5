# Install rules of the core: the library, its public headers, and what find_package(a8w8) reads. The Python package takes
# its own component instead (adapters/torch, COMPONENT python).
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/a8w8)

install(TARGETS a8w8 EXPORT a8w8-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/a8w8 DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
        FILES_MATCHING PATTERN "*.h")
install(EXPORT a8w8-targets NAMESPACE a8w8:: DESTINATION ${package_dir} COMPONENT development)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/a8w8-config.cmake.in ${PROJECT_BINARY_DIR}/a8w8-config.cmake
                              INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor version may change the API.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/a8w8-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/a8w8-config.cmake ${PROJECT_BINARY_DIR}/a8w8-config-version.cmake
        DESTINATION ${package_dir} COMPONENT development)
