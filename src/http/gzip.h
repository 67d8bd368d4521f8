// gzip (RFC 1952) by zlib, for responses.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace minikube {

// Compresses a stream piece by piece. Thread safety: one thread at a time. Lifetime: about 256 KiB while it exists.
class GzipStream {
 public:
  // Level 1 as kube-apiserver uses: responses are sent once, so speed counts more than size.
  explicit GzipStream(int level = 1);
  ~GzipStream();
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;

  // Appends what compressing `data` yields to `out`; with `finish` also the end of the stream.
  void Write(std::string_view data, bool finish, std::string& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::string Gzip(std::string_view data, int level = 1);

}  // namespace minikube
