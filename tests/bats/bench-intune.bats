#!/usr/bin/env bats
# bench/intune with a few devices: every ratio is printed.  No time is judged.

load test_helper

@test "bench/intune prints each ratio and the peak of memory beside its bar" {
	run -0 env BIN="$(dirname "$(command -v intune-query)")" "$NAC_ROOT/bench/intune" \
		--devices 2500 --lookups 60 --sample 3 --runs 1
	number='[0-9]+\.[0-9]{2}'
	for line in "\(a\) 2500 devices on 3 pages, [0-9]+ MB" \
		"    ratio to one curl $number \(bar 1.25\), to a curl a page $number; memory [0-9]+ KiB \(bar 24576\)" \
		"\(b\) 60 lookups by Intune id, 16 in flight" \
		"    intune-query is $number times as fast \(bar 20\)" \
		"    (intune-query is $number times as fast \(bar 2\)|.* cannot be had from npm here: left out)" \
		"    ratio $number \(bar 1.5\)"; do
		grep -qxE -- "$line" <<<"$output" || { echo "lacks: $line"; return 1; }
	done
	run -64 "$NAC_ROOT/bench/intune" --devices 0
}
