/*
 * Starts commands and says what each of them took. It is this small so that starting and waiting cost next to nothing,
 * and so that a command's peak memory is its own: a process that a large one starts inherits that one's peak.
 *
 * Input, by lines: a command as words with tabs between, NAME=value words first; "!" starts all commands since the
 * last one at once and waits for them. Output, one line for each command, in the order given: when it was started
 * (microseconds after its group's first), how long it took, the processor time of it and its children, the largest
 * process's peak memory in KB, its exit status. "?" does as "!", but prints one line instead: how many KB all processes
 * had at most, beyond those before, what they share counted once (Pss of smaps_rollup, proc(5)).
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_WORDS 64

struct job {
	char *line;
	pid_t pid;
	long long begun, took;
	struct rusage usage;
	int status;
};

static struct job *jobs;
static size_t count, room;

static long long microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static long long of(struct timeval t)
{
	return t.tv_sec * 1000000LL + t.tv_usec;
}

static void run(char *line)
{
	char *words[MOST_WORDS + 1], *rest = line, *word;
	size_t given = 0, first = 0;
	int null = open("/dev/null", O_RDWR);

	while ((word = strsep(&rest, "\t")) != NULL && given < MOST_WORDS)
		words[given++] = word;
	words[given] = NULL;
	clearenv();
	while (first < given && strchr(words[first], '=') != NULL)
		putenv(words[first++]);
	dup2(null, 0);
	dup2(null, 1);
	if (first < given)
		execvp(words[first], words + first);
	perror(line);
	_exit(127);
}

/* Of all processes that /proc shows, in KB. */
static long weight(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[300], line[256];
	long sum = 0, one;

	while (proc != NULL && (entry = readdir(proc)) != NULL) {
		FILE *rollup;

		if (!isdigit(entry->d_name[0]))
			continue;
		snprintf(path, sizeof path, "/proc/%s/smaps_rollup", entry->d_name);
		rollup = fopen(path, "r");
		while (rollup != NULL && fgets(line, sizeof line, rollup) != NULL)
			if (sscanf(line, "Pss: %ld", &one) == 1)
				sum += one;
		if (rollup != NULL)
			fclose(rollup);
	}
	if (proc != NULL)
		closedir(proc);
	return sum;
}

/* A process of its own looks, until it is killed. */
static pid_t start_weighing(long *most)
{
	const long before = weight();
	pid_t pid;

	*most = 0;
	pid = fork();
	while (pid == 0) {
		const long now = weight() - before;

		if (now > *most)
			*most = now;
		usleep(50000);
	}
	return pid;
}

static void run_group(int quiet)
{
	long long begun = microseconds();
	struct rusage usage;
	size_t i, left = count;
	int status;
	pid_t pid;

	for (i = 0; i < count; i++) {
		jobs[i].begun = microseconds() - begun;
		jobs[i].pid = fork();
		if (jobs[i].pid == 0)
			run(jobs[i].line);
	}
	while (left > 0 && (pid = wait4(-1, &status, 0, &usage)) > 0) {
		for (i = 0; i < count && jobs[i].pid != pid; i++)
			;
		if (i == count)
			continue;
		jobs[i].took = microseconds() - begun - jobs[i].begun;
		jobs[i].usage = usage;
		jobs[i].status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		left--;
	}
	for (i = 0; i < count; i++) {
		if (!quiet)
			printf("%lld %lld %lld %ld %d\n", jobs[i].begun, jobs[i].took,
			       of(jobs[i].usage.ru_utime) + of(jobs[i].usage.ru_stime), jobs[i].usage.ru_maxrss,
			       jobs[i].status);
		free(jobs[i].line);
	}
	count = 0;
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	long *most = mmap(NULL, sizeof *most, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (most == MAP_FAILED)
		return 1;
	while ((length = getline(&line, &size, stdin)) > 0) {
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		if (strcmp(line, "!") == 0) {
			fflush(stdout);
			run_group(0);
			continue;
		}
		if (strcmp(line, "?") == 0) {
			const pid_t pid = start_weighing(most);

			run_group(1);
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			printf("%ld\n", *most);
			continue;
		}
		if (count == room) {
			room = room == 0 ? 64 : 2 * room;
			jobs = realloc(jobs, room * sizeof(*jobs));
			if (jobs == NULL)
				return 1;
		}
		jobs[count++].line = strdup(line);
	}
	return 0;
}
