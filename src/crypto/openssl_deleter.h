// Ownership of what OpenSSL allocates.
#pragma once

namespace minikube {

// For std::unique_ptr: std::unique_ptr<BIO, OpensslDeleter<BIO_free>>.
template <auto Free>
struct OpensslDeleter {
  template <typename T>
  void operator()(T* p) const {
    Free(p);
  }
};

}  // namespace minikube
