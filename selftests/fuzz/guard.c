// SPDX-License-Identifier: GPL-2.0
/*
 * Faults: those that are expected are survived, others are violations.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <ucontext.h>

#include "world.h"

__thread sigjmp_buf guard_env;
__thread volatile int guarded;

void violation(const char *fmt, ...)
{
	va_list ap;

	if (!__atomic_exchange_n(&shared->violated, 1, __ATOMIC_SEQ_CST)) {
		va_start(ap, fmt);
		vsnprintf(shared->violation, sizeof(shared->violation), fmt,
			  ap);
		va_end(ap);
	}
	_exit(99);
}

static void fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	if (guarded)
		siglongjmp(guard_env, 1);
	violation("signal %d in the fuzzer, call %u: address %p, code %d, "
		  "rip %llx", sig, pc, info->si_addr, info->si_code,
		  (unsigned long long)uc->uc_mcontext.gregs[REG_RIP]);
}

static void nothing(int sig)
{
	(void)sig;
}

/** guard_setup() - once in each program's first process */
void guard_setup(void)
{
	struct sigaction sa = {
		.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_NODEFER,
	};
	struct sigaction alarm = { .sa_handler = nothing };

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	/* No SA_RESTART: calls end with EINTR. */
	sigaction(SIGALRM, &alarm, NULL);
	sigaction(SIGUSR1, &alarm, NULL);
	sigaction(SIGIO, &alarm, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

/** guarded_copy() - Return: 0, or -EFAULT if something of it is not there */
int guarded_copy(void *to, const void *from, size_t len)
{
	if (!guard_begin()) {
		guard_end();
		return -EFAULT;
	}
	memcpy(to, from, len);
	guard_end();
	return 0;
}
