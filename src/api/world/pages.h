// Pages: the worlds that paginated lists are being read from, and the tokens that lead back to them.
//
// A world costs little to keep, so every page of a list comes from the same revision. Worlds are kept for a while after
// their last use; a token for one that is gone is served from the store's history, and is kExpired once that is gone.
// Thread safety: every member, any thread.
#pragma once

#include <deque>
#include <mutex>
#include <string>
#include <string_view>

#include <minikube/env.h>
#include <minikube/status.h>

#include "api/world/world.h"

namespace minikube::api {

// What a continue token says; written as Kubernetes writes it, base64url of
// {"v":"meta.k8s.io/v1","rv":...,"start":...}.
struct PageToken {
  Revision revision = 0;
  std::string start;  // the key below the list's prefix to go on from, exclusive

  std::string Encode() const;
  // Errors: kBadRequest.
  static Result<PageToken> Decode(std::string_view text);
};

class Pages {
 public:
  static constexpr std::size_t kMaxWorlds = 64;
  static constexpr Duration kKeep = std::chrono::minutes(5);

  void Keep(const Snapshot& world, MonoTime now);
  // Null if it is not kept (any more).
  Snapshot Find(Revision revision, MonoTime now);
  // Drops what has not been used for kKeep.
  void Expire(MonoTime now);

 private:
  struct Kept {
    Snapshot world;
    MonoTime used;
  };
  std::mutex mu_;
  std::deque<Kept> kept_;
};

}  // namespace minikube::api
