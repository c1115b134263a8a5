# The one table of instruction sets: name, compiler flags. Flags are set on the ISA's own object library only.
#
# A file compiled with these flags includes the kernel contracts and intrinsics, and nothing with inline bodies: the linker
# might keep its copy of an inline function, and an older CPU would then die in innocent code.

set(A8W8_ISA_FLAGS_scalar "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(A8W8_ISAS scalar avx2 avx_vnni avx512_vnni amx_int8)
  set(A8W8_ISA_FLAGS_avx2 -mavx2 -mf16c)
  set(A8W8_ISA_FLAGS_avx_vnni -mavx2 -mf16c -mavxvnni)
  set(A8W8_ISA_FLAGS_avx512_vnni -mavx2 -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni
      -mprefer-vector-width=512)
  set(A8W8_ISA_FLAGS_amx_int8 ${A8W8_ISA_FLAGS_avx512_vnni} -mamx-tile -mamx-int8)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
  set(A8W8_ISAS scalar neon_dot neon_i8mm)
  set(A8W8_ISA_FLAGS_neon_dot -march=armv8.2-a+dotprod)
  set(A8W8_ISA_FLAGS_neon_i8mm -march=armv8.2-a+dotprod+i8mm)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # On Arm, GCC schedules before it allocates registers (on x86 it does not): it moves loads up, away from where they are
    # used, and accumulators into memory. The cores find their own order. GCC 12: 85 % of the multipliers' peak in place of
    # 100 % for the tile of neon_dot, by llvm-mca.
    list(APPEND A8W8_ISA_FLAGS_neon_dot -fno-schedule-insns)
    list(APPEND A8W8_ISA_FLAGS_neon_i8mm -fno-schedule-insns)
  endif()
else()
  set(A8W8_ISAS scalar)
endif()

# One object library per instruction set: src/kernels/<isa>/*.cpp. The registry and compiled_isas() learn of them by
# A8W8_HAVE_<ISA>.
function(a8w8_isa_kernels)
  foreach(isa IN LISTS A8W8_ISAS)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/kernels/${isa}/*.cpp)
    add_library(a8w8_kernels_${isa} OBJECT ${sources})
    a8w8_compile_options(a8w8_kernels_${isa})
    # Kernels throw nothing. Where one calls another by pointer, Clang would see to exceptions with a function that all
    # objects share.
    target_compile_options(a8w8_kernels_${isa} PRIVATE -fno-exceptions ${A8W8_ISA_FLAGS_${isa}})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # PR105593: GCC's own _mm512_undefined_* trip these warnings
      target_compile_options(a8w8_kernels_${isa} PRIVATE -Wno-uninitialized -Wno-maybe-uninitialized)
    endif()
    target_link_libraries(a8w8_kernels_${isa} PUBLIC a8w8_kernels)
    string(TOUPPER ${isa} upper)
    target_compile_definitions(a8w8_kernels PRIVATE A8W8_HAVE_${upper}=1)
    target_compile_definitions(a8w8_cpu PRIVATE A8W8_HAVE_${upper}=1)
    set(A8W8_LAYERS ${A8W8_LAYERS} a8w8_kernels_${isa} CACHE INTERNAL "")
  endforeach()
endfunction()
