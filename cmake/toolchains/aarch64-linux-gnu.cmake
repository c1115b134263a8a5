# Builds for 64-bit Arm on another machine, with the cross compiler of Debian and Ubuntu (g++-aarch64-linux-gnu), and runs
# what is built under QEMU's emulation of a program (qemu-user, or qemu-user-static). Which CPU that is, QEMU_CPU says.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)

set(triple aarch64-linux-gnu)
set(CMAKE_C_COMPILER ${triple}-gcc)  # for GTest
set(CMAKE_CXX_COMPILER ${triple}-g++)
find_program(A8W8_QEMU NAMES qemu-aarch64 qemu-aarch64-static DOC "QEMU that runs programs for 64-bit Arm")
if(A8W8_QEMU)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${A8W8_QEMU} -L /usr/${triple})
endif()

# Header-only packages are the same for every machine; libraries are not.
set(CMAKE_FIND_ROOT_PATH /usr/${triple})
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
