// SPDX-License-Identifier: GPL-2.0
/*
 * Guests: a Linux guest that verifies its own memory keeps doing so while it
 * is forked again and again; so do its children and theirs, and who dies makes
 * no difference to the others.  Who is reset is where it was forked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guests.h"

#define FORKS	20
#define KEPT	3	/* children that live on for so many forks */

FIXTURE(guest) { };

FIXTURE_VARIANT(guest) {
	const char *cpus;
	bool thp;
};

FIXTURE_VARIANT_ADD(guest, two_vcpus_4k) { .cpus = "2", .thp = false };
FIXTURE_VARIANT_ADD(guest, two_vcpus_thp) { .cpus = "2", .thp = true };

FIXTURE_SETUP(guest)
{
	const char *refused = guests_refused();

	if (refused)
		SKIP(return, "%s", refused);
	guests_boot(variant->cpus, variant->thp, "fork");
}

FIXTURE_TEARDOWN(guest)
{
	family_end();
}

static struct guest *fork_one(struct guest *g)
{
	struct guest *child = family_fork(g, "", 1);

	guest_meet(child);
	return child;
}

TEST_F_TIMEOUT(guest, forked_again_and_again, 280)
{
	struct guest *parent = &guests[0];
	uint64_t counter = 0, child_counter;
	struct guest *child;
	unsigned int i;

	for (i = 1; i <= FORKS; i++) {
		child = fork_one(parent);
		ASSERT_TRUE(guest_works(parent, &counter));
		child_counter = 0;
		ASSERT_TRUE(guest_works(child, &child_counter));
		if (i <= KEPT)
			continue;
		/* It has seen three more forks of its parent by now */
		ASSERT_TRUE(guest_verified(&guests[i - KEPT]));
		family_kill(&guests[i - KEPT]);
	}
	guest_ask(parent, "info");
	ASSERT_EQ(reply_number(parent, "children"), FORKS);
	ASSERT_TRUE(guest_works(parent, &counter));
}

TEST_F_TIMEOUT(guest, the_dead_make_no_difference, 280)
{
	struct guest *parent = &guests[0], *middle, *sibling, *last, *late;
	uint64_t counter = 0;

	middle = fork_one(parent);
	sibling = fork_one(parent);
	last = fork_one(middle);
	ASSERT_STREQ(last->path, "1.1");
	family_kill(middle);
	ASSERT_TRUE(guest_works(parent, &counter));
	counter = 0;
	ASSERT_TRUE(guest_works(last, &counter));
	counter = 0;
	ASSERT_TRUE(guest_works(sibling, &counter));

	family_kill(parent);
	ASSERT_TRUE(guest_works(sibling, &counter));
	counter = 0;
	ASSERT_TRUE(guest_works(last, &counter));

	late = fork_one(last);
	ASSERT_STREQ(late->path, "1.1.1");
	family_kill(last);
	counter = 0;
	ASSERT_TRUE(guest_works(late, &counter));
	family_kill(sibling);
	ASSERT_TRUE(guest_works(late, &counter));
}

/* Draws a number, after the kernel of the guest has renewed its random state */
static bool draw(struct guest *g, char *number)
{
	guest_ask(g, "ask random");
	snprintf(number, 33, "%.32s", g->reply + 10);
	return reply_number(g, "renewed");
}

#define RESETS		3
#define WATCH_BYTES	32	/* of its struct status */
#define WATCHED		(2 * WATCH_BYTES + 1)

/* Forks it; @then: its account of itself at that instant, in hex */
static struct guest *fork_watched(struct guest *g, char *then)
{
	struct guest *child = fork_one(g);

	reply_text(g, "watched", then, WATCHED);
	return child;
}

/* Whether its memory is so there */
static bool reads(struct guest *g, uint64_t gpa, const char *hex)
{
	guest_ask(g, "peek %#llx %d", (unsigned long long)gpa, WATCH_BYTES);
	return strstr(g->reply, hex);
}

/*
 * Lets it go on for a while, then has it reset: its memory is as it was, and
 * it is told so, and answers by a line that begins with @line.
 */
static bool is_back(struct guest *g, uint64_t gpa, const char *then,
		    const char *line)
{
	uint64_t first = guest_counter(g), counter = first;

	while (counter < first + 16 && guest_works(g, &counter))
		;
	guest_ask(g, "pause");
	if (reads(g, gpa, then))
		return false;
	guest_ask(g, "reset");
	if (!reply_number(g, "dropped"))
		return false;
	if (!reads(g, gpa, then)) {
		fprintf(stderr, "# guest %s: %s, not %s\n", g->path, g->reply,
			then);
		return false;
	}
	guest_ask(g, "resume");
	guest_ask(g, "wait %s 60", line);
	return guest_verified(g);
}

TEST_F_TIMEOUT(guest, reset_again_and_again, 280)
{
	struct guest *parent = &guests[0], *child;
	char then[WATCHED], number[33], last[33] = "";
	uint64_t gpa = reply_number(parent, "gpa"), counter = 0;
	unsigned int i;

	EXPECT_NE(guest_try(parent, "reset"), 0);
	EXPECT_NE(strstr(parent->reply, "nothing to go back to"), NULL);
	guest_ask(parent, "watch %#llx %d", (unsigned long long)gpa,
		  WATCH_BYTES);
	child = fork_watched(parent, then);
	for (i = 0; i < RESETS; i++) {
		ASSERT_TRUE(is_back(parent, gpa, then, "reset"));
		ASSERT_TRUE(draw(parent, number));
		ASSERT_STRNE(number, last);
		snprintf(last, sizeof(last), "%s", number);
	}
	/* A child that was not forked goes back to its birth, the same. */
	for (i = 0; i < RESETS; i++) {
		ASSERT_TRUE(is_back(child, gpa, then, "child"));
		ASSERT_TRUE(draw(child, number));
		ASSERT_STRNE(number, last);
		snprintf(last, sizeof(last), "%s", number);
	}
	/* Both can be forked from there, and go back there from then on. */
	fork_one(parent);
	ASSERT_TRUE(guest_works(fork_watched(child, then), &counter));
	ASSERT_TRUE(is_back(child, gpa, then, "reset"));
	counter = 0;
	ASSERT_TRUE(guest_works(child, &counter));
	counter = 0;
	ASSERT_TRUE(guest_works(parent, &counter));
}

/* Running forkvms, ours or not */
static int count_forkvms(void)
{
	FILE *ps = popen("ps | grep -c '[f]orkvm \\(run\\|child\\)'", "r");
	char line[64] = "";

	if (!ps || !fgets(line, sizeof(line), ps))
		client_fail("can not list processes");
	pclose(ps);
	return atoi(line);
}

#define CONSOLE_MORE	5	/* "console" is longer than "vm" */

/*
 * Children that can not be built: the name of their console file is too long.
 * A fork adds two bytes to it, so this is also a fork of a fork of a fork.
 */
TEST(failed_fork_leaves_the_guest)
{
	const char *refused = guests_refused();
	unsigned int tries = 0;
	char name[96] = "";
	uint64_t counter = 0;
	struct guest *g;

	if (refused)
		SKIP(return, "%s", refused);
	memset(name, 'x', 80);
	g = guests_boot("1", false, name);
	while (strlen(g->control) + CONSOLE_MORE + 2 < sizeof(g->control))
		g = fork_one(g);
	EXPECT_GT(nr_guests, 3);
	EXPECT_TRUE(guest_works(g, &counter));
	EXPECT_NE(guest_try(g, "fork 2"), 0);
	EXPECT_NE(strstr(g->reply, "too long"), NULL);
	EXPECT_TRUE(guest_works(g, &counter));
	guest_ask(g, "info");
	EXPECT_EQ(reply_number(g, "children"), 0);

	/* Of those who were killed half-made there may be zombies for a while */
	while (count_forkvms() != (int)nr_guests && tries++ < 50)
		usleep(100000);
	EXPECT_EQ(count_forkvms(), (int)nr_guests);
	family_end();
}

TEST_HARNESS_MAIN
