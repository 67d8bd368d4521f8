// Digests as OCI writes them: "sha256:" and 64 hexadecimal digits.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace minikube::oci {

// Computes a sha256 of what passes.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void Update(const void* data, std::size_t size);
  // "sha256:..." ; the object is done after that.
  std::string Finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

std::string DigestOf(std::string_view data);

// Whether `text` is a well-formed sha256 digest. Other algorithms are not accepted anywhere.
bool IsDigest(std::string_view text);
// The hexadecimal part of a well-formed digest.
std::string_view HexOf(std::string_view digest);

}  // namespace minikube::oci
