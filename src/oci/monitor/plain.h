// What the monitor and the pause process share: system calls and buffers, no allocation, no exception, no stdio.
//
// Both run once per container or pod for its whole life, so their cost is memory: this code uses only stack and static
// buffers. It is compiled into the library and, alone, into the tiny program the library embeds (embedded_monitor.h).
#pragma once

#include <cstddef>
#include <cstdint>

namespace minikube::oci::plain {

constexpr std::size_t kPathMax = 4096;

// A path of `dir` and `name`; false if it does not fit.
bool Join(char (&out)[kPathMax], const char* dir, const char* name);

// Writes all of it; false on error. Restarts after EINTR.
bool WriteAll(int fd, const char* data, std::size_t size);

// Writes a whole file (created 0600), in place. False on error, errno set.
bool WriteFile(const char* path, const char* text);
// The same through `path`.tmp and rename, so that a reader sees all or nothing.
bool WriteFileAtomic(const char* path, const char* text);
// Reads up to size-1 bytes and terminates them; the number read, or -1.
long ReadFile(const char* path, char* buffer, std::size_t size);

// Start time of a process in clock ticks (field 22 of /proc/PID/stat); 0 if there is none.
std::uint64_t StartTime(int pid);

// Nanoseconds of wall time since the epoch.
std::uint64_t WallNanos();

// Decimal numbers of the command line; `fallback` for null or malformed text.
long long Number(const char* text, long long fallback);

// Puts this process into the cgroup directory `dir`. False on error.
bool JoinCgroup(const char* dir);

// A descriptor that is readable when a child has changed state (SIGCHLD, blocked from now on); -1 on error.
int WatchChildren();
// Reaps whatever child ended. True once `pid` has, with its wait status.
bool Reap(int pid, int* status);
// In a child about to become another program: undoes what Daemonize and WatchChildren changed, and dies with its
// parent.
void BecomeChild();

// "<what>: <strerror>" into fd, for the one who started us.
void Report(int fd, const char* what, int error);

// Closes every descriptor from `from` up except `keep`.
void CloseFrom(int from, int keep);

// Whatever ends the process's group, or its terminal's, does not end it: it has to see to its own end.
void StandApart();
// Turns the caller into a session leader with /dev/null as its standard files, deaf to hangups and interrupts.
void Daemonize();

}  // namespace minikube::oci::plain
