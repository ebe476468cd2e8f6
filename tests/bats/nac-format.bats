#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# nac-decide --format: one layout, the same meaning; and what editors know of the language.

load test_helper

setup() {
	cd "$BATS_TEST_TMPDIR" || exit 1
	umask 022
}

@test "blanks, breaks and empty lines become the usual ones; words and comments stay" {
	{
		printf '\n\n# top  \r\n\n\n\nlabel   Corp\tgives vlan 750,role "r  s"   # ours\n'
		printf 'allow"A \\"q\\""with Corp,Class+=0x01 if(os is Windows and not\\\n  (managed))  or stale\n'
		printf 'deny "a very long rule that has to be broken" with Reply-Message "come back" if ssid in a, b, c, d, e and os is not Windows or mac in 00:1b:44:*, 00:a0:f8:*\n'
		printf 'no-match   deny\n\n\n'
	} >r
	run -0 --separate-stderr nac-decide --format -r r
	assert_eq "$output" '# top

label Corp gives vlan 750, role "r  s"  # ours
allow "A \"q\"" with Corp, Class += 0x01 if (os is Windows and not (managed)) or stale
deny "a very long rule that has to be broken" with Reply-Message "come back" if ssid in a, b, c, \
	d, e and os is not Windows or mac in 00:1b:44:*, 00:a0:f8:*
no-match deny'
	printf '%s\n' "$output" >once
	run -0 nac-decide --format -r once
	printf '%s\n' "$output" | cmp - once
	run -0 nac-decide -n -r once
	run -0 nac-decide --format -r /dev/stdin <r
	printf '%s\n' "$output" | cmp - once
}

@test "every file that is shipped means the same in the usual layout, which is found in one step" {
	cp "$NAC_ROOT"/share/rules/* .
	for rules in *.rules; do
		for f in "$rules" "${rules%.rules}.tests"; do
			nac-decide --format -r "$f" >once
			nac-decide --format -r once >twice
			cmp once twice
			cp once "$f"
		done
		run -0 nac-decide -n --strict -r "$rules"
		run -0 nac-decide -r "$rules" --test --coverage --strict "${rules%.rules}.tests"
	done
	for list in *.list; do
		nac-decide --format -r "$list" >once
		cmp "$list" once || cp once "$list"
	done
	run -0 nac-decide -r guest-byod.rules --test guest-byod.tests
}

@test "what is no word is named, all of it, and nothing is printed" {
	printf 'allow\0\nallow "open\nallow\n' >r
	run -65 --separate-stderr nac-decide --format -r r
	assert_eq "$output" ""
	assert_eq "$stderr" 'nac-decide: r:1:6: a NUL byte: "\x00"
nac-decide: r:2:7: no closing quote: ""open"'
	run -65 --separate-stderr nac-decide --format -r none
	assert_eq "$stderr" 'nac-decide: none: No such file or directory'
	run -64 nac-decide --format -r r '{}'
	run -64 nac-decide --format -n -r r
}

@test "a line of 800,000 bytes and ten thousand lines" {
	{ printf 'allow if ssid in a'; seq -f ',bb%.0f' 105000 | tr -d '\n'; } >r
	nac-decide --format -r r >once
	[ "$(awk '{ if (length($0) > 100) n++ } END { print n + 0 }' once)" -eq 0 ]
	run -0 nac-decide -n -r once
	nac-decide --format -r once | cmp - once
	seq -f 'allow   "r%.0f"  if ssid is   net' 10000 >r
	nac-decide --format -r r >all
	assert_eq "$(wc -l <all)" 10000
	head -n 1 all >once
	assert_eq "$(cat once)" 'allow "r1" if ssid is net'
}

# What the vim syntax file has as words.
vim_words() { sed -n 's/^syntax keyword nac[A-Za-z]* //p' "$NAC_ROOT/share/vim/syntax/nacrules.vim" | tr ' ' '\n' | sort -u; }

@test "vim: the syntax file knows every word of the language and no other" {
	# Those of the grammar, and the words that a field can be.
	{
		awk '/^\.Ss Grammar/ { on = 1 } on && /^\.Ed/ { exit } on' "$NAC_ROOT/man/nac-rules.5" |
			grep -oE '"[a-zA-Z][a-zA-Z0-9-]*"' | tr -d '"'
		sed -n '/_words\[\]/,/^};/p' "$NAC_ROOT/src/policy/fields.c" | grep -oE '"[a-z0-9-]+"' | tr -d '"'
	} | grep -v '^Z$' | sort -u >want
	vim_words | grep -vxE 'TODO|FIXME|XXX|contained|test|given|expect' >have
	diff want have
}

@test "vim: highlights by it, where there is one" {
	command -v vim >/dev/null || skip "no vim"
	vim --version | grep -q '+syntax' || skip "vim without syntax"
	printf '%s\n' '# a comment' 'allow "x" with vlan 5 if compliance is compliant and age < 12h' >site.rules
	cat >ask.vim <<-'END'
		syntax on
		edit site.rules
		let out = [&filetype]
		for at in [[1, 3], [2, 1], [2, 8], [2, 16], [2, 21], [2, 26], [2, 41], [2, 60]]
			call add(out, synIDattr(synID(at[0], at[1], 1), 'name'))
		endfor
		call writefile(out, 'out')
		qall!
	END
	HOME=$PWD timeout 20 vim -N -u NONE -i NONE -n -es --cmd "set rtp^=$NAC_ROOT/share/vim" -c 'filetype plugin on' -S ask.vim
	assert_eq "$(paste -sd' ' out)" \
		"nacrules nacComment nacAllow nacString nacPart nacNumber nacField nacValue nacSpan"
}

# shellcheck disable=SC2016 # $x is a variable of the rules
@test "vim: = lays the rules out, :make finds the errors, also where vim takes them for Snort's first" {
	command -v vim >/dev/null || skip "no vim"
	vim --version | grep -q '+quickfix' || skip "vim without quickfix"
	mkdir intune-nac
	printf 'allow   "x"  with vlan   5 if   managed\nno-match    deny\n' >intune-nac/site.rules
	printf 'let $x = 1\nalow\nallow if ssid is x\n' >intune-nac/broken.rules
	printf 'let $x = 1\nallow if ssid is x\nno-match deny\n' >intune-nac/warned.rules
	cat >do.vim <<-'END'
		edit intune-nac/site.rules
		normal gg=G
		write! out
		for name in ['broken', 'warned']
			execute 'edit! intune-nac/' . name . '.rules'
			silent make!
			call writefile(map(getqflist(), 'bufname(v:val.bufnr) . ":" . v:val.lnum . ":" . v:val.col . ":" . v:val.type . ":" . v:val.text'), name)
		endfor
		qall!
	END
	HOME=$PWD timeout 60 vim -N -u NONE -i NONE -n -es --cmd "set rtp^=$NAC_ROOT/share/vim" -c 'filetype plugin on' -S do.vim
	assert_eq "$(<out)" $'allow "x" with vlan 5 if managed\nno-match deny'
	assert_eq "$(<broken)" 'intune-nac/broken.rules:2:1::unknown statement "alow" (did you mean "allow"?)'
	assert_eq "$(<warned)" 'intune-nac/warned.rules:1:5:w:nothing uses the variable $x'
}
