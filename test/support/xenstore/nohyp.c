/*
 * Lets Xen's xenstored run on a machine without Xen (LD_PRELOAD). It stands in for the three libraries by which
 * the daemon reaches the hypervisor (event channels, grant tables, control) and for the files of the kernel's
 * xenbus driver. All clients then come by the Unix socket, as domain 0.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* A test that is killed takes its daemon with it. */
__attribute__((constructor)) static void end_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
}

/* A handle is opaque to the daemon; it only must not be NULL. */
static char handle;

/* Event channels: a descriptor on which nothing ever arrives. */
static int never_ready = -1;

void *xenevtchn_open(void *log, unsigned flags)
{
	if (never_ready < 0)
		never_ready = eventfd(0, EFD_CLOEXEC);
	return &handle;
}

void *xenevtchn_fdopen(void *log, int fd, unsigned flags) { return xenevtchn_open(log, flags); }
int xenevtchn_fd(void *channel) { return never_ready; }
int xenevtchn_bind_interdomain(void *channel, uint32_t domain, uint32_t port) { return 1; }
int xenevtchn_bind_virq(void *channel, unsigned virq) { return 2; }
int xenevtchn_notify(void *channel, uint32_t port) { return 0; }
int xenevtchn_pending(void *channel) { return -1; }
int xenevtchn_unbind(void *channel, uint32_t port) { return 0; }
int xenevtchn_unmask(void *channel, uint32_t port) { return 0; }

/* Grant tables: a page of our own instead of the guest's. */
void *xengnttab_open(void *log, unsigned flags) { return &handle; }
int xengnttab_close(void *table) { return 0; }
int xengnttab_set_max_grants(void *table, uint32_t count) { return 0; }
int xengnttab_unmap(void *table, void *page, uint32_t count) { return munmap(page, 4096UL * count); }

void *xengnttab_map_grant_ref(void *table, uint32_t domain, uint32_t reference, int protection)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Control: no domain is ever there. */
void *xc_interface_open(void *log, void *destroy_log, unsigned flags) { return &handle; }
int xc_interface_close(void *control) { return 0; }
int xc_domain_getinfo(void *control, uint32_t first, unsigned most, void *info) { return 0; }

/* The question of Xen 4.18 and later. */
int xc_domain_getinfo_single(void *control, uint32_t domain, void *info)
{
	errno = ESRCH;
	return -1;
}

/* The driver's files: domain 0's event channel port as text, and its shared page. */
int open(const char *path, int flags, ...)
{
	int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
	mode_t mode = 0;
	int fd;

	if (strcmp(path, "/proc/xen/xsd_port") && strcmp(path, "/proc/xen/xsd_kva") &&
	    strcmp(path, "/dev/xen/xenbus") && strcmp(path, "/proc/xen/xenbus")) {
		if (flags & (O_CREAT | O_TMPFILE)) {
			va_list rest;
			va_start(rest, flags);
			mode = va_arg(rest, mode_t);
			va_end(rest);
		}
		return real_open(path, flags, mode);
	}
	fd = memfd_create("xenbus", MFD_CLOEXEC);
	if (ftruncate(fd, 4096) < 0 || pwrite(fd, "1\n", 2, 0) < 0)
		return -1;
	return fd;
}
