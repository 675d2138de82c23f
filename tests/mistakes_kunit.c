// SPDX-License-Identifier: GPL-2.0
/*
 * The mistakes of wsheap_mistakes.c as KUnit cases, for a kernel with KASAN that has no
 * user space. What is said of them is in the kernel's log. They are made only when the
 * kernel is told to:
 *
 *	kunit.py exec --kernel_args=wsheap.mistakes=1 --kernel_args=kasan_multi_shot \
 *		'mistakes_*'
 */

#include <kunit/test.h>

#define MISTAKES_KUNIT
#include "wsheap_mistakes.c"

static bool make_mistakes;
module_param_named(mistakes, make_mistakes, bool, 0444);
MODULE_PARM_DESC(mistakes, "Let the suites mistakes_* do what a driver must not do");

static void get_name(const struct mistake *mistake, char *text)
{
	strscpy(text, mistake->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(mistakes, mistakes, get_name);
KUNIT_ARRAY_PARAM(kmalloc_mistakes, kmalloc_mistakes, get_name);

/* What needs two CPUs, or a module that goes, or is undefined even under KASAN. */
static const char * const not_here[] = {
	"two_users", "two_users_large", "left_behind", "pool_in_use", "double_destroy",
	"unhandled",
};

static void each_mistake(struct kunit *test)
{
	const struct mistake *mistake = test->param_value;

	if (!make_mistakes)
		kunit_skip(test, "only with wsheap.mistakes=1");
	if (match_string(not_here, ARRAY_SIZE(not_here), mistake->name) >= 0)
		kunit_skip(test, "not for this kernel");
	KUNIT_EXPECT_EQ(test, mistake_make(mistake), 0);
	pr_info("mistake %s: came back\n", mistake->name);
}

static struct kunit_case mistakes_cases[] = {
	KUNIT_CASE_PARAM(each_mistake, mistakes_gen_params),
	{}
};

static struct kunit_suite mistakes_suite = {
	.name = "mistakes_wsheap",
	.test_cases = mistakes_cases,
};

static struct kunit_case kmalloc_cases[] = {
	KUNIT_CASE_PARAM(each_mistake, kmalloc_mistakes_gen_params),
	{}
};

static struct kunit_suite kmalloc_suite = {
	.name = "mistakes_kmalloc",
	.test_cases = kmalloc_cases,
};

kunit_test_suites(&mistakes_suite, &kmalloc_suite);
