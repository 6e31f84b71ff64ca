/*
 * Sends raw Ethernet frames from one network namespace and tells which of them come out in another:
 *   frames SENDER DEVICE WATCHER DEVICE MARKER DEVICE <frames in hex, one a line >those that arrived, in hex
 * The three namespaces are files. After the frames the marker, whom nothing filters, broadcasts one of its own. All is
 * done on one CPU, whose queue keeps the order: when that frame has arrived, no other is under way any more.
 *   frames SENDER DEVICE <frames
 * sends them over and over, whether the device runs or not, until it is killed.
 * A SENDER's DEVICE that begins with "tap:" is a tap, which is fed as QEMU feeds it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { LONGEST = 65536, MOST = 1024, PATIENCE_MS = 60000, AGAIN_MS = 2000, MOST_WAITS = 60, QUEUE = 64 << 20, TAG = 4, ADDRESSES = 12 };

static const unsigned char mark[] = "\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\xfe\xed\x88\xb5xen-network: all sent";

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static void enter(const char *space)
{
	int file = open(space, O_RDONLY | O_CLOEXEC);
	if (file < 0 || setns(file, CLONE_NEWNET) < 0)
		die(space);
	close(file);
}

/* A tap has a carrier once it is open, and its bridge, where it is on one, sees that a little later. */
static void await_forwarding(const char *port)
{
	char path[64], state = 0;
	snprintf(path, sizeof path, "/sys/class/net/%s/brport/state", port);
	if (access(path, F_OK) != 0)
		return;
	for (int waited = 0; state != '3'; waited++) {
		int file = open(path, O_RDONLY | O_CLOEXEC);
		if (file < 0 || read(file, &state, 1) != 1 || waited > PATIENCE_MS)
			die(path);
		close(file);
		usleep(1000);
	}
}

static int open_tap(const char *space, const char *device)
{
	enter(space);
	int tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	strncpy(request.ifr_name, device, sizeof request.ifr_name - 1);
	if (tap < 0 || ioctl(tap, TUNSETIFF, &request) < 0)
		die(device);
	await_forwarding(device);
	return tap;
}

/* In a user namespace there is only as much as everybody may have. */
static int make_room(int s, int forced, int usual)
{
	int size = QUEUE;
	if (setsockopt(s, SOL_SOCKET, forced, &size, sizeof size) == 0)
		return 0;
	return setsockopt(s, SOL_SOCKET, usual, &size, sizeof size);
}

static int open_in(const char *space, const char *device, int protocol)
{
	int on = 1;
	enter(space);
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol)};
	where.sll_ifindex = (int)if_nametoindex(device);
	if (s < 0 || where.sll_ifindex == 0 || bind(s, (struct sockaddr *)&where, sizeof where) < 0)
		die(device);
	struct packet_mreq all = {.mr_ifindex = where.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
	if (make_room(s, SO_RCVBUFFORCE, SO_RCVBUF) < 0 || make_room(s, SO_SNDBUFFORCE, SO_SNDBUF) < 0 ||
	    setsockopt(s, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) < 0 ||
	    setsockopt(s, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) < 0)
		die("setsockopt");
	return s;
}

/* The next frame of the input; 0 at its end. */
static size_t next_frame(unsigned char *frame)
{
	static char line[2 * LONGEST + 2];
	while (fgets(line, sizeof line, stdin) != NULL) {
		size_t length = strspn(line, "0123456789abcdef") / 2;
		for (size_t i = 0; i < length; i++)
			if (sscanf(line + 2 * i, "%2hhx", &frame[i]) != 1)
				die("hex");
		if (length > 0)
			return length;
	}
	return 0;
}

static int open_sender(const char *space, const char *device)
{
	return strncmp(device, "tap:", 4) == 0 ? open_tap(space, device + 4) : open_in(space, device, 0);
}

static void send_for_ever(int s)
{
	static unsigned char frames[MOST][2048];
	static size_t lengths[MOST];
	size_t count = 0;
	static unsigned char frame[LONGEST];
	for (size_t length; count < MOST && (length = next_frame(frame)) > 0 && length <= sizeof frames[0]; count++)
		memcpy(frames[count], frame, lengths[count] = length);
	for (size_t i = 0; count > 0; i = (i + 1) % count) {
		send(s, frames[i], lengths[i], 0);
		usleep(200);
	}
}

/* The kernel hands a VLAN tag over beside the frame. */
static void print(const unsigned char *frame, ssize_t length, struct msghdr *message)
{
	struct tpacket_auxdata aux = {0};
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c))
		if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA)
			memcpy(&aux, CMSG_DATA(c), sizeof aux);
	for (ssize_t i = 0; i < length; i++) {
		if (i == ADDRESSES && (aux.tp_status & TP_STATUS_VLAN_VALID))
			printf("%04x%04x", aux.tp_vlan_tpid, aux.tp_vlan_tci);
		printf("%02x", frame[i]);
	}
	putchar('\n');
}

/* A port that does not forward yet loses the mark: it is sent again until it comes, which is after all that it follows. */
static void send_mark(int s)
{
	if (send(s, mark, sizeof mark - 1, 0) < 0)
		die("send");
}

/* Prints a frame that arrived, unless it is the mark; returns whether it is. */
static int take_arrival(int s)
{
	static unsigned char frame[LONGEST];
	char control[256];
	struct sockaddr_ll from;
	struct iovec part = {frame, sizeof frame};
	struct msghdr message = {&from, sizeof from, &part, 1, control, sizeof control, 0};
	ssize_t length = recvmsg(s, &message, 0);
	if (length < 0)
		die("recvmsg");
	if (from.sll_pkttype == PACKET_OUTGOING)
		return 0;
	if (length == sizeof mark - 1 && memcmp(frame, mark, sizeof mark - 1) == 0)
		return 1;
	print(frame, length, &message);
	return 0;
}

static int has_arrived(int s, int patience_ms)
{
	struct pollfd ready = {.fd = s, .events = POLLIN};
	return poll(&ready, 1, patience_ms) == 1;
}

/* What has arrived meanwhile is taken, since the watcher may have little room. */
static void send_all(int s, int watcher)
{
	static unsigned char frame[LONGEST];
	for (size_t length; (length = next_frame(frame)) > 0;) {
		if (write(s, frame, length) != (ssize_t)length)
			die("write");
		while (has_arrived(watcher, 0))
			take_arrival(watcher);
	}
}

static void print_arrivals(int s, int marker)
{
	for (int waits = 0;;) {
		if (has_arrived(s, AGAIN_MS)) {
			if (take_arrival(s))
				break;
			continue;
		}
		errno = ETIMEDOUT;
		if (++waits > MOST_WAITS)
			die("the mark");
		send_mark(marker);
	}
	struct tpacket_stats count = {0};
	socklen_t size = sizeof count;
	if (getsockopt(s, SOL_PACKET, PACKET_STATISTICS, &count, &size) < 0 || (errno = ENOBUFS, count.tp_drops > 0))
		die("the watcher");
}

int main(int count, char **word)
{
	if (count == 3) {
		/* Who ends it can only end nsenter, whose child this is. */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
			die("prctl");
		send_for_ever(open_in(word[1], word[2], 0));
	}
	if (count != 7) {
		fprintf(stderr, "usage: frames SENDER DEVICE [WATCHER DEVICE MARKER DEVICE]\n");
		return 2;
	}
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	if (sched_setaffinity(0, sizeof one, &one) < 0)
		die("sched_setaffinity");
	int sender = open_sender(word[1], word[2]);
	int marker = open_in(word[5], word[6], 0);
	int watcher = open_in(word[3], word[4], ETH_P_ALL);
	send_all(sender, watcher);
	send_mark(marker);
	print_arrivals(watcher, marker);
	return 0;
}
