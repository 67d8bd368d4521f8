#include "http/gzip.h"

#include <algorithm>
#include <limits>
#include <new>

#include <zlib.h>

namespace minikube {

struct GzipStream::Impl {
  z_stream z{};
};

GzipStream::GzipStream(int level) : impl_(std::make_unique<Impl>()) {
  constexpr int kGzipWindow = 15 + 16;  // +16: gzip header and trailer
  if (deflateInit2(&impl_->z, level, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
}

GzipStream::~GzipStream() { deflateEnd(&impl_->z); }

void GzipStream::Write(std::string_view data, bool finish, std::string& out) {
  z_stream& z = impl_->z;
  constexpr std::size_t kStep = 32 * 1024;
  do {
    const std::size_t take = std::min<std::size_t>(data.size(), std::numeric_limits<uInt>::max());
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));  // zlib does not write to it
    z.avail_in = static_cast<uInt>(take);
    data.remove_prefix(take);
    const int flush = finish && data.empty() ? Z_FINISH : Z_NO_FLUSH;
    do {
      const std::size_t before = out.size();
      out.resize(before + kStep);
      z.next_out = reinterpret_cast<Bytef*>(out.data() + before);
      z.avail_out = static_cast<uInt>(kStep);
      deflate(&z, flush);
      out.resize(before + kStep - z.avail_out);
    } while (z.avail_out == 0);
  } while (!data.empty());
}

std::string Gzip(std::string_view data, int level) {
  std::string out;
  GzipStream(level).Write(data, true, out);
  return out;
}

}  // namespace minikube
