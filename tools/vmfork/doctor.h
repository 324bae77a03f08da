/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmfork doctor: what of this machine matters to vmfork.
 *
 * All that is known comes from files, so that a test can make up a machine:
 * they are looked for below @root.
 */
#ifndef VMFORK_DOCTOR_H
#define VMFORK_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOCTOR_MAX_FINDINGS	24

/**
 * enum doctor_state - of a finding
 * @DOCTOR_OK: as it should be
 * @DOCTOR_NOTE: good to know
 * @DOCTOR_WARN: it works, but something is slower, missing or at risk
 * @DOCTOR_FAIL: it does not work until this is changed
 */
enum doctor_state {
	DOCTOR_OK,
	DOCTOR_NOTE,
	DOCTOR_WARN,
	DOCTOR_FAIL,
	DOCTOR_NR_STATES
};

/**
 * struct doctor_finding - what one check has found
 * @check: its name
 * @state: how it is
 * @found: a sentence
 * @advice: what to change, a sentence; empty if nothing
 */
struct doctor_finding {
	const char *check;
	enum doctor_state state;
	char found[320];
	char advice[320];
};

/**
 * struct doctor - a machine that is looked at
 * @root: in front of each path; "" for this machine
 * @nr: length of @findings
 * @findings: one for each check that applies
 */
struct doctor {
	const char *root;
	size_t nr;
	struct doctor_finding findings[DOCTOR_MAX_FINDINGS];
};

/** doctor_examine() - do all checks */
void doctor_examine(struct doctor *doctor);

/** doctor_status() - enum status: whether vmfork runs there */
int doctor_status(const struct doctor *doctor, bool strict);

const char *doctor_state_name(enum doctor_state state);

/* --- for the checks ---------------------------------------------------------- */

/** doctor_find() - add a finding; what it found is a sentence */
void doctor_find(struct doctor *doctor, const char *check,
		 enum doctor_state state, const char *found, ...)
	__attribute__((format(printf, 4, 5)));

/** doctor_advise() - what to change about the last finding */
void doctor_advise(struct doctor *doctor, const char *advice, ...)
	__attribute__((format(printf, 2, 3)));

/** doctor_path() - where a file of the machine is; returns @path */
char *doctor_path(const struct doctor *doctor, char path[512],
		  const char *format, ...)
	__attribute__((format(printf, 3, 4)));

bool doctor_exists(const struct doctor *doctor, const char *name);

/**
 * doctor_read() - the first line of a file
 *
 * Return: whether there is one; @text is empty if not.
 */
bool doctor_read(const struct doctor *doctor, const char *name, char *text,
		 size_t size);

/** doctor_number() - a file that is a decimal number */
bool doctor_number(const struct doctor *doctor, const char *name,
		   uint64_t *value);

/** doctor_meminfo() - a field of /proc/meminfo, its number; 0 if there is none */
uint64_t doctor_meminfo(const struct doctor *doctor, const char *field);

/** doctor_line() - whether a file has a line that contains that text */
bool doctor_line(const struct doctor *doctor, const char *name,
		 const char *text);

/** doctor_release() - of the kernel that runs; never NULL */
const char *doctor_release(const struct doctor *doctor, char release[128]);

void doctor_kernel(struct doctor *doctor);
void doctor_config(struct doctor *doctor);
void doctor_btf(struct doctor *doctor);
void doctor_signatures(struct doctor *doctor);
void doctor_module(struct doctor *doctor);
void doctor_device(struct doctor *doctor);
void doctor_limit(struct doctor *doctor);
void doctor_fault_around(struct doctor *doctor);
void doctor_names(struct doctor *doctor);
void doctor_kvm(struct doctor *doctor);
void doctor_tables(struct doctor *doctor);
void doctor_nested(struct doctor *doctor);
void doctor_thp(struct doctor *doctor);
void doctor_swap(struct doctor *doctor);
void doctor_ksm(struct doctor *doctor);
void doctor_cma(struct doctor *doctor);
void doctor_movable(struct doctor *doctor);
void doctor_hugetlb(struct doctor *doctor);
void doctor_mlock(struct doctor *doctor);
void doctor_memcg(struct doctor *doctor);
void doctor_overcommit(struct doctor *doctor);

#endif /* VMFORK_DOCTOR_H */
