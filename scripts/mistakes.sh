#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Each mistake of tests/wsheap_mistakes.c, in each mode of wsheap: on a stock kernel in
# QEMU, and under KASAN in a User-Mode Linux kernel. Checks what is said of it, and that
# nothing is said where a mode does not find it. Ends with a table of both.
#
# KERNEL=6.1 takes another series, ACCEL=kvm KVM where that works. Sourced by test.sh,
# which calls the two functions at the end.

[ "${BASH_SOURCE[0]}" != "$0" ] || . "$(dirname "$0")/common.sh"

# What is found when, and what is said then. The columns are the modes below: plain,
# debug=1, page_heap=kmalloc, guard and sample=1; and page_heap=kmalloc with KASAN, where
# it may be what KASAN calls it. "now" is by the call that is the
# mistake, "fault" by the access itself, "next" by the next call that meets the block,
# "later" within two seconds, "unload" when the module goes, and "-" is not at all.
# Without wsheap's help, "?" may end the kernel, so it is not tried.
#
# In what is said, @ stands for "called from" the function of that name. The words
# begin behind "heap NAME of wsheap_mistakes: ", unless they name something else. What
# is said of a fault, or in a mode of its own, follows on further lines.
mistakes_expected() {
	cat <<-'END'
	overrun              -      next   -      fault  fault  slab-out-of-bounds  written past its end, byte 24 of a block of 24 bytes, [0-9]+ ms old; its end was @
	+fault byte 24 of a block of 24 bytes, [0-9]+ ms old: read or written past its end
	overrun_odd          -      next   -      next   next   slab-out-of-bounds  written past its end, byte 29 of a block of 29 bytes, [0-9]+ ms old; its end was @
	underrun             -      next   -      next   next   slab-out-of-bounds  written before its beginning, byte -1 of a block of 24 bytes, [0-9]+ ms old; its end was @
	read_after_reset     -      -      -      fault  fault  slab-use-after-free -
	+fault byte 0 of a block of 1400 bytes, [0-9]+ ms old: used after its end
	write_after_reset    -      later  -      fault  fault  slab-use-after-free written to after its end, byte 0 of a block of 1400 bytes, [0-9]+ ms old; its end was @
	+fault byte 0 of a block of 1400 bytes, [0-9]+ ms old: used after its end
	read_after_rollback  -      -      -      fault  fault  slab-use-after-free -
	+fault byte 0 of a block of 1400 bytes, [0-9]+ ms old: used after its end
	write_after_rollback -      later  -      fault  fault  slab-use-after-free written to after its end, byte 0 of a block of 1400 bytes, [0-9]+ ms old; its end was @
	+fault byte 0 of a block of 1400 bytes, [0-9]+ ms old: used after its end
	write_after_destroy  -      later  -      fault  fault  slab-use-after-free written to after its end, byte 0 of a block of 1400 bytes, [0-9]+ ms old; its end was @
	+fault byte 0 of a block of 1400 bytes, [0-9]+ ms old: used after its end
	call_after_destroy   ?      now    ?      now    now    slab-use-after-free used or destroyed after it was destroyed by the call from call_after_destroy\+[^;]+; @
	double_destroy       ?      now    ?      now    now    ?                   used or destroyed after it was destroyed by the call from double_destroy\+[^;]+; @
	forgotten_reset      -      now    now    now    now    now                 the quota is used up, and the oldest block is [2-9][0-9]{3} ms old; @
	sleep_in_atomic      -      now    now    now    now    now                 gfp 0xcc0 \(GFP_KERNEL\) may sleep, but its caller may not; @
	zone_flag            now    now    now    now    now    now                 gfp 0xcc1 \(GFP_KERNEL\|GFP_DMA\) refused: a block must not have a zone flag or __GFP_NOFAIL; @
	nofail               now    now    now    now    now    now                 gfp 0x8cc0 \(GFP_KERNEL\|__GFP_NOFAIL\) refused: a block must not have a zone flag or __GFP_NOFAIL; @
	free_in_message_heap now    now    now    now    now    now                 wsheap_free\(\) called on a message heap, but is for private heaps; @
	mark_in_private_heap now    now    now    now    now    now                 wsheap_mark\(\) called on a private heap, but is for message heaps; @
	destroy_embedded     now    now    now    now    now    now                 wsheap_destroy\(\) called, but the heap lies in another structure: left alone; @
	exit_created         now    now    now    now    now    now                 wsheap_exit\(\) called, but the heap is an object of its own: left alone; @
	destroy_pooled       now    now    now    now    now    now                 wsheap_destroy\(\) called, but the heap belongs to a pool: left alone; @
	double_return        now    now    now    now    now    now                 given to its pool a second time: left alone; @
	wrong_pool           now    now    now    now    now    now                 given to pool wrong_pool, but is from pool wrong_pool: left alone; @
	no_pool              now    now    now    now    now    now                 given to pool no_pool, but is from no pool: left alone; @
	pool_in_use          now    now    now    now    now    ?                   pool pool_in_use of wsheap_mistakes: destroyed while 1 of its heaps are in use: left alone; @
	group_in_use         now    now    now    now    now    now                 group group_in_use destroyed while 1 heaps, pools or groups belong to it: left alone; @
	overrun_private      -      next   -      next   next   slab-out-of-bounds  block [0-9a-f]+ was written past its end; @
	+guard written past its end, byte 29 of a block of 29 bytes, [0-9]+ ms old; its end was @
	overrun_header       next   next   -      next   next   slab-out-of-bounds  block [0-9a-f]+ (has a corrupted header|was written past its end); @
	+guard written past its end, byte 24 of a block of 24 bytes, [0-9]+ ms old; its end was @
	read_after_free      -      -      -      fault  fault  slab-use-after-free -
	+fault byte 0 of a block of 1400 bytes, [0-9]+ ms old: used after its end
	write_after_free     next   next   -      fault  fault  slab-use-after-free block [0-9a-f]+ was written to while it was free; @
	+fault byte 0 of a block of 1400 bytes, [0-9]+ ms old: used after its end
	double_free          now    now    now    now    now    now                 block [0-9a-f]+ is already free; @
	foreign              now    now    now    now    now    now                 block [0-9a-f]+ does not belong to this heap; @
	inside               now    now    now    now    now    now                 block [0-9a-f]+ is not the start of a block; @
	unlock_by_stranger   now    now    now    now    now    now                 unlocked by a caller that does not hold the lock; @
	left_behind          unload unload unload unload unload ?                   module wsheap_mistakes leaves heap left_behind behind: 0 bytes asked for, 8192 held, left alone
	two_users_large      now    now    ?      now    ?      ?                   two users at once: .*called from (heap_user_fn|mistake_fn)\+.*\[wsheap_mistakes\]
	two_users            ?      now    ?      now    ?      ?                   two users at once: .*called from (heap_user_fn|mistake_fn)\+.*\[wsheap_mistakes\]
	END
}

mistakes_modes=(plain debug kmalloc guard sample)
mistakes_parameters=('page_heap=off debug=0' 'debug=1' 'page_heap=kmalloc' 'page_heap=guard'
	'page_heap=sample=1')

# What was found when, for the table: mistakes_result[MISTAKE MODE].
declare -A mistakes_result
mistakes_names=()

# mistake_look NAME LOG: prints when something was said of a mistake, how its thread
# ended, and what was said with the line after it.
mistake_look() {
	awk -v name="$1" '
		$0 == "mistake " name ": begin" { state = "now" }
		$0 == "mistake " name ": made" { state = "next" }
		$0 ~ "^mistake " name ": (came back|thread died|thread hangs)$" {
			ended = substr($0, length("mistake " name ": ") + 1)
			state = "later"
		}
		/^mistakes: unload/ { state = "unload" }
		state == "now" && /^BUG: |^Oops: / { oops = 1 }
		state == "now" && /^RIP: / && !rip { rip = $2 }
		wanted { wanted = 0; print "advice " $0 }
		$0 ~ "^wsheap: ((heap|pool) " name " of wsheap_mistakes: |group " name " |module .* heap " name " )" {
			when = state
			if ($0 ~ ": fault at byte")
				when = "fault"
			print "said " when " " $0
			wanted = 1
		}
		END { print "ended " ended; print "oops " oops+0 " " rip }
	' "$2"
}

# mistake_check MODE WHEN NAME REGEX LOG
mistake_check() {
	local mode=$1 when=$2 name=$3 regex=$4 log=$5 got said when_said=-
	local caller="called from $name(\\.cold)?\\+0x[0-9a-f]+/0x[0-9a-f]+ \\[wsheap_mistakes\\]"
	mistake_look "$name" "$log" > "$log.look"
	# Two users may have other reports as well.
	[[ $name != two_users* ]] || sed -i '/^said .* \(written\|fault\|leaves heap\) /d' "$log.look"
	said=$(sed -n 's/^said [a-z]* //p' "$log.look" | head -n 1)
	[ -z "$said" ] || when_said=$(sed -n 's/^said \([a-z]*\) .*/\1/p' "$log.look" | head -n 1)
	mistakes_result[$name $mode]=$when_said
	got=$when_said
	[ "$when" = fault ] && regex="fault at $regex"
	case $regex in
	pool*|group*|module*) ;;
	*) regex="heap $name of wsheap_mistakes: $regex" ;;
	esac
	regex="wsheap: ${regex//@/$caller}"
	if [ "$when_said" != - ]; then
		grep -q -x -E "$regex" <<<"$said" || got="$got, but says \"$said\""
		[ "$when" = unload ] || grep -q '^advice wsheap: what to do: [a-z]' "$log.look" ||
			got="$got, but does not say what to do"
		# Two users may take several tries, each with a module that is loaded again.
		[ "$(grep -c '^said' "$log.look")" = 1 ] || [ "$when" = unload ] ||
			[[ $name = two_users* ]] || got="$got, but says it several times"
	fi
	if [ "$when" = fault ]; then
		grep -q "^ended thread died$" "$log.look" || got="$got, but did not die"
		grep -q "^oops 1 0010:$name+" "$log.look" || got="$got, but no oops there"
	elif [[ $name != two_users* ]]; then
		grep -q "^ended came back$" "$log.look" || got="$got, but did not come back"
		grep -q "^oops 0" "$log.look" || got="$got, but an oops"
	fi
	check "$mode: $name: $(mistake_words "$when")" "$when" "$got"
}

mistake_words() {
	case $1 in
	now|fault) echo 'found at once' ;;
	next) echo 'found by the next call that meets it' ;;
	later) echo 'found later' ;;
	unload) echo 'found when the module goes' ;;
	-) echo 'not found' ;;
	'?') echo 'undefined' ;;
	*) echo "$1" ;;
	esac
}

# The mistakes in a mode, in one guest. Two users at once come last: the kernel may not
# survive them.
mistakes_guest() {
	local mode=$1 parameters=$2 list=$3 users=$4
	local log=$cache/mistakes-$mode.log init=$cache/mistakes.init.$$
	cat > "$init" <<-INIT
		insmod /modules/wsheap.ko $parameters
		insmod /modules/wsheap_mistakes.ko mistake=$list,unhandled
		sleep 2
		echo 'mistakes: unload' > /dev/kmsg
		rmmod wsheap_mistakes
		rmmod wsheap
		echo 'mistakes: unloaded' > /dev/kmsg
		insmod /modules/wsheap.ko $parameters
		if [ $mode = plain ]; then
			insmod /modules/wsheap_mistakes.ko with=kmalloc mistake=overrun,overrun_odd,underrun,read_after_free,write_after_free
			rmmod wsheap_mistakes
			echo 'mistakes: double' > /dev/kmsg
			insmod /modules/wsheap_mistakes.ko with=kmalloc mistake=double_free
			rmmod wsheap_mistakes
		fi
		echo 'mistakes: users' > /dev/kmsg
		# On a busy machine they may miss each other.
		for name in $users; do
			for try in 1 2 3 4 5 6; do
				timeout 20 insmod /modules/wsheap_mistakes.ko mistake=\$name
				dmesg | grep -q "heap \$name of .*: two users at once" && break
				rmmod wsheap_mistakes
			done
			rmmod wsheap_mistakes
		done
	INIT
	make_initrd "$cache/mistakes.initrd.$$" "$init" "$modules"/{wsheap,wsheap_mistakes}.ko
	guest_panic='' GUEST_TIMEOUT=${GUEST_TIMEOUT:-120} \
		guest_command "$cache/mistakes.initrd.$$" -nic none
	"${guest_command[@]}" < /dev/null 2>&1 | tr -d '\r' |
		sed 's/^\[ *[0-9.]*\] //' > "$log" || true
	rm -f "$init" "$cache/mistakes.initrd.$$"
}

# Reads the table into arrays: one line for each mistake.
mistakes_read() {
	local line
	expected=()
	mistakes_names=()
	while read -r line; do
		if [ "${line:0:1}" = + ]; then
			expected[-1]+=$'\n'$line
		else
			expected+=("$line")
			mistakes_names+=("${line%% *}")
		fi
	done < <(mistakes_expected)
}

# mistakes_row ROW MODE_INDEX: sets when and regex.
mistakes_row() {
	local columns first=${1%%$'\n'*} more=
	[ "$first" = "$1" ] || more=${1#*$'\n'}
	read -r -a columns <<<"$first"
	when=${columns[1 + $2]}
	regex=$(sed -E 's/^([^ ]+ +){7}//' <<<"$first")
	case ${mistakes_modes[$2]}:$when in
	*:fault) regex=${more#+fault } ;;
	guard:*|sample:*) [[ $more != +guard* ]] || regex=${more#+guard } ;;
	esac
}

mistakes_on_stock() {
	local i row name when regex list users log expected
	mistakes_read
	for i in "${!mistakes_modes[@]}"; do
		list=
		users=
		for row in "${expected[@]}"; do
			name=${row%% *}
			mistakes_row "$row" "$i"
			mistakes_result[$name ${mistakes_modes[$i]}]=$when
			[ "$when" != '?' ] || continue
			case $name in
			two_users*) users="$users $name" ;;
			*) list=$list,$name ;;
			esac
		done
		say "mistakes on the stock kernel $release, ${mistakes_parameters[$i]}"
		mistakes_guest "${mistakes_modes[$i]}" "${mistakes_parameters[$i]}" "${list#,}" "$users"
		log=$cache/mistakes-${mistakes_modes[$i]}.log
		# What lies between these is kmalloc's own, and not ours.
		sed '/^mistakes: unloaded/,/^mistakes: users/d' "$log" > "$log.wsheap"
		for row in "${expected[@]}"; do
			mistakes_row "$row" "$i"
			[ "$when" = '?' ] ||
				mistake_check "${mistakes_modes[$i]}" "$when" "${row%% *}" "$regex" "$log.wsheap"
		done
		check "${mistakes_modes[$i]}: unhandled: a warning with the figures" '1 1' \
			"$(grep -a -c '^heap unhandled: error -122: 65536 bytes asked for, 0 in use, limit 4096$' "$log") $(grep -a -c '^WARNING: .* private_fail' "$log")"
		check "${mistakes_modes[$i]}: a pool that the module leaves behind is reported" 1 \
			"$(grep -a -c '^wsheap: module wsheap_mistakes leaves pool left_behind behind: 2 heaps in it or in use, left alone$' "$log")"
		check "${mistakes_modes[$i]}: what the module leaves behind is reported when wsheap goes, too" '1 3' \
			"$(grep -a -c '^wsheap: pool left_behind was never destroyed: 1 of its heaps are in use and left alone, 1 idle ones released$' "$log") $(grep -a -c '^wsheap: heap \(left_behind\|pool_in_use\) was never destroyed' "$log")"
	done
	log=$cache/mistakes-plain.log
	sed -n '/^mistakes: unloaded/,/^mistakes: double/p' "$log" > "$log.kmalloc"
	for name in overrun overrun_odd underrun read_after_free write_after_free; do
		check "kmalloc itself: $name: not found" 'came back' \
			"$(sed -n "s/^mistake $name: \(came back\|thread.*\)$/\1/p" "$log.kmalloc")"
		mistakes_result[$name itself]=-
	done
	# Debian's kernels look whether the last object that was freed is freed again.
	mistakes_result[double_free itself]=now
	check "kmalloc itself: double_free: found at once, if it is the last one freed" '1 1' \
		"$(grep -a -c '^mistake double_free: thread died' "$log") $(grep -a -c '^kernel BUG at mm/slub.c' "$log")"
	check "kmalloc itself: nothing is reported" '' "$(log_is_clean "$log.kmalloc" || true)"
}

# kasan_part FROM TO: what the kernel said of a mistake, until it was made.
kasan_part() {
	sed -n "/^mistake $1: begin$/,/^mistake $1: made$/p" "$2"
}

# kasan_check NAME FUNCTION TYPE LOG COLUMN: the first report has to be this one.
kasan_check() {
	local got
	got=$(kasan_part "$1" "$4" | sed -n 's/^BUG: KASAN: \([^ ]*\) in \([a-z_]*\)\(\.cold\)\?+.*/\1 in \2/p' |
		head -n 1)
	check "$5: $1" "$3 in $2" "$got"
	mistakes_result[$1 $5]=now
	[ -n "$got" ] || mistakes_result[$1 $5]=-
}

# The same under KASAN, with kmalloc beside it. Needs what prepare_uml sets.
mistakes_under_kasan() {
	local log=$uml/mistakes.log row name columns regex said when expected
	mistakes_read
	say "mistakes under KASAN"
	rm -f "$uml/test.log"
	(cd "$source" && python3 "$kunit" exec --build_dir="$uml" \
		--kernel_args=wsheap.mistakes=1 --kernel_args=wsheap.page_heap=kmalloc \
		--kernel_args=kasan_multi_shot --kernel_args=log_buf_len=8M 'mistakes_*') > "$uml/mistakes.out" 2>&1 || true
	check "KASAN: both suites end" 1 "$(grep -a -c 'Testing complete' "$uml/mistakes.out" || true)"
	sed '/# Subtest: mistakes_kmalloc/,$d' "$uml/test.log" > "$log"
	sed -n '/# Subtest: mistakes_kmalloc/,$p' "$uml/test.log" > "$log.itself"
	for row in "${expected[@]}"; do
		name=${row%% *}
		read -r -a columns <<<"${row%%$'\n'*}"
		when=${columns[6]}
		mistakes_result[$name KASAN]=$when
		case $when in
		'?') ;;
		now)
			mistakes_row "$row" 2
			case $regex in
			pool*|group*) ;;
			*) regex="heap $name of wsheap: $regex" ;;
			esac
			regex=${regex//wsheap_mistakes/wsheap}
			regex="wsheap: ${regex//@/called from $name\\+0x[0-9a-f]+/0x[0-9a-f]+}"
			said=$(kasan_part "$name" "$log" | grep -a -c -x -E "$regex" || true)
			check "KASAN: $name" 1 "$said"
			;;
		*) kasan_check "$name" "$name" "$when" "$log" KASAN ;;
		esac
	done
	while read -r name when; do
		kasan_check "$name" "kmalloc_$name" "$when" "$log.itself" itself+K
	done <<-'END'
		overrun slab-out-of-bounds
		overrun_odd slab-out-of-bounds
		underrun slab-out-of-bounds
		read_after_free slab-use-after-free
		write_after_free slab-use-after-free
		double_free double-free
	END
}

mistakes_short() {
	case $1 in
	slab-*) echo now ;;
	*) echo "$1" ;;
	esac
}

# For the documentation. The last two columns are kmalloc() without wsheap.
mistakes_table() {
	local name mode
	{
		printf '%-21s' mistake
		printf '%-9s' "${mistakes_modes[@]}" KASAN 'kmalloc()' '  KASAN'
		echo
		for name in "${mistakes_names[@]}"; do
			printf '%-21s' "$name"
			for mode in "${mistakes_modes[@]}" KASAN itself itself+K; do
				printf '%-9s' "$(mistakes_short "${mistakes_result[$name $mode]:- }")"
			done
			echo
		done
	} | sed 's/ *$//' | tee "$cache/mistakes.txt"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	need gcc:gcc make:make flex:flex bison:bison bc:bc python3:python3 \
		qemu-system-x86_64:qemu-system-x86 cpio:cpio \
		/usr/include/stdio.h:libc6-dev
	prepare_uml
	(cd "$source" && python3 "$kunit" build --build_dir="$uml" --jobs="$jobs" \
		"${uml_options[@]}") > "$uml.log" 2>&1 || die "UML was not built; see $uml.log"
	prepare_guest
	mistakes_on_stock
	mistakes_under_kasan
	mistakes_table
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
fi
