# Layers of the core library as object libraries, so that the include rules are the link rules.
#
# Each layer gets a folder of links in the build tree which holds exactly its own headers: `<layer>/` (src/<layer>) and the
# public headers it owns as `a8w8/<header>`. A layer's include path is that folder and the folders of its DEPENDS, nothing
# else: an #include that goes against the layering does not compile.

set(A8W8_LAYERS "" CACHE INTERNAL "")

# Options for every target of this project; nothing is set globally.
function(a8w8_compile_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF
                        CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  # No silent fused multiply-add anywhere: results must be the same on every CPU (kernels/epilogue_kernel.h).
  target_compile_options(${target} PRIVATE -ffp-contract=off)
  if(A8W8_DEVELOPER_MODE)
    target_compile_options(${target} PRIVATE -Wall -Wextra $<$<BOOL:${A8W8_WARNINGS_AS_ERRORS}>:-Werror>)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # false positives of GCC 12 in std::string (PR105651) and nlohmann::json
      target_compile_options(${target} PRIVATE -Wno-restrict -Wno-maybe-uninitialized)
    endif()
  endif()
  if(A8W8_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${A8W8_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${A8W8_SANITIZE})
  endif()
endfunction()

# a8w8_layer(<name> [PUBLIC_HEADERS <header>...] [DEPENDS <layer>...])
function(a8w8_layer name)
  cmake_parse_arguments(ARG "" "" "PUBLIC_HEADERS;DEPENDS" ${ARGN})
  set(view ${PROJECT_BINARY_DIR}/layers/${name})
  file(MAKE_DIRECTORY ${view}/a8w8)
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/src/${name} ${view}/${name} SYMBOLIC)
  foreach(header IN LISTS ARG_PUBLIC_HEADERS)
    file(CREATE_LINK ${PROJECT_SOURCE_DIR}/include/a8w8/${header} ${view}/a8w8/${header} SYMBOLIC)
  endforeach()

  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  add_library(a8w8_${name} OBJECT ${sources})
  a8w8_compile_options(a8w8_${name})
  target_include_directories(a8w8_${name} PUBLIC ${view})
  list(TRANSFORM ARG_DEPENDS PREPEND a8w8_)
  target_link_libraries(a8w8_${name} PUBLIC ${ARG_DEPENDS})
  set(A8W8_LAYERS ${A8W8_LAYERS} a8w8_${name} CACHE INTERNAL "")
endfunction()
