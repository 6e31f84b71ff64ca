/*
 * Asks an IPv4 host for an echo (ICMP) four times a millisecond and tells since when it has not answered, and when it
 * does again: ping(8) waits for ten milliseconds once an answer is missing, more than what is to be measured.
 *
 * Usage: probe ADDRESS, until its standard input ends. Output, one line as soon as it is known, in microseconds of one clock: "ready",
 * then "off TIME", when the first echo was asked for that did not come in time, and "on TIME", when the first one was
 * asked for that did.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/ip_icmp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STEP_NS 250000
/* An answer within two milliseconds is in time; on one machine it takes a hundredth of that. */
#define PATIENCE 8
#define KEPT 64

struct echo {
	struct icmphdr header;
	uint64_t number;
};

static long long sent_at[KEPT];
static char answered[KEPT];

static uint16_t checksum(const void *data, size_t length)
{
	const uint16_t *words = data;
	uint32_t sum = 0;

	for (; length > 1; length -= 2)
		sum += *words++;
	sum = (sum >> 16) + (sum & 0xffff);
	return ~(sum + (sum >> 16));
}

static long long microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void ask(int fd, uint64_t number)
{
	struct echo echo = { .header = { .type = ICMP_ECHO, .un.echo.id = htons(getpid() & 0xffff) } };

	echo.number = number;
	echo.header.checksum = checksum(&echo, sizeof(echo));
	sent_at[number % KEPT] = microseconds();
	answered[number % KEPT] = 0;
	/* A refusal is no answer either. */
	(void)!send(fd, &echo, sizeof(echo), MSG_DONTWAIT);
}

static void hear(int fd, uint64_t next)
{
	struct {
		struct iphdr ip;
		struct echo echo;
	} __attribute__((packed)) packet;

	while (recv(fd, &packet, sizeof(packet), MSG_DONTWAIT) == sizeof(packet)) {
		if (packet.ip.ihl == 5 && packet.echo.header.type == ICMP_ECHOREPLY &&
		    packet.echo.header.un.echo.id == htons(getpid() & 0xffff) &&
		    packet.echo.number < next && next - packet.echo.number <= PATIENCE)
			answered[packet.echo.number % KEPT] = 1;
	}
}

int main(int count, char **words)
{
	struct sockaddr_in host = { .sin_family = AF_INET };
	struct sched_param first = { .sched_priority = 1 };
	struct timespec due;
	uint64_t number = 0, judged;
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), off = 0;
	char end;

	if (count != 2 || inet_pton(AF_INET, words[1], &host.sin_addr) != 1) {
		fprintf(stderr, "usage: probe ADDRESS\n");
		return 2;
	}
	if (fd < 0 || connect(fd, (struct sockaddr *)&host, sizeof(host)) != 0) {
		perror("probe");
		return 1;
	}
	fcntl(0, F_SETFL, O_NONBLOCK);
	/* So that a busy machine is not taken for an outage; where that is not allowed it goes without. */
	sched_setscheduler(0, SCHED_FIFO, &first);
	clock_gettime(CLOCK_MONOTONIC, &due);
	puts("ready");
	while (read(0, &end, 1) != 0) {
		fflush(stdout);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
		due.tv_nsec += STEP_NS;
		if (due.tv_nsec >= 1000000000) {
			due.tv_nsec -= 1000000000;
			due.tv_sec++;
		}
		hear(fd, number);
		if (number >= PATIENCE) {
			judged = (number - PATIENCE) % KEPT;
			if (answered[judged] == off) {
				off = !off;
				printf("%s %lld\n", off ? "off" : "on", sent_at[judged]);
			}
		}
		ask(fd, number++);
		hear(fd, number);
	}
	return 0;
}
