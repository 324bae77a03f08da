// SPDX-License-Identifier: GPL-2.0
/*
 * vmfork doctor: say whether this machine can run vmfork, and what to change.
 */
#include <stdio.h>

#include "cli.h"
#include "doctor.h"
#include "out.h"

static unsigned int count(const struct doctor *doctor, enum doctor_state state)
{
	unsigned int nr = 0;
	size_t i;

	for (i = 0; i < doctor->nr; i++)
		nr += doctor->findings[i].state == state;
	return nr;
}

static void report_finding(const struct doctor_finding *finding)
{
	out_open(NULL);
	out_string("name", finding->check);
	out_string("state", doctor_state_name(finding->state));
	out_string("found", finding->found);
	if (finding->advice[0])
		out_string("advice", finding->advice);
	else
		out_none("advice");
	out_close();
}

static int report_json(const struct doctor *doctor)
{
	size_t i;

	out_bool("able", !count(doctor, DOCTOR_FAIL));
	out_number("failures", count(doctor, DOCTOR_FAIL));
	out_number("warnings", count(doctor, DOCTOR_WARN));
	out_open_list("checks");
	for (i = 0; i < doctor->nr; i++)
		report_finding(&doctor->findings[i]);
	out_close();
	return out_finish();
}

static void print_verdict(const struct doctor *doctor)
{
	unsigned int failures = count(doctor, DOCTOR_FAIL);
	unsigned int warnings = count(doctor, DOCTOR_WARN);

	printf("\nThis machine can %srun vmfork", failures ? "not " : "");
	if (failures)
		printf(" yet: %u %s to change", failures,
		       failures == 1 ? "thing has" : "things have");
	if (warnings)
		printf("%s %u %s worth a change", failures ? "," : ":",
		       warnings, warnings == 1 ? "thing is" : "things are");
	puts(".");
}

static int report_text(const struct doctor *doctor)
{
	size_t i;

	for (i = 0; i < doctor->nr; i++) {
		const struct doctor_finding *f = &doctor->findings[i];

		printf("%-5s %-13s %s\n", doctor_state_name(f->state),
		       f->check, f->found);
		if (f->advice[0])
			printf("%19s %s\n", "", f->advice);
	}
	print_verdict(doctor);
	return fflush(stdout) || ferror(stdout) ? FAILED : DONE;
}

static int run_doctor(int argc, char **argv)
{
	static const struct option options[] = {
		{ "strict", no_argument, NULL, 's' },
		COMMON_LONG,
		{ 0 }
	};
	static struct doctor doctor = { .root = "" };
	bool strict = false;
	int option, status;

	while ((option = next_option(&command_doctor, argc, argv,
				     "s" COMMON_SHORT, options)) != -1) {
		if (option == '?')
			return BAD_USAGE;
		strict = true;
	}
	if (optind < argc)
		return failure(BAD_USAGE, 0,
			       "'%s' is not expected: see vmfork help doctor.",
			       argv[optind]);
	doctor_examine(&doctor);
	status = out_is_json() ? report_json(&doctor) : report_text(&doctor);
	return status ? status : doctor_status(&doctor, strict);
}

const struct command command_doctor = {
	.name = "doctor",
	.arguments = "[--strict]",
	.summary = "Say whether this machine can run vmfork, and what to change",
	.options =
	"  -s, --strict        fail for what only costs, too\n"
	"\n"
	"Exit status: 0 if it can; 3 if the module is not loaded or may not be used;\n"
	"1 if something else is in the way.\n",
	.run = run_doctor,
};
