/*
 * What a program must take at least that does what one of our hooks does: the same system calls with the same bytes in
 * the same order, and nothing else. The benchmark writes the calls down from a run of the hook (floor.ts) and compiles
 * this program with them. It ends with status 1 where the kernel answers something else than it answered the hook.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

struct call {
	long number, words[5], result;
};

/* Where the kernel writes what it was asked for. */
static char answer[1 << 17] __attribute__((aligned(16)));

static const struct call calls[] = {
#include CALLS
};

/* xenstored may answer in other pieces than it answered the hook. */
static long read_all(const long *w, long wanted)
{
	long length, got = 0;

	do {
		length = read(w[0], answer, w[2]);
		if (length < 0)
			return length;
		got += length;
	} while (length > 0 && got < wanted);
	return got;
}

int main(void)
{
	size_t i;
	const long *w;
	long result;

	for (i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		w = calls[i].words;
		result = calls[i].number == SYS_read ? read_all(w, calls[i].result) :
						       syscall(calls[i].number, w[0], w[1], w[2], w[3], w[4]);
		if (result == calls[i].result)
			continue;
		fprintf(stderr, "call %zu (number %ld) returned %ld to the hook and %ld here\n", i, calls[i].number,
			calls[i].result, result);
		return 1;
	}
	return 0;
}
