#include "base/fd_watches.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/real_strand.h"

namespace minikube::base {

using Descriptor = boost::asio::posix::stream_descriptor;

struct FdWatches::Watched {
  explicit Watched(boost::asio::io_context& io) : fd(io) {}
  Descriptor fd;
};

FdWatches::FdWatches(boost::asio::io_context& io) : io_(io) {}
FdWatches::~FdWatches() = default;

std::uint64_t FdWatches::Watch(int fd, FdEvent event, Strand& strand, Task ready) {
  // A duplicate, because asio closes what it watches, and the reactor knows a descriptor only once.
  const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return 0;
  auto watched = std::make_shared<Watched>(io_);
  boost::system::error_code error;
  if (watched->fd.assign(own, error); error) {
    close(own);
    return 0;
  }
  std::uint64_t id = 0;
  {
    std::lock_guard lock(mu_);
    id = ++last_;
    watches_.emplace(id, watched);
  }
  watched->fd.async_wait(
      event == FdEvent::kReadable ? Descriptor::wait_read : Descriptor::wait_write,
      [this, id, post = PosterOf(strand), ready = std::move(ready)](const boost::system::error_code& failed) mutable {
        if (failed == boost::asio::error::operation_aborted) return;
        std::shared_ptr<Watched> done;
        {
          std::lock_guard lock(mu_);
          const auto it = watches_.find(id);
          if (it == watches_.end()) return;  // unwatched meanwhile
          done = std::move(it->second);
          watches_.erase(it);
        }
        post(std::move(ready));
      });
  return id;
}

void FdWatches::Unwatch(std::uint64_t id) {
  std::shared_ptr<Watched> watched;
  std::lock_guard lock(mu_);
  const auto it = watches_.find(id);
  if (it == watches_.end()) return;
  watched = std::move(it->second);
  watches_.erase(it);
}

}  // namespace minikube::base
