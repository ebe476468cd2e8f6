#!/usr/bin/env bats
# doc/scale.md holds what doc/scale.py computes, and every number says where it is from.

load test_helper

@test "the tables of doc/scale.md are those that doc/scale.py computes" {
	run -0 "$NAC_ROOT/doc/scale.py" --check
	cp -R "$NAC_ROOT/doc" "$BATS_TEST_TMPDIR/doc"
	sed -i 's/^coa_rate .*/coa_rate 1 CoA\/s none/' "$BATS_TEST_TMPDIR/doc/measured"
	run -1 "$BATS_TEST_TMPDIR/doc/scale.py" --check
	run -0 "$BATS_TEST_TMPDIR/doc/scale.py" --write
	run -0 "$BATS_TEST_TMPDIR/doc/scale.py" --check
}

@test "each measured number names a benchmark that is there" {
	local name value unit from
	while read -r name value unit from; do
		case $name in '' | '#'*) continue ;; esac
		[[ $value =~ ^[0-9.]+$ ]]
		[ -n "$unit" ]
		case $from in
		*bench/* | *tests/*) [ -x "$NAC_ROOT/$(grep -o '\(bench\|tests\)/[a-z]*' <<<"$from" | head -n 1)" ] ;;
		nproc) ;;
		*) echo "$name: $from"; false ;;
		esac
	done <"$NAC_ROOT/doc/measured"
}
