#!/usr/bin/env bats
# intune-query against nginx, which speaks HTTP/2: how many connections it takes, and
# how much memory a large tenant.

bats_require_minimum_version 1.5.0
load test_helper

setup_file() {
	# shellcheck source=../lib/graph.bash
	. "$NAC_ROOT/tests/lib/graph.bash"
	export WWW=$BATS_FILE_TMPDIR
	graph_start "$WWW" "log_format wire '\$server_protocol \$connection \$request_method \$uri';" \
		"access_log $WWW/access.log wire;"
	graph_conf "$WWW"
	export port
}
teardown_file() {
	. "$NAC_ROOT/tests/lib/graph.bash"
	graph_stop "$WWW"
}
setup() { . "$NAC_ROOT/tests/lib/graph.bash"; }

# peak COMMAND...: the most memory that it had, in KiB
peak() {
	/usr/bin/python3 -c 'import os, sys
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", 1, 0)])
_, status, ru = os.wait4(pid, 0)
print(ru.ru_maxrss)
sys.exit(status != 0)' "$@"
}

@test "many lookups at a time share one connection of HTTP/2" {
	graph_devices "$WWW" 200 200
	run -0 intune-query --jobs 16 <"$WWW/ids"
	assert_eq "$(jq -r .compliance.device.id <<<"$output" | cmp - "$WWW/ids")" ""
	# nginx writes its log when the answer is out, maybe after we have it.
	for _ in $(seq 100); do [ "$(grep -c /managedDevices/ "$WWW/access.log")" = 200 ] && break; sleep 0.05; done
	assert_eq "$(awk '/managedDevices/ { n[$1 " " $2]++ } END { for (k in n) print n[k] " " k }' \
		"$WWW/access.log" | sed 's/ [0-9]*$//')" "200 HTTP/2.0"
	assert_eq "$(grep -c ' POST ' "$WWW/access.log")" 1
	refute_has "$(cat "$WWW/access.log")" HTTP/1
}

@test "--all keeps of each device no more than its id: 40,000 take little more memory than 2,000" {
	if ldd "$(command -v intune-query)" | grep -q libasan; then skip "AddressSanitizer has memory of its own"; fi
	for n in 2000 40000; do
		graph_devices "$WWW" $n 1
		assert_has "$(intune-query --all --budget 0 | tail -1)" "\"complete\":true,\"count\":$n,"
		kib[n]=$(peak intune-query --all --budget 0)
	done
	echo "${kib[2000]} and ${kib[40000]} KiB"
	# A device has 700 bytes on the wire; of its id 16 are kept against duplicates, in a
	# table that is a quarter full at worst, with the one before it while it grows.
	[ "${kib[40000]}" -lt $((kib[2000] + 38000 * 160 / 1024)) ]
	[ "${kib[40000]}" -lt 24576 ]
}
