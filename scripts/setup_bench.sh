#!/usr/bin/env bash
# setup_bench.sh: makes .venv-bench, where the peers of `make bench-peers` live: torch and what requirements/bench*.txt
# pin. This package is not installed there; the comparison imports it from the tree. Stamps as in setup_python.sh.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

python=${PYTHON:-python3}
stamps=.venv-bench/.a8w8
install=(.venv-bench/bin/python -m pip install -q --disable-pip-version-check --no-input --no-compile)

hash() { { cat "$@"; "$python" -c 'import sys; print(sys.version)'; pwd; } | sha256sum | cut -d ' ' -f 1; }
up_to_date() { [[ -f $stamps/$1 && $(<"$stamps/$1") == "$2" ]]; }

base=$(hash requirements/bench.txt requirements/torch.txt requirements/torch-cuda.txt)
if ! up_to_date base "$base"; then
  say "Making .venv-bench (PyTorch and the pinned packages of requirements/bench.txt)"
  rm -rf .venv-bench
  "$python" -m venv .venv-bench || die "$python -m venv failed"
  "${install[@]}" --no-deps -r requirements/bench.txt || die "pip could not install requirements/bench.txt"
  "${install[@]}" ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} \
    -r requirements/torch.txt -c requirements/torch-cuda.txt || die "pip could not install requirements/torch.txt"
  problems=$(.venv-bench/bin/python -m pip check) || die "the pins in requirements/ do not fit together: $problems"
  mkdir -p $stamps
  echo "$base" >$stamps/base
fi

# One by one, since a peer that cannot be had must not keep the others away. Without the stamp the next run tries again.
peers=$(hash requirements/bench-peers.txt)
if ! up_to_date peers "$peers"; then
  say "Adding the peers of requirements/bench-peers.txt to .venv-bench"
  complete=1
  while read -r package; do
    "${install[@]}" --no-deps "$package" </dev/null || { complete=; say "No $package here; the comparison goes on without it"; }
  done < <(grep -v '^#' requirements/bench-peers.txt)
  [[ -z $complete ]] || echo "$peers" >$stamps/peers
fi
