/*
 * Runs a program and signals it at a moment that is the same in each run:
 *   kill-at STOPS SIGNAL PROGRAM [WORD …]
 * A moment is the beginning or the end of a system call; after STOPS of them the program gets the signal. Its children get
 * none, as when xl kills a hook. Exit status: the program's, or 128 and the number of the signal that ended it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OWN_FAILURE = 125 };

static void die(const char *what)
{
	fprintf(stderr, "kill-at: %s: %s\n", what, strerror(errno));
	exit(OWN_FAILURE);
}

static int ending(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int count, char **words)
{
	if (count < 4) {
		fputs("kill-at: usage: kill-at STOPS SIGNAL PROGRAM [WORD ...]\n", stderr);
		return OWN_FAILURE;
	}
	long stops = strtol(words[1], NULL, 10);
	int wanted = atoi(words[2]), status, forwarded = 0;
	pid_t child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			die("ptrace");
		execv(words[3], words + 3);
		die(words[3]);
	}
	/* The first stop is that of execve. */
	if (waitpid(child, &status, 0) < 0)
		die("waitpid");
	if (!WIFSTOPPED(status))
		return ending(status);
	if (ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD) < 0)
		die("ptrace");
	for (long seen = 0; seen < stops;) {
		if (ptrace(PTRACE_SYSCALL, child, NULL, forwarded) < 0)
			die("ptrace");
		if (waitpid(child, &status, 0) < 0)
			die("waitpid");
		if (!WIFSTOPPED(status))
			return ending(status);
		int signal = WSTOPSIG(status);
		forwarded = signal == (SIGTRAP | 0x80) ? 0 : signal;
		seen += forwarded == 0;
	}
	if (kill(child, wanted) < 0)
		die("kill");
	/* A signal other than SIGKILL is first shown to the tracer, unless that goes. */
	if (wanted != SIGKILL && ptrace(PTRACE_DETACH, child, NULL, 0) < 0)
		die("ptrace");
	if (waitpid(child, &status, 0) < 0)
		die("waitpid");
	return ending(status);
}
