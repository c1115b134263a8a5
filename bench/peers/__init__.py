"""The comparison with the peers. `cli` is the entry; then, in the order in which a run uses them:

suites      the shapes: bench/suites.json
candidates  who takes part: our ops, and one file for each peer
operands    the numbers that all of them multiply, and the exact answer
run         one shape after the other: prepare, check, time
measure     how something is timed on a machine that does other things, too
extras      what is timed apart: overhead of a call, output dtypes, int4, batches, threads
machine     peak and read bandwidth of this machine, from the C++ benchmark
results     what was measured, as data: the JSON
verdict     each promise as passed or failed; reads results and nothing else
report      tables; picture: the picture; docs: both into docs/performance.md
"""
