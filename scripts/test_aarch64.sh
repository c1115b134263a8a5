#!/usr/bin/env bash
# test_aarch64.sh JOBS [FOLDER]: builds the aarch64 preset and runs its tests, or those of tests/FOLDER alone, under QEMU
# as three CPUs: with int8 matrix multiply, with the dot product only, with neither.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

jobs=$1
folder=${2:-}
build=build/aarch64

cmake --preset aarch64 || die "CMake cannot configure the aarch64 preset"
cmake --build --preset aarch64 --parallel "$jobs" ${folder:+--target "a8w8_${folder}_tests"} || die "the aarch64 build failed"
scripts/check_isa_symbols.sh $build

qemu=$(sed -n 's/^A8W8_QEMU:[A-Z]*=//p' $build/CMakeCache.txt)
cpus=$("$qemu" -cpu help || true)  # it says so with status 1
test_as() {
  local cpu=$1 preset=$2
  if ! grep -qw -- "$cpu" <<<"$cpus"; then
    say "Left out: this QEMU is too old for $cpu ($("$qemu" --version | head -n 1))"
    return
  fi
  say "As the CPU $cpu"
  ctest --preset "$preset" --parallel "$jobs" ${folder:+-R "^$folder\$"} || die "tests failed on $cpu"
}
test_as max aarch64
test_as neoverse-n1 aarch64-dot
test_as cortex-a53 aarch64-scalar
