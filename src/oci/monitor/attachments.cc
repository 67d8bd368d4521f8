#include "oci/monitor/attachments.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>

#include "oci/monitor/console.h"

namespace minikube::oci::plain {
namespace {

constexpr int kHurriedPipe = 256 << 10;  // holds what a full one and the container's own do

void Close(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

bool Writable(int fd) {
  pollfd poll_fd{fd, POLLOUT, 0};
  return poll(&poll_fd, 1, 0) > 0;  // an error too: writing tells
}

}  // namespace

bool Attachments::Listen() {
  listener_ = OpenSocket(kAttachSocket, static_cast<int>(kMost));
  return listener_ >= 0;
}

void Attachments::SetInput(int input, int terminal, bool once) {
  input_ = input;
  terminal_ = terminal;
  once_ = once && terminal < 0;
  if (input_ >= 0) fcntl(input_, F_SETFL, O_NONBLOCK);
}

void Attachments::Accept() {
  const int control = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (control < 0) return;
  for (Attached& one : attached_) {
    if (one.control >= 0) continue;
    one = Attached();
    one.control = control;
    ++count_;
    return;
  }
  close(control);
}

void Attachments::Detach(Attached& one) {
  if (one.control < 0) return;
  // Its input ends with it.
  if (one.in >= 0 && once_) CloseInput();
  Close(one.in);
  Close(one.out[0]);
  Close(one.out[1]);
  Close(one.control);
  --count_;
}

void Attachments::Greet(Attached& one) {
  char wanted = 0;
  int fds[3];
  const int got = ReceiveDescriptors(one.control, &wanted, fds, 3);
  int next = 0;
  if (got >= 0) {
    int* const places[] = {&one.in, &one.out[0], &one.out[1]};
    for (int i = 0; i < 3; ++i) {
      if ((wanted & 1 << i) != 0 && next < got) *places[i] = fds[next++];
    }
    for (const int fd : {one.in, one.out[0], one.out[1]}) {
      if (fd >= 0) fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    while (next < got) close(fds[next++]);
  }
  if (got < 0 || !SendDescriptor(one.control, terminal_)) return Detach(one);
  one.greeted = true;
  if (input_ < 0) Close(one.in);
}

void Attachments::TakeInput(Attached& one) {
  if (pending_size_ > 0 || input_ < 0) return;
  const ssize_t n = read(one.in, pending_, sizeof pending_);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n > 0) {
    pending_size_ = static_cast<std::size_t>(n);
    return FlushInput();
  }
  // Its end. Where the container's input is not to end with it, being attached does.
  if (!once_) return Detach(one);
  Close(one.in);
  CloseInput();
}

void Attachments::FlushInput() {
  const ssize_t n = write(input_, pending_, pending_size_);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) return CloseInput();
  pending_size_ -= static_cast<std::size_t>(n);
  memmove(pending_, pending_ + n, pending_size_);
}

// Nobody can write to it any more.
void Attachments::CloseInput() {
  if (terminal_ < 0) Close(input_);  // a terminal is read from too, by others
  input_ = -1;
  pending_size_ = 0;
  for (Attached& one : attached_) Close(one.in);
}

bool Attachments::stalled(int output) const {
  bool any = false;
  for (const Attached& one : attached_) any = any || (one.control >= 0 && one.stalled[output]);
  return any;
}

bool Attachments::Room(int output) {
  bool room = true;
  if (count_ == 0 || hurry_) return true;
  for (Attached& one : attached_) {
    one.stalled[output] = one.out[output] >= 0 && !Writable(one.out[output]);
    room = room && !one.stalled[output];
  }
  return room;
}

void Attachments::Copy(int output, const char* data, std::size_t size) {
  for (Attached& one : attached_) {
    if (one.out[output] < 0) continue;
    if (write(one.out[output], data, size) != static_cast<ssize_t>(size)) Close(one.out[output]);
  }
}

void Attachments::Hurry() {
  hurry_ = true;
  for (const Attached& one : attached_) {
    for (const int fd : one.out) {
      if (fd >= 0) fcntl(fd, F_SETPIPE_SZ, kHurriedPipe);
    }
  }
}

std::size_t Attachments::Poll(pollfd* polls) {
  polls[0] = {listener_, POLLIN, 0};
  polls[1] = {pending_size_ > 0 ? input_ : -1, POLLOUT, 0};
  if (count_ == 0) return 2;
  std::size_t size = 2;
  for (const Attached& one : attached_) {
    polls[size++] = {one.control, POLLIN, 0};
    polls[size++] = {pending_size_ == 0 && input_ >= 0 ? one.in : -1, POLLIN, 0};
    for (const int output : {0, 1}) polls[size++] = {one.stalled[output] ? one.out[output] : -1, POLLOUT, 0};
  }
  return size;
}

void Attachments::Handle(const pollfd* polls, std::size_t size) {
  if (polls[1].revents != 0 && pending_size_ > 0) FlushInput();
  if (size > 2) {
    for (std::size_t i = 0; i < kMost; ++i) HandleOne(attached_[i], polls + 2 + 4 * i);
  }
  if (polls[0].revents != 0) Accept();
}

void Attachments::HandleOne(Attached& one, const pollfd* polls) {
  if (one.control < 0) return;
  if (polls[0].revents != 0) {
    if (!one.greeted) return Greet(one);
    // There is nothing more to say on it: it has been closed. What was written before that counts.
    if (one.in >= 0 && pending_size_ == 0) TakeInput(one);
    return Detach(one);
  }
  for (const int output : {0, 1}) {
    if (polls[2 + output].revents != 0) one.stalled[output] = false;
  }
  if (polls[1].revents != 0 && one.in >= 0) TakeInput(one);
}

}  // namespace minikube::oci::plain
