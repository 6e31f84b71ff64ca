/*
 * Sends as a guest, receives as a machine beyond the bridge, and says how much of it arrived: small UDP packets, one
 * frame each as a guest's card hands them over, and TCP in bulk. Sender and receiver are one thread that sends some and
 * then takes what arrived, so that what is measured is the way between them and not who is scheduled when; for the same
 * reason nothing else of a busy machine takes the processor from it meanwhile.
 *
 * Usage: traffic SLICE_MS ROUNDS. Input, one line for each lane: the sender's network namespace, its device and MAC
 * address, the receiver's namespace and MAC address, the sender's IPv4 address, the receiver's. In each round every lane
 * has its turn, in every other round in reverse; the first round only warms up. Output, one line for each further round
 * and lane: the lane's number, packets that arrived in a second, packets that were lost, bytes by TCP in a second.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_LANES 64
#define AT_ONCE 64
#define FRAME 60 /* the smallest of Ethernet */
#define PORT 9
#define CHUNK (256 * 1024)
#define ROOM (4 << 20)

struct lane {
	int from_ns, to_ns, frames, packets, listener, writer, reader;
	struct sockaddr_in from, to;
	unsigned char frame[FRAME];
};

static struct lane lanes[MOST_LANES];
static char chunk[CHUNK];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static int find(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail(path);
	return fd;
}

static void enter(int netns)
{
	if (setns(netns, CLONE_NEWNET) < 0)
		fail("setns");
}

static struct sockaddr_in at(const char *address)
{
	struct sockaddr_in place = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	if (inet_pton(AF_INET, address, &place.sin_addr) != 1)
		fail(address);
	return place;
}

/* A socket belongs to the namespace that it was made in. */
static int make(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		fail("socket");
	return fd;
}

static int bound(int type, const struct sockaddr_in *place)
{
	int fd = make(AF_INET, type, 0), room = ROOM;

	/* The same for all, whatever the kernel would find good for one connection and not for the next. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	if (bind(fd, (const struct sockaddr *)place, sizeof(*place)) < 0)
		fail("bind");
	return fd;
}

static unsigned short checksum(const void *data, size_t length)
{
	const unsigned short *word = data;
	unsigned long sum = 0;

	for (; length > 1; length -= 2)
		sum += *word++;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void write_frame(unsigned char *frame, const char *from_mac, const char *to_mac,
			const struct sockaddr_in *from, const struct sockaddr_in *to)
{
	struct ether_header ether = { .ether_type = htons(ETHERTYPE_IP) };
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP };
	struct udphdr udp = { .source = htons(PORT), .dest = htons(PORT) };
	struct ether_addr mac;

	if (ether_aton_r(from_mac, &mac) == NULL)
		fail(from_mac);
	memcpy(ether.ether_shost, &mac, ETH_ALEN);
	if (ether_aton_r(to_mac, &mac) == NULL)
		fail(to_mac);
	memcpy(ether.ether_dhost, &mac, ETH_ALEN);
	ip.tot_len = htons(FRAME - sizeof(ether));
	ip.saddr = from->sin_addr.s_addr;
	ip.daddr = to->sin_addr.s_addr;
	ip.check = checksum(&ip, sizeof(ip));
	udp.len = htons(FRAME - sizeof(ether) - sizeof(ip));
	memcpy(frame, &ether, sizeof(ether));
	memcpy(frame + sizeof(ether), &ip, sizeof(ip));
	memcpy(frame + sizeof(ether) + sizeof(ip), &udp, sizeof(udp));
}

static void open_lane(struct lane *lane, char *line)
{
	char from_ns[512], device[64], from_mac[32], to_ns[512], to_mac[32], from_ip[32], to_ip[32];
	struct sockaddr_ll card = { .sll_family = AF_PACKET };
	int yes = 1;

	if (sscanf(line, "%511s %63s %31s %511s %31s %31s %31s", from_ns, device, from_mac, to_ns, to_mac, from_ip,
		   to_ip) != 7)
		fail(line);
	lane->from_ns = find(from_ns);
	lane->to_ns = find(to_ns);
	lane->from = at(from_ip);
	lane->to = at(to_ip);
	write_frame(lane->frame, from_mac, to_mac, &lane->from, &lane->to);

	enter(lane->to_ns);
	lane->packets = bound(SOCK_DGRAM, &lane->to);
	lane->listener = bound(SOCK_STREAM, &lane->to);
	if (listen(lane->listener, 1) < 0)
		fail("listen");

	enter(lane->from_ns);
	card.sll_ifindex = if_nametoindex(device);
	lane->frames = make(AF_PACKET, SOCK_RAW, 0);
	if (bind(lane->frames, (struct sockaddr *)&card, sizeof(card)) < 0)
		fail(device);
	setsockopt(lane->frames, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes));
}

/* A connection for each turn: what one of them has met with in its life is not what is measured. */
static void dial(struct lane *lane)
{
	struct linger none = { .l_onoff = 1 };
	struct sockaddr_in from = lane->from;

	enter(lane->from_ns);
	from.sin_port = 0;
	lane->writer = bound(SOCK_STREAM, &from);
	if (connect(lane->writer, (struct sockaddr *)&lane->to, sizeof(lane->to)) < 0)
		fail("connect");
	lane->reader = accept(lane->listener, NULL, NULL);
	if (lane->reader < 0)
		fail("accept");
	setsockopt(lane->writer, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	fcntl(lane->writer, F_SETFL, O_NONBLOCK);
	fcntl(lane->reader, F_SETFL, O_NONBLOCK);
}

static void hang_up(struct lane *lane)
{
	close(lane->writer);
	close(lane->reader);
}

static double count_packets(struct lane *lane, double slice, long *lost)
{
	static struct mmsghdr out[AT_ONCE], in[AT_ONCE];
	struct iovec from = { lane->frame, FRAME }, to = { chunk, CHUNK };
	double begun = seconds(), now;
	long sent = 0, arrived = 0;
	int i, done;

	for (i = 0; i < AT_ONCE; i++) {
		out[i].msg_hdr = (struct msghdr){ .msg_iov = &from, .msg_iovlen = 1 };
		in[i].msg_hdr = (struct msghdr){ .msg_iov = &to, .msg_iovlen = 1 };
	}
	do {
		done = sendmmsg(lane->frames, out, AT_ONCE, 0);
		if (done > 0)
			sent += done;
		while (arrived < sent && (done = recvmmsg(lane->packets, in, AT_ONCE, MSG_DONTWAIT, NULL)) > 0)
			arrived += done;
		now = seconds();
	} while (now - begun < slice);
	*lost = sent - arrived;
	return arrived / (now - begun);
}

static double count_bytes(struct lane *lane, double slice)
{
	double begun = seconds(), now;
	long arrived = 0;
	ssize_t written, read;

	do {
		written = send(lane->writer, chunk, CHUNK, MSG_NOSIGNAL);
		if (written < 0 && errno != EAGAIN)
			fail("send");
		while ((read = recv(lane->reader, chunk, CHUNK, 0)) > 0)
			arrived += read;
		if (read == 0)
			fail("the connection ended");
		if (written < 0) {
			struct pollfd either[] = { { lane->writer, POLLOUT, 0 }, { lane->reader, POLLIN, 0 } };

			poll(either, 2, 1);
		}
		now = seconds();
	} while (now - begun < slice);
	return arrived / (now - begun);
}

int main(int argc, char **argv)
{
	double slice = argc > 2 ? atof(argv[1]) / 1000 : 0;
	int rounds = argc > 2 ? atoi(argv[2]) : 0, count = 0, round, turn;
	char line[2048];
	struct sched_param first = { .sched_priority = 1 };

	while (count < MOST_LANES && fgets(line, sizeof(line), stdin) != NULL)
		open_lane(&lanes[count++], line);
	if (sched_setscheduler(0, SCHED_FIFO, &first) < 0)
		perror("SCHED_FIFO");
	for (round = 0; round <= rounds; round++) {
		for (turn = 0; turn < count; turn++) {
			int lane = round % 2 == 0 ? turn : count - 1 - turn;
			long lost;
			double packets = count_packets(&lanes[lane], slice, &lost);
			double bytes;

			dial(&lanes[lane]);
			count_bytes(&lanes[lane], slice / 5);
			bytes = count_bytes(&lanes[lane], slice);
			hang_up(&lanes[lane]);
			if (round > 0)
				printf("%d %.0f %ld %.0f\n", lane, packets, lost, bytes);
		}
	}
	return 0;
}
