#!/usr/bin/env bash
# check_isa_symbols.sh BUILD_DIR: the objects compiled for an instruction set export the entry points of their kernels
# and nothing else. A weak symbol there (an inline function, a std:: template) may be the copy that the linker keeps for
# the whole program, and an older CPU would then die in innocent code. Meant for optimized builds.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

build=$1
nm=$(sed -n 's/^CMAKE_NM:FILEPATH=//p' "$build/CMakeCache.txt")
checked=0
for dir in "$build"/CMakeFiles/a8w8_kernels_*.dir; do
  isa=${dir##*/a8w8_kernels_}
  isa=${isa%.dir}
  [[ $isa == scalar ]] && continue  # compiled without special flags
  mapfile -d '' objects < <(find "$dir" -name '*.o' -print0)
  ((${#objects[@]})) || continue
  # nm -P prints: name type ... Upper case is global, W, V and u are weak; DW.ref.* is exception-table data, the same in
  # every object.
  foreign=$("${nm:-nm}" -P --defined-only "${objects[@]}" |
    awk '$2 ~ /^[A-Zu]$/ && $1 !~ /^DW\.ref\./ && ($2 ~ /^[WVu]$/ || $1 !~ /^_ZN4a8w8/) {print "  " $2 " " $1}' | c++filt)
  [[ -z $foreign ]] || die "the $isa kernels define symbols that other code may share:"$'\n'"$foreign"
  checked=$((checked + ${#objects[@]}))
done
((checked)) || die "no kernel objects under $build"
echo "isa symbols: $checked objects export only their own entry points"
