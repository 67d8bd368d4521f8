#include "base/fd_watches.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/real_strand.h"

namespace minikube::base {

using Descriptor = boost::asio::posix::stream_descriptor;

struct FdWatches::Watched {
  explicit Watched(boost::asio::io_context& io) : fd(io) {}
  // A readiness event alone does not say so: the reactor may see one that was meant for a descriptor closed before (a
  // child being spawned keeps it open a moment longer).
  bool IsReady() {
    pollfd state{fd.native_handle(), static_cast<short>(event == FdEvent::kReadable ? POLLIN : POLLOUT), 0};
    return poll(&state, 1, 0) != 0;
  }
  Descriptor fd;
  FdEvent event = FdEvent::kReadable;
  Function<void(Task)> post;
  Task ready;
};

FdWatches::FdWatches(boost::asio::io_context& io) : io_(io) {}
FdWatches::~FdWatches() = default;

std::uint64_t FdWatches::Watch(int fd, FdEvent event, Strand& strand, Task ready) {
  // A duplicate, because asio closes what it watches, and the reactor knows a descriptor only once.
  const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return 0;
  auto watched = std::make_unique<Watched>(io_);
  boost::system::error_code error;
  if (watched->fd.assign(own, error); error) {
    close(own);
    return 0;
  }
  watched->event = event;
  watched->post = strand.Poster();
  watched->ready = std::move(ready);
  std::lock_guard lock(mu_);
  const std::uint64_t id = ++last_;
  Await(id, *watches_.emplace(id, std::move(watched)).first->second);
  return id;
}

void FdWatches::Await(std::uint64_t id, Watched& watched) {
  watched.fd.async_wait(watched.event == FdEvent::kReadable ? Descriptor::wait_read : Descriptor::wait_write,
                        [this, id](const boost::system::error_code& failed) {
                          if (failed == boost::asio::error::operation_aborted) return;
                          std::unique_ptr<Watched> done;
                          {
                            std::lock_guard lock(mu_);
                            const auto it = watches_.find(id);
                            if (it == watches_.end()) return;  // unwatched meanwhile
                            if (!failed && !it->second->IsReady()) return Await(id, *it->second);
                            done = std::move(it->second);
                            watches_.erase(it);
                          }
                          done->post(std::move(done->ready));
                        });
}

void FdWatches::Unwatch(std::uint64_t id) {
  std::unique_ptr<Watched> watched;  // declared before the lock: its task may own things that call back when they go
  std::lock_guard lock(mu_);
  const auto it = watches_.find(id);
  if (it == watches_.end()) return;
  watched = std::move(it->second);
  watches_.erase(it);
}

}  // namespace minikube::base
